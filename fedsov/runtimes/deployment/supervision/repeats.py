"""Events that come again and again are told once a minute, with how many came between: nobody fills a party's log.

tell = ThrottledEvents(lines.info)
tell("message unreadable", "the hub sent what is no message")       # told
tell("message unreadable", "the hub sent what is no message")       # counted
tell.flush()                                                        # tells what was counted a minute ago or more
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fedsov.errors import counted

SECONDS, AT_ONCE = 60.0, 5
"""So many events of a kind are told at once in so many seconds."""


@dataclass(slots=True)
class _Kind:
    """One kind of event: since when it is counted, how many were told, and what the last that was not told said."""

    since: float
    told: int = 0
    left_out: int = 0
    text: str = ""


@dataclass(slots=True)
class ThrottledEvents:
    """Tells events; threads may share it.

    Attributes:
        tell: told a word, a sentence, and fields.
        clock: seconds that only grow.
    """

    tell: Callable[..., None]
    clock: Callable[[], float] = time.monotonic
    _kinds: dict[str, _Kind] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: str, text: str, **fields: str | int | float | bool | None) -> None:
        """Tells an event, or counts it."""
        self.flush()
        with self._lock:
            kind = self._kinds.setdefault(event, _Kind(self.clock()))
            kind.told += 1
            if kind.told > AT_ONCE:
                kind.left_out, kind.text = kind.left_out + 1, text
                return
        self.tell(event, text, **fields)

    def flush(self) -> None:
        """Tells how many came of each kind whose time is over."""
        now = self.clock()
        with self._lock:
            over = {event: kind for event, kind in self._kinds.items() if now - kind.since >= SECONDS}
            for event in over:
                del self._kinds[event]
        for event, kind in over.items():
            if kind.left_out:
                more = f"{counted(kind.left_out, 'more event')} of this kind in {SECONDS:.0f} s, the last: {kind.text}"
                self.tell(event, more, left_out=kind.left_out)
