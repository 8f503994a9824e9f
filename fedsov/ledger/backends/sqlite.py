"""A ledger in one SQLite file for its owner's eyes only, on the disk before a transaction ends.

A new file is written aside, with its tables, owner and first head, and linked into place when it is whole: a kill or a
full disk at a ledger's birth leaves no ledger. A file that is empty all the same is given them in one transaction.

The triggers stop mistakes; what shows tampering is the tree. The tables are those that `protocol` describes.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from fedsov.errors import LedgerBroken
from fedsov.ledger.backends.protocol import Birth, Transaction
from fedsov.storage.atomic_files import sync_file, sync_folder
from fedsov.storage.private_files import beside, create_private_file, make_private_folder, no_link
from fedsov.storage.workspace import log_size

_APPLICATION = 0x46534C32  # "FSL2": how a file says that it is a ledger of this format
_EARLIER = 0x46534C31  # "FSL1": the hash chain before it
_WAIT_SECONDS = 20.0
_CLOSED = -1
_FAULTS = (sqlite3.Error, UnicodeDecodeError)  # the second: a damaged file can damage the words of the first
_INHERITED: list[sqlite3.Connection] = []  # kept after a fork, for closing one would touch the parent's files
_SCHEMA = (
    "CREATE TABLE book (owner TEXT NOT NULL, key BLOB NOT NULL) STRICT",
    """CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1),
       size INTEGER NOT NULL, root BLOB NOT NULL, signature BLOB NOT NULL) STRICT""",
    """CREATE TABLE entries (seq INTEGER PRIMARY KEY,
       body BLOB NOT NULL, leaf BLOB NOT NULL, above BLOB NOT NULL) STRICT""",
    *(
        f"CREATE TRIGGER {name} BEFORE {event} BEGIN SELECT RAISE(ABORT, '{reason}'); END"
        for name, event, reason in (
            ("no_update", "UPDATE ON entries", "append only"),
            ("no_delete", "DELETE ON entries", "append only"),
            (
                "no_gap",
                "INSERT ON entries WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM entries)",
                "entries are numbered without gap",
            ),
            ("head_grows", "UPDATE ON head WHEN NEW.size <= OLD.size", "a head only grows"),
            ("head_stays", "DELETE ON head", "append only"),
            ("one_head", "INSERT ON head WHEN EXISTS (SELECT 1 FROM head)", "a ledger has one head"),
            ("owner_stays", "UPDATE ON book", "append only"),
            ("book_stays", "DELETE ON book", "append only"),
            ("one_owner", "INSERT ON book WHEN EXISTS (SELECT 1 FROM book)", "a ledger has one owner"),
        )
    ),
)


class SqliteBackend:
    """The ledger of one file; a process opens its own, and one opened before a fork reopens after it."""

    def __init__(self, path: Path, *, reads_only: bool = False, birth: Birth | None = None) -> None:
        """Opens the file at `path`, making it and its folder where there is none, unless it `reads_only`.

        Args:
            birth: writes what a new ledger begins with, in the transaction that makes its tables.

        Raises LedgerBroken where it is no ledger, of an earlier format, or cannot be used.
        """
        self._path, self._open_file = path, _look if reads_only else _continued
        self._lock, self._process = threading.Lock(), os.getpid()
        self._connection = _look(path) if reads_only else _created(path, birth)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        with self._transaction("BEGIN", "cannot be read") as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        with self._transaction("BEGIN IMMEDIATE", "nothing crossed") as session:
            yield session

    def close(self) -> None:
        with self._lock:
            self._connection.close()
            self._process = _CLOSED

    @contextmanager
    def _transaction(self, begin: str, consequence: str) -> Iterator[Transaction]:
        """One thread at a time, on the connection of this process."""
        if self._process not in (os.getpid(), _CLOSED):  # the parent's lock and connection are not ours to close
            _INHERITED.append(self._connection)
            self._lock, self._process = threading.Lock(), _CLOSED
        with self._lock:
            try:
                if self._process == _CLOSED:
                    self._connection, self._process = self._open_file(self._path), os.getpid()
                with _whole(self._connection, begin):
                    yield _SqliteTransaction(self._connection)
            except _FAULTS as problem:
                raise LedgerBroken(f"ledger {self._path}: {problem}; {consequence}") from problem


class _SqliteTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        return self._connection.execute(statement, values)

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, rows)


@contextmanager
def _whole(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """One transaction, undone where anything fails, so that no half entry stays."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _connected(place: str | Path, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(place, uri=uri, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)


