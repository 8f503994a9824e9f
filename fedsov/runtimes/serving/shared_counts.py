"""Counts that workers share: each writes its own place in one piece of memory, and whoever is asked reads all of them.

    counts = SharedCounts(workers)       # before the workers are forked
    counts.write(place, usage.snapshot(now))
    joined(counts.read_all())

A place outlives its worker: the next one goes on from what the one before had counted.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from typing import Any

import orjson

PLACE = 1 << 20
"""Bytes of one worker's place; memory is taken as far as it is written."""
_HEAD = struct.Struct("<QQ")
_TRIALS = 100


class SharedCounts:
    """The memory: for each worker a number that is odd while it is written, a length, and JSON."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._memory = mmap.mmap(-1, PLACE * workers)

    def write(self, place: int, snapshot: Mapping[str, Any]) -> bool:
        """Puts a worker's counts in its place; False where they have no room there, and the older ones stay."""
        text, at = orjson.dumps(snapshot), place * PLACE
        if len(text) > PLACE - _HEAD.size:
            return False
        number, _ = _HEAD.unpack_from(self._memory, at)
        number += number % 2  # a worker that was killed while it wrote left an odd one
        _HEAD.pack_into(self._memory, at, number + 1, len(text))
        self._memory[at + _HEAD.size : at + _HEAD.size + len(text)] = text
        _HEAD.pack_into(self._memory, at, number + 2, len(text))
        return True

    def read(self, place: int) -> dict[str, Any] | None:
        """A worker's counts; None before any, or where a worker was killed while it wrote them."""
        at = place * PLACE
        for _ in range(_TRIALS):
            number, length = _HEAD.unpack_from(self._memory, at)
            text = self._memory[at + _HEAD.size : at + _HEAD.size + min(length, PLACE - _HEAD.size)]
            if number and not number % 2 and _HEAD.unpack_from(self._memory, at) == (number, length):
                snapshot: dict[str, Any] = orjson.loads(text)
                return snapshot
        return None

    def read_all(self) -> list[dict[str, Any]]:
        """The counts of every worker that has some."""
        return [snapshot for place in range(self._workers) if (snapshot := self.read(place)) is not None]
