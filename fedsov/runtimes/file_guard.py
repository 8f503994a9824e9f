"""Keeps the hub's process out of the regions' stores, keyrings and signing keys while a run is open.

The hub needs none of them, and holds no key of theirs; this makes the promise fail loudly instead of silently, should
a later change (or an imported library) reach for a region's files. It is an audit hook of the interpreter (PEP 578):
hooks cannot be removed, so this one is installed once and asks which workspaces are closed at the moment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_closed: set[str] = set()
_installed = False
PRIVATE = (["store"], ["keyring.json"], ["signing.key"])


@contextmanager
def keep_out(regions: Path) -> Iterator[None]:
    """For the length of the block, opening a region's ``store/...``, keyring or signing key raises PermissionError."""
    global _installed
    if not _installed:
        sys.addaudithook(_refuse)
        _installed = True
    place = str(regions.resolve())
    _closed.add(place)
    try:
        yield
    finally:
        _closed.discard(place)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("open", "os.listdir", "os.scandir", "sqlite3.connect") or not _closed or not arguments:
        return
    if not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path = os.path.realpath(os.fsdecode(arguments[0]))
    for place in _closed:
        _, inside, within = path.partition(place + os.sep)
        if inside and within.split(os.sep)[1:2] in PRIVATE:
            raise PermissionError(f"the hub's process does not open a region's {os.path.basename(path)}")
