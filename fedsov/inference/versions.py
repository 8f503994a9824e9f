"""Which version of a model answers a request: the champion, a canary for its share, and which shadows see it too.

The choice follows from the request's id alone: the same id, the same versions, on every worker. A champion answers what
canaries leave. A shadow answers nobody: its answer goes into the log beside the champion's.

>>> part = fraction("0123456789abcdef")
>>> 0.0 <= part < 1.0, part == fraction("0123456789abcdef")
(True, True)
>>> [picked([("v2", 0.1), ("v3", 0.2)], part, "v1") for part in (0.05, 0.1, 0.29, 0.31)]
['v2', 'v3', 'v3', 'v1']
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, TypeVar

Version = TypeVar("Version")


@dataclass(frozen=True, slots=True)
class ModelVersions(Generic[Version]):
    """The versions of one model that are there.

    Attributes:
        champion: None where there is none; its canaries then answer their shares, and nobody the rest.
        canaries: each with the share of requests that it answers; `shadows` with the share that it sees.
    """

    champion: Version | None
    canaries: tuple[tuple[Version, float], ...] = ()
    shadows: tuple[tuple[Version, float], ...] = ()

    def answering(self, request_id: str) -> Version | None:
        """The version that answers."""
        if not self.canaries:
            return self.champion
        return picked(self.canaries, fraction(request_id), self.champion)

    def watching(self, request_id: str) -> Sequence[Version]:
        """The shadows that see the request too."""
        if not self.shadows:
            return ()
        part = fraction(request_id, b"shadow")
        return [version for version, share in self.shadows if part < share]

    @property
    def all(self) -> tuple[Version, ...]:
        """Every version, the champion first."""
        first = () if self.champion is None else (self.champion,)
        return (*first, *(version for version, _ in (*self.canaries, *self.shadows)))


def fraction(request_id: str, of: bytes = b"") -> float:
    """A number of [0, 1) that follows from an id, evenly for ids that differ in any way.

    Args:
        of: what it is drawn for; draws for other things are independent of it.
    """
    return int.from_bytes(blake2b(request_id.encode(), digest_size=6, person=of).digest()) / 2**48


def picked(shares: Iterable[tuple[Version, float]], part: float, otherwise: Version | None) -> Version | None:
    """The one whose share of [0, 1) holds the part, the shares laid end to end."""
    end = 0.0
    for version, share in shares:
        end += share
        if part < end:
            return version
    return otherwise
