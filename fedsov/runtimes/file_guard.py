"""A tripwire: the hub's process does not open what is a region's own while a run is open.

The hub needs none of it, and holds no key of theirs; this makes a mistake fail loudly instead of silently, should a
later change (or an imported library) reach for a region's files. It is an audit hook of the interpreter (PEP 578):
hooks cannot be removed, so this one is installed once and asks which workspaces are closed at the moment.

It is no wall. Whoever runs code in this process can pass it (``ctypes``, a child process, a descriptor from elsewhere),
and all processes of one user may read that user's files. That a hub cannot read a region's files is a promise of a
deployment alone, where the two are different machines, or at least different users.

Of a region's folder the hub's process may open the ledger (which it verifies) and the signed settings; every other file
and folder in it is private, and the quarantine is. A file is known by its device and number, and by those of the
folders above it, so that a symbolic link, a hard link, another mount, ``file:`` addresses of SQLite, and names that
are relative to an open folder (``dir_fd``) lead to the same answer.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LEDGER = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite-journal", "ledger.postgresql")
OPEN = frozenset((*LEDGER, "region.yaml"))
"""What the hub's process may open in a region's folder; the folder itself may be listed."""
EVENTS = frozenset(("open", "os.listdir", "os.scandir", "sqlite3.connect", "os.link", "os.rename"))
_REMEMBERED = 0.5  # seconds for which what is private stays looked up

Identity = tuple[int, int]
"""Device and number of a file or folder: the same under every name."""

_closed: dict[Path, _Private] = {}
_installed = False
_at_work = threading.local()


@dataclass(slots=True)
class _Private:
    """What is private of one workspace, looked up at a moment.

    Attributes:
        folders: each region's folder, to the region's name.
        things: what is private in them, and the quarantine, to what an error calls it.
    """

    folders: dict[Identity, str]
    things: dict[Identity, str]
    until: float


@contextmanager
def keep_out(regions: Path) -> Iterator[None]:
    """For the length of the block, opening what is private raises PermissionError that says whose it is.

    Args:
        regions: the folder of the regions' folders; the quarantine is beside it.
    """
    global _installed
    if not _installed:
        sys.addaudithook(_refuse)
        _installed = True
    place = regions.resolve()
    was_closed = place in _closed
    _closed[place] = _Private({}, {}, 0.0)
    try:
        yield
    finally:
        if not was_closed:
            del _closed[place]


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in EVENTS or not _closed or getattr(_at_work, "now", False):
        return
    _at_work.now = True  # looking things up opens folders
    try:
        for path in _paths(event, arguments):
            if owner := _owner(path):
                raise PermissionError(f"the hub's process does not open {owner}: {os.path.basename(path)}")
    finally:
        _at_work.now = False


def _paths(event: str, arguments: tuple[Any, ...]) -> Iterator[str]:
    """The absolute paths that an event may be about, links followed."""
    name, folder = arguments[0] if arguments else None, -1
    if event in ("os.link", "os.rename"):
        folder = arguments[2]
    if name is None and event != "open":
        name = "."
    if isinstance(name, int) and event in ("os.listdir", "os.scandir"):
        name = f"/proc/self/fd/{name}"
    if not isinstance(name, str | bytes | os.PathLike):
        return
    path = os.fsdecode(name)
    if event == "sqlite3.connect" and path.startswith("file:"):
        path = unquote(urlsplit(path).path)
    if folder not in (-1, None):
        yield os.path.realpath(os.path.join(f"/proc/self/fd/{folder}", path))
        return
    yield os.path.realpath(path)
    if event == "open" and not os.path.isabs(path) and arguments[1] is None:  # os.open does not tell its dir_fd
        for open_folder in _open_folders():
            yield os.path.realpath(os.path.join(open_folder, path))


def _open_folders() -> list[str]:
    descriptors = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return [path for path in descriptors if os.path.isdir(path)]


def _owner(path: str) -> str:
    """Whose own a path is, or is in; "" for nobody's."""
    for place in list(_closed):
        region, _, within = path.removeprefix(f"{place}{os.sep}").partition(os.sep)
        if path.startswith(f"{place}{os.sep}") and within and within.split(os.sep)[0] not in OPEN:
            return _of(region)  # also of a region that was made just now
        private = _looked_up(place)
        below = ""
        for above in (path, *_folders_above(path)):
            identity = _identity(above)
            if identity is None:
                below = os.path.basename(above)
                continue
            if identity in private.things and (owner := _look(place).things.get(identity)):
                return owner  # looked up anew: the number of a file that is gone may be another's by now
            if identity in private.folders and below and below not in OPEN:
                return _of(private.folders[identity])
            below = os.path.basename(above)
    return ""


def _folders_above(path: str) -> Iterator[str]:
    while (above := os.path.dirname(path)) != path:
        yield above
        path = above


def _identity(path: str) -> Identity | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _looked_up(place: Path) -> _Private:
    private = _closed.get(place)
    if private is None or private.until < time.monotonic():
        private = _look(place)
        if place in _closed:
            _closed[place] = private
    return private


def _of(region: str) -> str:
    return f"a region's own files ({region})"


def _look(place: Path) -> _Private:
    folders: dict[Identity, str] = {}
    things: dict[Identity, str] = {}
    if identity := _identity(str(place.parent / "quarantine")):
        things[identity] = "the quarantine"
    for region in _entries(place):
        if identity := _identity(region):
            folders[identity] = os.path.basename(region)
        for thing in _entries(region):
            if os.path.basename(thing) not in OPEN:
                for inner in (thing, *_files_below(thing)):
                    if identity := _identity(inner):
                        things[identity] = _of(os.path.basename(region))
    return _Private(folders, things, time.monotonic() + _REMEMBERED)


def _entries(folder: str | Path) -> list[str]:
    with suppress(OSError):
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    return []


def _files_below(thing: str) -> Iterator[str]:
    """Files in a private folder, and in the folders of it: a hard link to one of them has its number."""
    for inner in _entries(thing):
        yield inner
        yield from _entries(inner)
