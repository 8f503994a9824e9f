"""Whether a version that was rolled out does well: the region's own judgement over the requests that it had since.

    now = VersionWindow.of(whole, ("m", 2), drift=window)      # counts since the version began, of all workers
    judged = judge(now.since(then), before, GuardLimits())
    judged.word                                                # ok, watching, errors, slow or drift

| word | meaning |
|---|---|
| `watching` | fewer requests than `GuardLimits.requests`, and nothing wrong so far |
| `errors` | of its requests more failed than `errors`, or more rows were not read than by the version before |
| `slow` | more than 1 % of its answers took longer than `slower` times the 99th percentile of the version before |
| `drift` | the population stability index of an input or of the scores is above `psi` |
| `ok` | none of these, over at least so many requests |

A share of few requests is uncertain, so `slow` asks that chance alone explains it once in a thousand times at most.
What cannot be judged is named: drift without a reference, slowness without a version before. Errors and slowness are
compared with the version before as it was on the same machine, never with another region's.

What a region tells of this leaves as the word and bands, never as a count (`Judgement.bands`).

>>> judge(VersionWindow(requests=500), VersionWindow(requests=500), GuardLimits()).word
'ok'
>>> judge(VersionWindow(requests=300, faults=9), None, GuardLimits()).word
'errors'
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fedsov.checks import real, section, store, whole
from fedsov.inference.use.drift import DriftWindow
from fedsov.inference.use.usage import FINE, Key, VersionCounts

OK, WATCHING, ERRORS, SLOW, DRIFT = WORDS = ("ok", "watching", "errors", "slow", "drift")
STOPS = (ERRORS, SLOW, DRIFT)
"""The words on which a rollout stops."""
RARE = 0.01
"""The share of answers that lie above the 99th percentile."""
CHANCE = 0.001
"""How often chance alone may call a version slow."""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """When a version does badly; the group ``serving.guard`` of region.yaml.

    Attributes:
        requests: from which on it is judged.
        errors: the share of failed requests that is too many.
        slower: how many times the version before's 99th percentile is too slow.
        psi: the index of an input or of the scores that is too much drift.

    Raises ConfigurationError.
    """

    requests: int = 200
    errors: float = 0.01
    slower: float = 2.0
    psi: float = 0.25

    def __post_init__(self) -> None:
        store(
            self,
            requests=whole("serving.guard.requests", self.requests, at_least=1),
            errors=real("serving.guard.errors", self.errors, above=0.0, at_most=1.0),
            slower=real("serving.guard.slower", self.slower, above=1.0),
            psi=real("serving.guard.psi", self.psi, above=0.0),
        )

    @staticmethod
    def from_settings(plain: Any) -> GuardLimits:
        """The limits of plain values; what is not said is as above. Raises ConfigurationError, naming the key."""
        return GuardLimits(**section("serving.guard", plain, GuardLimits))


@dataclass(frozen=True, slots=True)
class VersionWindow:
    """What a version answered in some time.

    Attributes:
        requests: answers; `faults` and `unread` as of `VersionCounts`, which are no answers.
        fine: answers by seconds (`FINE`).
        drift: its rows by bins; None where its inputs in training are not known.
    """

    requests: int = 0
    faults: int = 0
    unread: int = 0
    fine: tuple[int, ...] = ()
    drift: DriftWindow | None = None

    @staticmethod
    def of(whole: Mapping[str, Any], key: Key, drift: DriftWindow | None = None) -> VersionWindow:
        """All that a version answered in any role, of joined counts (`fedsov.inference.use.usage.joined`)."""
        own = VersionCounts()
        for model, version, _, *counts in whole["versions"]:
            if (model, version) == key:
                own = own.joined(VersionCounts(*counts))
        return VersionWindow(own.requests, own.faults, own.unread, tuple(own.fine), drift)

    def since(self, then: VersionWindow) -> VersionWindow:
        """What came after another window of the same version; all of it where counting began anew in between."""
        if then.total > self.total or any(mine < old for mine, old in zip(self.fine, then.fine, strict=False)):
            return self
        fine = tuple(mine - old for mine, old in zip(self.fine, then.fine or (0,) * len(self.fine), strict=True))
        return replace(
            self,
            requests=self.requests - then.requests,
            faults=self.faults - then.faults,
            unread=self.unread - then.unread,
            fine=fine,
        )

    @property
    def total(self) -> int:
        """Requests that were meant for it."""
        return self.requests + self.faults + self.unread

    def share(self, count: int) -> float:
        """A count as a share of all requests; 0 of none."""
        return count / self.total if self.total else 0.0

    @property
    def p99(self) -> float:
        """The upper edge of the bin in which the 99th percentile of seconds lies; infinity above the last."""
        above = RARE * sum(self.fine)
        for place in range(len(self.fine) - 1, -1, -1):
            above -= self.fine[place]
            if above < 0.0:
                return FINE[place] if place < len(FINE) else math.inf
        return 0.0

    def slower_than(self, seconds: float) -> int:
        """How many answers were in bins that lie above this many seconds."""
        return sum(count for low, count in zip((0.0, *FINE), self.fine, strict=False) if low >= seconds)

    def to_json(self) -> dict[str, Any]:
        """Plain values, without drift."""
        return {
            "requests": self.requests, "faults": self.faults, "unread": self.unread, "fine": list(self.fine)
        }  # fmt: skip

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> VersionWindow:
        """The inverse of `to_json`. Raises KeyError, TypeError, ValueError."""
        fine = tuple(map(int, plain["fine"]))
        return VersionWindow(int(plain["requests"]), int(plain["faults"]), int(plain["unread"]), fine)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a region says of a version: a word, the sentence behind it, bands, and what could not be judged."""

    word: str
    why: str = ""
    bands: Mapping[str, str] = field(default_factory=dict)
    unjudged: tuple[str, ...] = ()

    @property
    def stops(self) -> bool:
        """Whether a rollout stops on it."""
        return self.word in STOPS


