"""What tests of backups ask of a home: its files, and calls without progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedsov.api.backups.backup import Archived
from fedsov.api.backups.backup import backup as _backup
from fedsov.api.backups.party_files import is_passing
from fedsov.api.backups.restore import Restored
from fedsov.api.backups.restore import restore as _restore


def quiet(_: str) -> None:
    """Nobody is told of progress."""


def backup(home: Path, name: str | None, out: Path, **more: Any) -> Archived:
    """An archive, without a word."""
    return _backup(home, name, out=out, progress=quiet, **more)


def restore(archive: Path, home: Path, **more: Any) -> Restored:
    """A party put back, without a word."""
    return _restore(archive, home, progress=quiet, **more)


def contents(folder: Path) -> dict[str, bytes]:
    """By name, what every file of a folder holds that is no lock, log or write-ahead log."""
    files = [path for path in folder.rglob("*") if path.is_file() and not is_passing(path.name)]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
