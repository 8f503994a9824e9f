"""Files that are on the disk, whole, when a function returns: what keys, budgets and checkpoints rest on."""

from __future__ import annotations

import os
from pathlib import Path


def put(path: Path, content: bytes) -> None:
    """Puts a file in its place, readable by its owner alone; at any instant the old or the new one is there.

    Raises OSError where it cannot be written; the old one stays.
    """
    aside = path.with_name(path.name + ".new")
    with aside.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
