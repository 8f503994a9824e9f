"""An append-only, hash-chained book of crossings, one for each party, in SQLite.

Each entry is canonical JSON (RFC 8785); its digest is SHA-256 over a zero byte, the digest before it and the
body. The chain starts from a hash of the owner's name, so one party's book cannot pass for another's. A
`Head` (how many entries, the last digest) names everything before it: whoever kept an old head can tell
whether this book still continues it (`contains`), which is the only way to see entries cut from the end.

An append returns after the entry is on the disk (WAL, synchronous=FULL); several processes may append to one
book. Whatever goes wrong while writing raises LedgerBroken, and then nothing may cross. The triggers stop
mistakes; the chain is what shows tampering by someone who holds the file. It holds no personal data: its
callers see to that.

    ledger = Ledger(folder / "ledger.sqlite", "eu")
    ledger.append({"act": "note", "text": "opened"})
    ledger.verify()
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785

from fedsov.errors import LedgerBroken

_APPLICATION = 0x46534C31  # "FSL1": how a file says that it is a ledger of this format
_WAIT_SECONDS = 20.0
_CLOSED = -1
_INHERITED: list[sqlite3.Connection] = []  # kept after a fork, for closing one would touch the parent's files
_SCHEMA = """
CREATE TABLE IF NOT EXISTS book (owner TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS entries (
  seq INTEGER PRIMARY KEY, previous BLOB NOT NULL, body BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS no_gap BEFORE INSERT ON entries
  WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM entries)
  BEGIN SELECT RAISE(ABORT, 'entries are numbered without gap'); END;
CREATE TRIGGER IF NOT EXISTS owner_stays BEFORE UPDATE ON book BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the book: its number from 1, its digest in hex, what it says."""

    seq: int
    digest: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """The state of a book: the number of its entries and the digest of the last, in hex."""

    size: int
    digest: str

    def to_json(self) -> dict[str, Any]:
        """For another party to keep."""
        return {"size": self.size, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Verification:
    """That so many entries verify, up to this head."""

    entries: int
    head: Head


def _start(owner: str) -> bytes:
    return hashlib.sha256(b"fedsov ledger 1\x00" + owner.encode()).digest()


def _link(previous: bytes, body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + previous + body).digest()


class Ledger:
    """The book of one owner; a process opens its own, and one opened before a fork reopens after it."""

    def __init__(self, path: Path, owner: str) -> None:
        """Opens the book at `path`, making it and its folder where there is none.

        Raises LedgerBroken where the file is no ledger, is another owner's, or cannot be written.
        """
        self._path, self._owner, self._reads_only = Path(path), owner, False
        self._lock, self._process = threading.Lock(), os.getpid()
        self._connection = _create(self._path, owner)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Opens an existing book for looking only: it makes no file and changes none.

        Raises LedgerBroken where there is no file or it is no ledger.
        """
        ledger = cls.__new__(cls)
        ledger._path, ledger._reads_only = Path(path), True
        ledger._lock, ledger._process = threading.Lock(), os.getpid()
        ledger._connection = _look(ledger._path)
        ledger._owner = _owner(ledger._connection, ledger._path)
        return ledger

    @property
    def owner(self) -> str:
        """Whose book it is."""
        return self._owner

    def append(self, entry: Mapping[str, Any]) -> Entry:
        """Adds an entry and returns it once it is on the disk.

        Raises LedgerBroken ("nothing crossed") where it cannot be written: full or read-only disk, a book
        opened for reading, a value that JSON cannot hold.
        """
        try:
            body = rfc8785.dumps(dict(entry))
        except (rfc8785.CanonicalizationError, TypeError, ValueError, RecursionError) as problem:
            raise LedgerBroken(f"ledger {self._path}: entry is no JSON ({problem}); nothing crossed") from problem
        with self._open("nothing crossed") as book, _written(book):
            last = book.execute("SELECT seq, digest FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
            seq, previous = (last[0] + 1, last[1]) if last else (1, _start(self._owner))
            digest = _link(previous, body)
            book.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (seq, previous, body, digest))
        return Entry(seq, digest.hex(), json.loads(body))

    def entries(self, run: str | None = None) -> tuple[Entry, ...]:
        """All entries in order, or those whose `run` is this one. It does not verify them."""
        with self._open("cannot be read") as book:
            rows = book.execute("SELECT seq, digest, body FROM entries ORDER BY seq").fetchall()
        try:
            found = (Entry(seq, digest.hex(), json.loads(body)) for seq, digest, body in rows)
            return tuple(entry for entry in found if run is None or entry.body.get("run") == run)
        except (ValueError, AttributeError) as problem:
            raise LedgerBroken(f"ledger {self._path} holds an entry that is no JSON; verify it") from problem

    def head(self) -> Head:
        """The number of entries and the last digest; for an empty book, 0 and a hash of its owner's name."""
        with self._open("cannot be read") as book:
            last = book.execute("SELECT seq, digest FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        return Head(last[0], last[1].hex()) if last else Head(0, _start(self._owner).hex())

    def contains(self, head: Head) -> bool:
        """True where this book continues the one that had this head: nothing up to it was cut or changed."""
        if head.size == 0:
            return head.digest == _start(self._owner).hex()
        with self._open("cannot be read") as book:
            row = book.execute("SELECT digest FROM entries WHERE seq = ?", (head.size,)).fetchone()
        return row is not None and row[0].hex() == head.digest

    def verify(self) -> Verification:
        """Recomputes the whole chain from the owner's name on.

        Raises LedgerBroken naming the first bad entry and what is wrong: a gap, a broken chain, a changed
        body.
        """
        size, previous = 0, _start(self._owner)
        with self._open("cannot be read") as book:
            if _owner(book, self._path) != self._owner:
                raise LedgerBroken(f"ledger {self._path} names another owner than '{self._owner}'")
            for seq, before, body, digest in book.execute("SELECT * FROM entries ORDER BY seq"):
                fault = _fault(size + 1, previous, row=(seq, before, body, digest))
                if fault:
                    raise LedgerBroken(f"ledger {self._path}: entry {size + 1} {fault}; do not rely on it")
                size, previous = seq, digest
        return Verification(size, Head(size, previous.hex()))

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        with self._lock:
            self._connection.close()
            self._process = _CLOSED

    @contextmanager
    def _open(self, consequence: str) -> Iterator[sqlite3.Connection]:
        """The connection of this process, one thread at a time, its errors told as LedgerBroken."""
        if self._process not in (
            os.getpid(),
            _CLOSED,
        ):  # the parent's lock and connection are not ours to use or close
            _INHERITED.append(self._connection)
            self._lock, self._process = threading.Lock(), _CLOSED
        with self._lock:
            try:
                if self._process == _CLOSED:
                    self._connection = _look(self._path) if self._reads_only else _create(self._path, self._owner)
                    self._process = os.getpid()
                yield self._connection
            except sqlite3.Error as problem:
                raise LedgerBroken(f"ledger {self._path}: {problem}; {consequence}") from problem


@contextmanager
def _written(book: sqlite3.Connection) -> Iterator[None]:
    """One transaction, on the disk when it ends; undone where anything fails, so that no half entry stays."""
    book.execute("BEGIN IMMEDIATE")
    try:
        yield
        book.execute("COMMIT")
    finally:
        if book.in_transaction:
            book.execute("ROLLBACK")


def _fault(expected: int, previous: bytes, *, row: tuple[Any, Any, Any, Any]) -> str:
    seq, before, body, digest = row
    if seq != expected:
        return f"is missing (gap before entry {seq})"
    if before != previous:
        return "does not continue the one before it (chain broken)"
    if digest != _link(previous, body):
        return "does not match its digest (body changed)"
    return ""


def _create(path: Path, owner: str) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        book = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as problem:
        raise LedgerBroken(f"ledger {path} cannot be opened: {problem}; nothing crossed") from problem
    try:
        _prepare(book, path, owner)
    except sqlite3.Error as problem:
        book.close()
        raise LedgerBroken(f"ledger {path} cannot be used: {problem}; nothing crossed") from problem
    except LedgerBroken:
        book.close()
        raise
    return book


def _prepare(book: sqlite3.Connection, path: Path, owner: str) -> None:
    """A new book gets its schema and owner; an old one is refused where it is not this owner's."""
    book.execute("BEGIN")  # one look at both, for another process may be making the book just now
    tables = book.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    known = book.execute("PRAGMA application_id").fetchone()[0]
    book.execute("COMMIT")
    if known not in (0, _APPLICATION) or (known == 0 and tables):
        raise LedgerBroken(f"{path} is a database but no ledger; move it away")
    book.execute("PRAGMA synchronous = FULL")
    if known == 0:
        _use_wal(book)
        with _written(book):
            for statement in _SCHEMA.split(";\nCREATE"):
                text = statement if statement.lstrip().startswith("CREATE") else "CREATE" + statement
                book.execute(text)
            if book.execute("SELECT count(*) FROM book").fetchone()[0] == 0:
                book.execute("INSERT INTO book VALUES (?)", (owner,))
            book.execute(f"PRAGMA application_id = {_APPLICATION}")
    found = _owner(book, path)
    if found != owner:
        raise LedgerBroken(f"ledger {path} belongs to '{found}', not to '{owner}'")


def _use_wal(book: sqlite3.Connection) -> None:
    """SQLite does not wait for others when the journal's mode changes, so this does."""
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            book.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _owner(book: sqlite3.Connection, path: Path) -> str:
    try:
        row = book.execute("SELECT owner FROM book").fetchone()
    except sqlite3.Error as problem:
        raise LedgerBroken(f"{path} is no ledger: {problem}") from problem
    if row is None:
        raise LedgerBroken(f"ledger {path} names no owner")
    return str(row[0])


def _look(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. A file without a log beside it is at rest, and no log need be made."""
    if not path.is_file():
        raise LedgerBroken(f"no ledger at {path}; give the workspace of a run")
    log = path.with_name(path.name + "-wal")
    at_rest = not log.exists() or log.stat().st_size == 0
    address = f"{path.resolve().as_uri()}?mode=ro" + ("&immutable=1" if at_rest else "")
    book = sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        with closing(book.execute("PRAGMA application_id")) as answer:
            known = answer.fetchone()[0]
    except sqlite3.Error as problem:
        book.close()
        raise LedgerBroken(f"{path} is no ledger: {problem}") from problem
    if known != _APPLICATION:
        book.close()
        raise LedgerBroken(f"{path} is no ledger")
    return book
