"""How the border's benchmark takes time: each act beside a fixed loop, so that a busy machine slows down both.

Where the loop varies, the machine was busy, and a time as a multiple of the loop beside it says more than microseconds.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage collection, which would count for whoever is being timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def microseconds(act: Callable[[], object], times: int = 1) -> float:
    """Of one act, over so many in a row."""
    started = time.perf_counter_ns()
    for _ in range(times):
        act()
    return (time.perf_counter_ns() - started) / times / 1_000


def loop() -> int:
    """The fixed piece of Python."""
    total = 0
    for number in range(1_000):
        total += number % 7
    return total


@dataclass(frozen=True, slots=True)
class Timed:
    """One act: its microseconds, and how often the loop, timed right after it, would fit into them."""

    microseconds: float
    loops: float


def timed(act: Callable[[], object], times: int = 1) -> Timed:
    """One act beside the loop, so that a machine that slows down for a while slows down both."""
    took = microseconds(act, times)
    return Timed(took, took / microseconds(loop))


def middle(figures: Sequence[Timed]) -> Timed:
    """The median of each measure."""
    median = statistics.median
    return Timed(median(one.microseconds for one in figures), median(one.loops for one in figures))
