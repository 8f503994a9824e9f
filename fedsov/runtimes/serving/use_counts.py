"""A worker's part in what its region tells of its use: what it counted goes to the disk every few seconds.

What cannot be written there is not told, and the worker's metrics say so; no request waits for it.
"""

from __future__ import annotations

import asyncio
import time

from fedsov.inference.use.cells import UseCells, UseFrame
from fedsov.inference.use.spool import UseSpool, Window
from fedsov.inference.use.usage import Usage
from fedsov.runtimes.serving.place import EndpointPlace

EVERY = 5.0
"""Seconds between two lines; what a worker counted since the last one is lost with it."""


class UseCounts:
    """The cells of one worker, and where they go."""

    def __init__(self, place: EndpointPlace, usage: Usage) -> None:
        self._spool, self._usage = UseSpool(place.serving.use), usage
        self._last = 0.0
        self._frames: list[tuple[UseFrame, int]] = []
        self.cells = self._begun(place.use_seconds)

    def take(self, place: EndpointPlace) -> None:
        """Counts as the region's settings have it now; another length begins with the next second."""
        if place.use_seconds != self.cells.seconds:
            self._collect()
            self.cells = self._begun(place.use_seconds)

    async def look(self) -> None:
        """Writes a line where the last one is old enough."""
        if time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            await self.put_down()

    async def put_down(self) -> None:
        """Writes what was counted."""
        self._collect()
        frames, self._frames = self._frames, []
        if frames:
            await asyncio.to_thread(self._write, frames)

    def _collect(self) -> None:
        self._frames += [(frame, self.cells.seconds) for frame in self.cells.taken(time.time())]

    def _begun(self, seconds: int) -> UseCells:
        cells = UseCells(seconds, lambda begins: self._secret(Window(begins, seconds)))
        cells.taken(time.time())
        return cells

    def _secret(self, window: Window) -> bytes | None:
        try:
            return self._spool.secret(window)
        except (OSError, ValueError):
            self._usage.noted("use not counted")
            return None

    def _write(self, frames: list[tuple[UseFrame, int]]) -> None:
        for frame, seconds in frames:
            try:
                is_written = self._spool.append(frame, Window(frame.begins, seconds))
            except OSError:
                is_written = False
            if not is_written or frame.uncounted:
                self._usage.noted("use not counted")