def _created(path: Path, birth: Birth | None) -> sqlite3.Connection:
    """A connection to the ledger at a path, which is made where there is none."""
    try:
        make_private_folder(path.parent)
        no_link(path)
        if not path.exists():
            _bear(path, birth)
        return _opened(path, birth, empty_is_new=True)
    except (OSError, *_FAULTS) as problem:
        raise LedgerBroken(f"ledger {path} cannot be opened: {problem}; nothing crossed") from problem


def _continued(path: Path) -> sqlite3.Connection:
    """A connection to a ledger that this process had open before: one that is gone meanwhile is not made anew."""
    if not path.is_file():
        raise LedgerBroken(f"ledger {path} is gone; restore it from your copy; nothing crossed")
    return _opened(path, None, empty_is_new=False)


def _opened(path: Path, birth: Birth | None, *, empty_is_new: bool) -> sqlite3.Connection:
    connection = _connected(path)
    try:
        if not _known(connection, path, empty_is_new=empty_is_new):
            _lay_out(connection, birth)
        connection.execute("PRAGMA synchronous = FULL")
    except _FAULTS as problem:
        connection.close()
        raise LedgerBroken(f"ledger {path} cannot be used: {problem}; nothing crossed") from problem
    except LedgerBroken:
        connection.close()
        raise
    return connection


def _bear(path: Path, birth: Birth | None) -> None:
    """Writes a new ledger aside and links it into place, whole; of several processes that try, one does."""
    aside = beside(path)
    create_private_file(aside)  # SQLite gives its log beside it the same mode
    try:
        with closing(_connected(aside)) as connection:
            _lay_out(connection, birth)
        sync_file(aside)
        with suppress(FileExistsError):
            os.link(aside, path)
        sync_folder(path.parent)
    finally:
        for ending in ("", "-wal", "-shm"):
            aside.with_name(aside.name + ending).unlink(missing_ok=True)


def _lay_out(connection: sqlite3.Connection, birth: Birth | None) -> None:
    """The tables, and what the ledger begins with, in one transaction."""
    connection.execute("PRAGMA page_size = 8192")  # some ten entries a page: a third faster to read than by 4,096
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    with _whole(connection, "BEGIN IMMEDIATE"):
        if connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION:
            return  # another process has just made it
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        if birth is not None:
            birth(_SqliteTransaction(connection))


def _known(connection: sqlite3.Connection, path: Path, *, empty_is_new: bool) -> bool:
    """True for a ledger of this format, False for an empty file. Raises LedgerBroken for anything else."""
    with _whole(connection, "BEGIN"):  # one look at both, for another process may be making the ledger just now
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == _EARLIER:
        raise LedgerBroken(f"ledger {path} was made by an earlier version; move it away")
    if application == _APPLICATION:
        return True
    if application or tables:
        raise LedgerBroken(f"{path} is a database but no ledger; move it away")
    if not empty_is_new:
        raise LedgerBroken(f"{path} is empty: no ledger was begun in it; the next run begins one")
    return False


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for others when the journal's mode changes, so this does."""
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _look(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. A file without a log beside it is at rest, and no log need be made."""
    if not path.is_file():
        raise LedgerBroken(f"no ledger at {path}; give the workspace of a run")
    address = f"{path.resolve().as_uri()}?mode=ro" + ("" if log_size(path) else "&immutable=1")
    with closing(_connected(address, uri=True)) as unsure:
        try:
            _known(unsure, path, empty_is_new=False)
        except _FAULTS as problem:
            raise LedgerBroken(f"{path} is no ledger: {problem}") from problem
    return _connected(address, uri=True)