def judge(window: VersionWindow, before: VersionWindow | None, limits: GuardLimits) -> Judgement:
    """How a version does.

    Args:
        window: what it answered since it began.
        before: what the version that it takes the place of answered; None, or too little of it, where nothing is known.
    """
    known = before if before is not None and before.total >= limits.requests else None
    unjudged = _unjudged(window, known, limits)
    if window.total < limits.requests:
        return Judgement(WATCHING, f"it had fewer than {limits.requests} requests so far", {}, unjudged)
    bands = {
        "errors": _band(_errors(window, known), (limits.errors,)),
        "slower": "unknown" if known is None else _band(_times(window, known), (1.5, limits.slower, 4.0)),
        "psi": _band(max(drift.values()), (0.1, limits.psi)) if (drift := _drift(window)) else "unknown",
    }
    why = _why(window, known, limits)
    return Judgement(why[0], why[1], bands, unjudged)


def _why(window: VersionWindow, before: VersionWindow | None, limits: GuardLimits) -> tuple[str, str]:
    if _errors(window, before) > limits.errors:
        return ERRORS, f"more than {limits.errors:.3g} of its requests failed, or had rows that it does not read"
    if before is not None and _is_slow(window, before, limits):
        return SLOW, f"its 99th percentile is more than {limits.slower:.3g} times that of the version before"
    far = [name for name, value in _drift(window).items() if value > limits.psi]
    if far:
        return DRIFT, f"what it is asked is unlike its training: {', '.join(sorted(far)[:5])} (PSI above {limits.psi})"
    return OK, ""


def _errors(window: VersionWindow, before: VersionWindow | None) -> float:
    """The share that failed, with the rows that were not read as far as the version before read more of them."""
    usual = 0.0 if before is None else before.share(before.unread)
    return window.share(window.faults) + max(0.0, window.share(window.unread) - usual)


def _times(window: VersionWindow, before: VersionWindow) -> float:
    return window.p99 / before.p99 if before.p99 > 0.0 else 0.0


def _is_slow(window: VersionWindow, before: VersionWindow, limits: GuardLimits) -> bool:
    """Whether more than 1 % is slower than so many times the percentile before, and chance hardly explains it."""
    far = window.slower_than(limits.slower * before.p99 * (1.0 - 1e-9))
    return far > RARE * window.requests and at_least(far, of=window.requests, share=RARE) < CHANCE


def at_least(count: int, *, of: int, share: float) -> float:
    """The probability of this many or more of so many draws, each of this share (binomial distribution).

    >>> round(at_least(3, of=200, share=0.01), 3), at_least(0, of=5, share=0.5)
    (0.323, 1.0)
    """
    if count > 4.0 * of * share + 30.0:
        return 0.0  # less than e^-30 (Chernoff)
    fewer = sum(
        math.exp(
            math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
            + k * math.log(share) + (of - k) * math.log1p(-share)
        )
        for k in range(count)
    )  # fmt: skip
    return max(0.0, 1.0 - fewer)


def _drift(window: VersionWindow) -> Mapping[str, float]:
    return {} if window.drift is None else window.drift.psi()


def _unjudged(window: VersionWindow, before: VersionWindow | None, limits: GuardLimits) -> tuple[str, ...]:
    reasons = []
    if before is None:
        reasons.append(f"slow: no version before it answered {limits.requests} requests here since the endpoint began")
    if window.drift is None:
        reasons.append("drift: the region has no reference of its inputs in training")
    return tuple(reasons)


def _band(value: float, edges: Sequence[float]) -> str:
    """In which of the bands between edges a value lies.

    >>> _band(0.02, (0.01,)), _band(1.5, (1.5, 2.0)), _band(1.7, (1.5, 2.0))
    ('above 0.01', 'up to 1.5', '1.5 to 2')
    """
    above = [edge for edge in edges if value > edge]
    if len(above) == len(edges):
        return f"above {edges[-1]:.3g}"
    return f"up to {edges[0]:.3g}" if not above else f"{above[-1]:.3g} to {edges[len(above)]:.3g}"
