"""What an endpoint takes: bytes, rows and seconds of one request, and requests a second.

A rate is a token bucket: a second's worth at once, then the rate. It is counted for all requests together, and for each
person or program by issuer and subject; several worker processes share it out evenly, so that each grants its part.

>>> rate = Rate(2.0)
>>> [rate.admits("a", now) for now in (0.0, 0.0, 0.0, 0.5)], rate.admits("b", 0.0)
([True, True, False, True], True)
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fedsov.checks import prefixed, real, section, store, whole

MOST_SUBJECTS = 100_000
"""Buckets that are remembered; where there would be more, the full ones are forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """The group ``serving.limits`` of a region's settings.

    Attributes:
        body: bytes of one body, as sent and after it is decompressed.
        rows: rows of one request.
        waiting: bytes of all bodies that are being received at once, in one worker.
        seconds: for a body to come, and for an answer to wait for its line in the log.
        head: bytes of a request's line and headers; `head_seconds` for them to come.
        connections: at once, in one worker.
        per_second: requests a second of all together, 0 for no limit.
        per_subject: requests a second of one subject of one issuer, 0 for no limit.

    Raises ConfigurationError for a value that cannot be.
    """

    body: int = 8 << 20
    rows: int = 10_000
    waiting: int = 64 << 20
    seconds: float = 10.0
    head: int = 32 << 10
    head_seconds: float = 10.0
    connections: int = 1000
    per_second: float = 0.0
    per_subject: float = 0.0

    def __post_init__(self) -> None:
        with prefixed("serving.limits."):
            sizes = {"body": 16, "rows": 1, "waiting": 16, "head": 1024, "connections": 1}
            store(self, **{name: whole(name, getattr(self, name), at_least=low) for name, low in sizes.items()})
            times = {name: real(name, getattr(self, name), above=0.0) for name in ("seconds", "head_seconds")}
            rates = {name: real(name, getattr(self, name), at_least=0.0) for name in ("per_second", "per_subject")}
            store(self, **times, **rates)

    @staticmethod
    def from_json(plain: Any) -> RequestLimits:
        """The limits of plain values. Raises ConfigurationError, also for a limit that there is not."""
        return RequestLimits(**section("serving.limits", plain, RequestLimits))

    def to_json(self) -> Mapping[str, Any]:
        """Plain values."""
        return asdict(self)

    def of_one_worker(self, workers: int) -> tuple[Rate, Rate]:
        """The rate of all requests, and of each subject, that one of several workers grants."""
        return Rate(self.per_second / workers), Rate(self.per_subject / workers)


class Rate:
    """Token buckets of one rate, by key."""

    def __init__(self, per_second: float) -> None:
        """
        Args:
            per_second: requests a second of one key; 0 admits all.
        """
        self.per_second = per_second
        self._burst = max(1.0, per_second)
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def admits(self, key: Hashable, now: float) -> bool:
        """Whether one more request of this key fits the rate.

        Args:
            now: seconds of a clock that does not go back; what goes back counts as no time.
        """
        if not self.per_second:
            return True
        left, at = self._buckets.get(key, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - at) * self.per_second)
        if len(self._buckets) >= MOST_SUBJECTS and key not in self._buckets:
            self._forget(now)
        self._buckets[key] = (left - 1.0 if left >= 1.0 else left, max(now, at))
        return left >= 1.0

    def _forget(self, now: float) -> None:
        """Drops the buckets that are full again; where none is, the older half."""
        whole_again = self._burst / self.per_second
        stays = {key: bucket for key, bucket in self._buckets.items() if now - bucket[1] < whole_again}
        if len(stays) >= MOST_SUBJECTS:
            by_age = sorted(stays.items(), key=lambda item: item[1][1])
            stays = dict(by_age[len(by_age) // 2 :])
        self._buckets = stays
