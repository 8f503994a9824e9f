"""A key for each person that a log of requests names, so that one person's lines are erased by one key deleted.

    keys = SubjectKeys.open(folder, secrets)
    number, cipher = keys.of(["X4711"])["X4711"]      # made and on the disk where the person is new
    keys.erase("X4711")                              # what was sealed with it opens nowhere

The database names a person by a keyed digest; a line has the key's number alone, which leads to nobody once the row is
gone. Deleted rows are overwritten (``secure_delete``) and the write-ahead log is emptied. An erased person leaves a
mark, so that no worker makes a key for them again: their later requests are logged without content, until `lift`.
Workers keep keys in memory; each looks at the number of erasures (`epoch`) before it writes. Numbers follow each other:
random ones would touch a page of the database for each new person.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedsov.errors import RequestLogBroken
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.storage.private_files import create_private_file

FILE = "subjects.sqlite"
WAIT = 10.0
"""Seconds for another process that writes."""
_KEY, _NONCE = 32, 12
_LAST_DAY = 2**62
_TABLES = """
CREATE TABLE IF NOT EXISTS subjects (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name BLOB NOT NULL UNIQUE,
    generation INTEGER,
    wrapped BLOB,
    unused INTEGER NOT NULL DEFAULT 0
);
INSERT INTO sqlite_sequence SELECT 'subjects', abs(random() / 4) WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence);
CREATE TABLE IF NOT EXISTS epoch (erasures INTEGER NOT NULL);
INSERT INTO epoch SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM epoch);
"""
"""Numbers begin anywhere, so that those of a database that was lost are not those of the next."""


Row = tuple[int, int | None, bytes | None]
"""Number of a key, generation of the secret that wraps it, and the wrapped key; None of an erased person's key."""


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A person's key: the number by which lines name it; no cipher for a person who was erased."""

    number: int
    cipher: AESGCM | None


GONE = SubjectKey(0, None)


