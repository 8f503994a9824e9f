"""Wakes whoever waits for a file of a folder to be replaced, as soon as it is (inotify).

    watch = FolderWatch(folder)
    watch.wait(1.0)                      # in a thread: the names that changed, or none after a second
    loop.add_reader(watch.descriptor, lambda: wake(watch.names()))

It says that something changed, not what is true now: whoever is woken looks at the files as it would after a pause.
So where a system has no inotify, or a user has no watch left, `descriptor` is -1 and looking now and then goes on.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
from contextlib import suppress
from pathlib import Path

_CLOSE_WRITE, _MOVED_TO, _ONLY_FOLDERS = 0x8, 0x80, 0x0100_0000
_EVENT = struct.Struct("iIII")
_OVERFLOW = 0x4000
EVERY = "*"
"""In the place of names, where there were more changes than the system kept."""


class FolderWatch:
    """One folder, whose files are replaced or written."""

    def __init__(self, folder: Path) -> None:
        """Watches from now on; a folder that is not there yet is not watched."""
        self.descriptor = _watching(folder)

    def names(self) -> frozenset[str]:
        """The names that changed since this was asked last, without waiting."""
        if self.descriptor < 0:
            return frozenset()
        content = b""
        with suppress(BlockingIOError):
            while more := os.read(self.descriptor, 65536):
                content += more
        return _names(content)

    def wait(self, seconds: float) -> frozenset[str]:
        """The names that changed, as soon as there are some; none after these seconds."""
        if self.descriptor < 0:
            select.select([], [], [], max(0.0, seconds))
            return frozenset()
        select.select([self.descriptor], [], [], max(0.0, seconds))
        return self.names()

    def close(self) -> None:
        """Watches no more."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _watching(folder: Path) -> int:
    """A descriptor of inotify that watches a folder; -1 where there is none."""
    try:
        system = ctypes.CDLL(None, use_errno=True)
        descriptor = int(system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    except (OSError, AttributeError):
        return -1
    mask = ctypes.c_uint32(_CLOSE_WRITE | _MOVED_TO | _ONLY_FOLDERS)
    if descriptor >= 0 and system.inotify_add_watch(descriptor, os.fsencode(folder), mask) < 0:
        os.close(descriptor)
        return -1
    return descriptor


def _names(content: bytes) -> frozenset[str]:
    names, at = set(), 0
    while at < len(content):
        _, mask, _, length = _EVENT.unpack_from(content, at)
        at += _EVENT.size
        names.add(EVERY if mask & _OVERFLOW else os.fsdecode(content[at : at + length].rstrip(b"\0")))
        at += length
    return frozenset(names)
