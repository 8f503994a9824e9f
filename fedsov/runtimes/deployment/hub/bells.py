"""Who waits for something to come, and what wakes them: long polls without sleeping.

bells.ring(("node", 7))                                   # from any thread
found = await bells.answer(("node", 7), take, 20.0)       # `take` is called now, and after each ring
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
Key = tuple[str, int | str]


@dataclass(slots=True)
class Bells:
    """The events of those that wait, by what they wait for."""

    _lock: threading.RLock = field(default_factory=threading.RLock)
    """Of a kind that a signal's handler may take which came while its thread held it."""
    _closing: bool = False
    _waiting: dict[Key, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = field(default_factory=dict)

    def ring(self, key: Key) -> None:
        """Wakes whoever waits for this; may be called from any thread."""
        with self._lock:
            for loop, event in self._waiting.get(key, ()):
                loop.call_soon_threadsafe(event.set)

    def ring_every(self, kind: str) -> None:
        """Wakes whoever waits for anything of a kind; may be called from any thread."""
        with self._lock:
            keys = [key for key in self._waiting if key[0] == kind]
        for key in keys:
            self.ring(key)

    def close(self) -> None:
        """Wakes everybody, and lets nobody wait again: the server ends."""
        self._closing = True
        for key in list(self._waiting):
            self.ring(key)

    async def answer(
        self, key: Key, take: Callable[[], Awaitable[T | None]], seconds: float, gone: asyncio.Future[Any]
    ) -> T | None:
        """What `take` gives, asked now and after each ring; None after so many seconds, or where the asker is gone."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        with self._listening(key) as event:
            while not gone.done():
                event.clear()
                found = await take()
                left = until - loop.time()
                if found is not None or left <= 0 or self._closing:
                    return found
                rung: asyncio.Future[Any] = asyncio.ensure_future(event.wait())
                await asyncio.wait([rung, gone], timeout=left, return_when=asyncio.FIRST_COMPLETED)
                rung.cancel()
        return None

    @contextmanager
    def _listening(self, key: Key) -> Iterator[asyncio.Event]:
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiting.setdefault(key, []).append(entry)
        try:
            yield entry[1]
        finally:
            with self._lock:
                self._waiting[key].remove(entry)
                if not self._waiting[key]:
                    del self._waiting[key]