class SubjectKeys:
    """The keys of one log, used by one thread."""

    def __init__(self, path: Path, secrets: LogSecrets, database: sqlite3.Connection) -> None:
        self._path, self._secrets, self._database = path, secrets, database
        self._wrappings: dict[int, AESGCM] = {}

    @staticmethod
    def open(folder: Path, secrets: LogSecrets) -> SubjectKeys:
        """The keys of the log in this folder, made where there are none. Raises RequestLogBroken."""
        path = folder / FILE
        if not path.exists():
            with suppress(FileExistsError):  # another worker was first
                create_private_file(path)
        try:
            database = _connected(path)
        except sqlite3.DatabaseError as problem:
            raise _broken(path, problem) from problem
        return SubjectKeys(path, secrets, database)

    def epoch(self) -> int:
        """How often keys were deleted, lifted or marked."""
        return int(self._database.execute("SELECT erasures FROM epoch").fetchone()[0])

    def of(self, subjects: Collection[str]) -> dict[str, SubjectKey]:
        """The key of each person; new ones are made in one transaction, on the disk when this returns.

        Raises RequestLogBroken, sqlite3.OperationalError for a full disk.
        """
        names = {subject: self._secrets.name_of(subject) for subject in subjects}
        keys = {name: self._key(*row) for name in names.values() if (row := self._row(name, unused=False)) is not None}
        if new := {*names.values()} - keys.keys():
            keys |= self._made(new)
        return {subject: keys[name] for subject, name in names.items()}

    def opening(self, number: int) -> AESGCM | None:
        """The cipher of the key of this number; None where it was erased."""
        query = "SELECT number, generation, wrapped FROM subjects WHERE number = ?"
        row = self._database.execute(query, (number,)).fetchone()
        return None if row is None else self._key(*row).cipher

    def numbers(self) -> set[int]:
        """The numbers of all keys that are there."""
        return {number for (number,) in self._database.execute("SELECT number FROM subjects WHERE wrapped NOTNULL")}

    def erase(self, subject: str) -> bool:
        """Deletes a person's key, and marks the person as erased; whether there was a key."""
        name = self._secrets.name_of(subject)
        with self._writing():
            row = self._row(name)
            self._database.execute("DELETE FROM subjects WHERE name = ?", (name,))
            self._database.execute("INSERT INTO subjects (name) VALUES (?)", (name,))
            self._database.execute("UPDATE epoch SET erasures = erasures + 1")
        self._emptied()
        return _is_key(row)

    def lift(self, subject: str) -> None:
        """Lets a key be made again for a person who was erased."""
        with self._writing():
            self._database.execute(
                "DELETE FROM subjects WHERE name = ? AND wrapped ISNULL", (self._secrets.name_of(subject),)
            )
            self._database.execute("UPDATE epoch SET erasures = erasures + 1")

    def has(self, subject: str) -> bool:
        """Whether a person has a key."""
        return _is_key(self._row(self._secrets.name_of(subject)))

    def forget(self, used: Collection[int]) -> int:
        """Deletes keys that no line needs, of people whose lines were all removed; how many.

        A key is only marked the first time that it is in no line, and workers forget it; it is deleted when it still
        is the next time, a day later at the earliest. Who asks in between has it again.

        Args:
            used: the numbers of the keys that lines need.
        """
        today = int(time.time()) // 86_400
        with self._writing():
            rows = self._database.execute("SELECT number, unused FROM subjects WHERE wrapped NOTNULL").fetchall()
            unused = [(number, since) for number, since in rows if number not in used]
            gone = [(number,) for number, since in unused if 0 < since < today]
            marked = [(today, number) for number, since in unused if not since]
            self._database.executemany("DELETE FROM subjects WHERE number = ?", gone)
            self._database.executemany("UPDATE subjects SET unused = ? WHERE number = ?", marked)
            self._database.execute("UPDATE epoch SET erasures = erasures + 1")
        if gone:
            self._emptied()
        return len(gone)

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _emptied(self) -> None:
        """Takes what was deleted out of the write-ahead log too."""
        busy, *_ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise RequestLogBroken(
                f"the key is deleted, and a reader of {self._path} keeps its former bytes in the write-ahead log; end "
                "that reader, then run the same command again"
            )

    def _row(self, name: bytes, *, unused: bool = True) -> Row | None:
        """A person's row; `unused` says whether one counts that is marked so."""
        query = "SELECT number, generation, wrapped FROM subjects WHERE name = ? AND unused <= ?"
        row: Row | None = self._database.execute(query, (name, _LAST_DAY if unused else 0)).fetchone()
        return row

    def _made(self, names: Collection[bytes]) -> dict[bytes, SubjectKey]:
        """Keys of people who have none, or whose key was marked: another worker may have been first."""
        keys: dict[bytes, SubjectKey] = {}
        with self._writing():
            query = "SELECT seq FROM sqlite_sequence WHERE name = 'subjects'"
            numbers = count(self._database.execute(query).fetchone()[0] + 1)
            for name in names:
                if (row := self._row(name)) is None:
                    keys[name] = self._new(name, next(numbers))
                else:
                    self._database.execute("UPDATE subjects SET unused = 0 WHERE name = ?", (name,))
                    keys[name] = self._key(*row)
        return keys

    def _new(self, name: bytes, number: int) -> SubjectKey:
        generation, chance = self._secrets.newest, os.urandom(_NONCE + _KEY)
        nonce, key = chance[:_NONCE], chance[_NONCE:]
        wrapped = nonce + self._wrapping(generation).encrypt(nonce, key, _bound(number, generation))
        self._database.execute("INSERT INTO subjects VALUES (?, ?, ?, ?, 0)", (number, name, generation, wrapped))
        return SubjectKey(number, AESGCM(key))

    def _key(self, number: int, generation: int | None, wrapped: bytes | None) -> SubjectKey:
        if generation is None or wrapped is None:
            return GONE
        try:
            wrapping = self._wrapping(generation)
            plain = wrapping.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _bound(number, generation))
        except InvalidTag:
            raise _broken(self._path, "a key does not open") from None
        return SubjectKey(number, AESGCM(plain))

    def _wrapping(self, generation: int) -> AESGCM:
        if generation not in self._wrappings:
            self._wrappings[generation] = self._secrets.wrapping(generation)
        return self._wrappings[generation]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        with self._database:  # commits, or rolls back
            yield


def _connected(path: Path) -> sqlite3.Connection:
    """The database with its tables. Two that begin it at once wait for each other, which SQLite itself does not while
    the journal's mode changes. Raises sqlite3.DatabaseError."""
    until = time.monotonic() + WAIT
    database = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
    while True:
        try:
            for pragma in ("secure_delete=ON", "journal_mode=WAL", "synchronous=FULL"):
                database.execute(f"PRAGMA {pragma}").fetchone()
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'epoch'").fetchone():
                database.executescript(f"BEGIN IMMEDIATE;{_TABLES}COMMIT;")
            return database
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                database.close()
                raise
            time.sleep(0.01)


def _is_key(row: Row | None) -> bool:
    """Whether a row has a key; an erased person's has none."""
    return row is not None and row[2] is not None


def _bound(number: int, generation: int) -> bytes:
    return f"subject {number} {generation}".encode()


def _broken(path: Path, problem: object) -> RequestLogBroken:
    return RequestLogBroken(f"{path} cannot be used ({problem}); restore it from a backup")
