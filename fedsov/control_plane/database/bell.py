"""Wakes a process that waits for a change of the control plane's database, whichever process made it.

    with ChangeBell(database, ring):       # `ring` is called from a thread, soon after each change, often for nothing
        ...

It costs no CPU while nothing changes but a look each second: Linux says when the file beside SQLite was touched,
PostgreSQL when it was notified. Where neither can (another system, a connection that broke), that look is what rings.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from fedsov.control_plane.database.engine import CHANNEL, Database, touch

LOOK = 1.0
"""Seconds between two looks, where nothing rang."""
_ATTRIBUTES, _CLOSED = 0x4, 0x8
"""Of inotify(7): IN_ATTRIB, IN_CLOSE_WRITE."""
_LARGEST = 1 << 16

Wait = Callable[[float], bool]
"""Waits so many seconds; True where something rang."""


class ChangeBell:
    """A thread that calls `ring` after each change, while the block runs."""

    def __init__(self, database: Database, ring: Callable[[], None]) -> None:
        self._database, self._ring = database, ring
        self._read, self._write = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="changes", daemon=True)

    def __enter__(self) -> ChangeBell:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._write, b".")
        self._thread.join()
        os.close(self._read)
        os.close(self._write)

    def _watch(self) -> None:
        seen = -1
        while not self._ended(0.0):
            with suppress(SQLAlchemyError, OSError), self._waiting() as wait:
                while not self._ended(0.0):
                    if (now := self._database.changes) != seen:
                        seen = now
                        self._ring()
                    wait(LOOK)
            self._ended(LOOK)  # the database is away; it is asked again

    def _waiting(self) -> AbstractContextManager[Wait]:
        file = self._database.file
        return _notified(self._database.engine, self._read) if file is None else _touched(file, self._read)

    def _ended(self, seconds: float) -> bool:
        return bool(select.select([self._read], [], [], seconds)[0])


@contextmanager
def _touched(file: Path, end: int) -> Iterator[Wait]:
    """Waits until a file is touched, or another descriptor is readable."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "inotify_init1"):
        yield lambda seconds: bool(select.select([end], [], [], seconds)[0])
        return
    touch(file)
    descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "inotify is not to be had")
    try:
        library.inotify_add_watch(descriptor, os.fsencode(file), _ATTRIBUTES | _CLOSED)

        def wait(seconds: float) -> bool:
            readable = select.select([descriptor, end], [], [], seconds)[0]
            if descriptor in readable:
                os.read(descriptor, _LARGEST)
            return bool(readable)

        yield wait
    finally:
        os.close(descriptor)


@contextmanager
def _notified(engine: Engine, end: int) -> Iterator[Wait]:
    """Waits until PostgreSQL notifies, or another descriptor is readable."""
    connection = engine.raw_connection()
    plain: Any = connection.driver_connection
    try:
        plain.autocommit = True
        plain.execute(f"LISTEN {CHANNEL}")

        def wait(seconds: float) -> bool:
            readable = select.select([plain.fileno(), end], [], [], seconds)[0]
            if plain.fileno() in readable:
                list(plain.notifies(timeout=0))
            return bool(readable)

        yield wait
    finally:
        connection.detach()
        plain.close()
