"""A party's files as they are at one moment, beside a party that goes on working.

Whatever leaves or changes a party is noted in its ledger first. So the ledger is held for writing while the files are
linked into a folder of their own: it takes milliseconds, in which the party waits. A file that is replaced afterwards
stays here as it was. Databases are copied by SQLite itself. Where rows are being stored meanwhile, files come and go
beside the ledger: then the listing differs before and after, and the moment is tried again. A log of requests only
grows: its segments are as long as they were listed, and what was half written then is cut when the log goes on.

The folder lies in the home, for a link does not leave a disk; it is removed at the end, a killed one by the next.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedsov.api.backups.party_files import Listed, PartyHome, files_of, is_in_file
from fedsov.errors import WorkspaceUnusable
from fedsov.inference.request_log.segments import FORMAT as SEGMENT
from fedsov.processes import is_alive
from fedsov.storage.private_files import make_private_folder

ATTEMPTS, PAUSE = 40, 0.25
"""How often a moment is sought in which no file comes or goes, and the seconds between."""
_SQLITE = b"SQLite format 3\0"
_WAIT = 20.0


@dataclass(frozen=True, slots=True)
class Still:
    """A file of the moment: its name in the archive, where it lies still, and how many bytes of it count."""

    name: str
    path: Path
    size: int


@contextmanager
def still_files(party: PartyHome) -> Iterator[list[Still]]:
    """The party's files of one moment, for the length of the block.

    Raises WorkspaceUnusable where rows are being stored all the time, or the home cannot be written.
    """
    folder = party.home / f".backup-{os.getpid()}-{os.urandom(4).hex()}"
    sweep(party.home, "backup")
    try:
        yield _found(party, folder)
    except OSError as error:
        raise WorkspaceUnusable(
            f"{error.filename or party.home} cannot be written or read ({error.strerror}); the backup needs room for "
            "a copy of the databases in the party's home"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(home: Path, what: str) -> None:
    """Removes folders of this kind that a killed process left in a home."""
    for folder in home.glob(f".{what}-*"):
        owner = re.fullmatch(rf"\.{what}-(\d+)-[0-9a-f]+", folder.name)
        if owner and not is_alive(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _found(party: PartyHome, folder: Path) -> list[Still]:
    for _ in range(ATTEMPTS):
        make_private_folder(folder)
        with _waiting_ledger(party):
            before = files_of(party)
            found = _linked(before, folder)
            if found is not None and _states(files_of(party)) == _states(before):
                return found
        shutil.rmtree(folder)
        time.sleep(PAUSE)
    raise WorkspaceUnusable(
        f"rows of {party.name} are being stored, and there was no moment to back up in {ATTEMPTS * PAUSE:g} s; run it "
        "again when the ingestion has ended"
    )


@contextmanager
def _waiting_ledger(party: PartyHome) -> Iterator[None]:
    """Nobody adds to the party's ledger meanwhile, where that is a file."""
    if not is_in_file(party):
        yield
        return
    with closing(sqlite3.connect(party.ledger, timeout=_WAIT, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
            yield
            database.execute("ROLLBACK")
        except sqlite3.Error as problem:
            raise WorkspaceUnusable(f"{party.ledger} cannot be held for a backup ({problem})") from problem


def _states(listed: Sequence[Listed]) -> dict[str, tuple[int, int, int] | None]:
    """What tells whether a file came, went or changed; databases change by themselves, and are copied whole, and
    segments of a log of requests grow."""
    return {each.name: None if _begins(each.path, _SQLITE, SEGMENT) else each.state for each in listed}


def _linked(listed: Sequence[Listed], folder: Path) -> list[Still] | None:
    """The files, linked or copied; None where one has gone meanwhile."""
    found = []
    for number, each in enumerate(listed):
        place = folder / str(number)
        try:
            if _begins(each.path, _SQLITE):
                _copy_database(each.path, place)
                found.append(Still(each.name, place, place.stat().st_size))
            else:
                _link(each.path, place)
                found.append(Still(each.name, place, each.size))
        except FileNotFoundError:
            return None
    return found


def _link(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(path, place)


def _begins(path: Path, *marks: bytes) -> bool:
    """Whether a file begins so; False for one that has gone meanwhile."""
    try:
        with path.open("rb") as file:
            return file.read(max(map(len, marks))).startswith(marks)
    except FileNotFoundError:
        return False


def _copy_database(path: Path, place: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=_WAIT)) as source,
            closing(sqlite3.connect(place)) as copy,
        ):
            source.backup(copy)
    except sqlite3.Error as problem:
        raise WorkspaceUnusable(f"{path} cannot be copied ({problem}); nothing was backed up") from problem
