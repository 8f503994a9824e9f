"""How much of the coordinator's memory regions' answers take until their run takes them, and the most that they may.

    space = AnswerSpace(most=half_of_memory())
    with space.reading("DE", length):           # raises SpaceFull before a byte of the body is read
        ...
        space.keep("DE", run, question, size)
    space.taken([question])                     # the run has it

A region has `OF_REGION` for what it sends and what waits, so that it fills its own share and no other's. All regions
together have the half of this machine's memory. Whoever is refused keeps its answer and sends it again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fedsov.errors import FedsovError

OF_REGION = 1 << 30
LEAST = 1 << 16
"""What an answer counts at least: Flower keeps more of a small one than its bytes."""


class SpaceFull(FedsovError):
    """No room for another answer now."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer that waits for its run."""

    region: str
    run: int
    size: int


class AnswerSpace:
    """The share of each region. Used by the coordinator's one thread alone.

    Args:
        most: bytes of all regions' answers together.
        of_region: bytes of one region's.
    """

    def __init__(self, most: int, of_region: int = OF_REGION) -> None:
        self._most, self._of_region = max(most, of_region), of_region
        self._reading: Counter[str] = Counter()
        self._kept: dict[str, _Kept] = {}

    @contextmanager
    def reading(self, region: str, size: int) -> Iterator[None]:
        """Room for an answer while it is read and stored. Raises SpaceFull."""
        size = max(size, LEAST)
        own, every = self._of(region) + size, self._of() + size
        if own > self._of_region:
            raise SpaceFull(
                f"answers of {region} that no run has taken yet fill its share here, {self._of_region:,} bytes; this "
                "one is sent again"
            )
        if every > self._most:
            raise SpaceFull(
                f"answers that no run has taken yet fill the share of all regions here, {self._most:,} bytes; this one "
                "is sent again"
            )
        self._reading[region] += size
        try:
            yield
        finally:
            self._reading[region] -= size

    def keep(self, region: str, run: int, question: str, size: int) -> None:
        """An answer is stored, and waits."""
        self._kept.setdefault(question, _Kept(region, run, max(size, LEAST)))

    def waiting(self, questions: Iterable[str]) -> list[str]:
        """Those of these questions whose answers wait."""
        return [each for each in questions if each in self._kept]

    def taken(self, questions: Iterable[str]) -> None:
        """The run has the answers to these questions."""
        for question in questions:
            self._kept.pop(question, None)

    def ended(self, is_over: Callable[[int], bool]) -> None:
        """Nobody takes the answers of runs that are over."""
        self._kept = {question: each for question, each in self._kept.items() if not is_over(each.run)}

    def runs(self) -> set[int]:
        """The runs whose answers wait."""
        return {each.run for each in self._kept.values()}

    def _of(self, region: str | None = None) -> int:
        reading = self._reading.total() if region is None else self._reading[region]
        return reading + sum(each.size for each in self._kept.values() if region in (None, each.region))


def half_of_memory() -> int:
    """Half of this machine's memory, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
