"""The control plane's database: SQLite embedded, or PostgreSQL; every table and each change of it go through here.

    database = Database.open("sqlite:////srv/hub/control.sqlite")   # or postgresql+psycopg://...
    with database.changing() as connection:                        # one transaction, which wakes whoever waits
        connection.execute(insert(rollouts).values(...))
    with database.reading() as connection: ...

A subject's tables stand beside its code, as `sqlalchemy.Table(..., METADATA, ...)`. It holds metadata alone: states,
signatures, digests, counts that passed a region's gate; never a row, a key or a parameter.

Several processes change it: the service, commands of the hub's home, a second service. So nobody remembers what it
holds; `changes` counts the transactions, and a process that waits asks for that number. Who waits is woken once a
transaction is committed (`fedsov.control_plane.database.bell`): by a file that is touched, or PostgreSQL's NOTIFY.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, create_engine, event, select, update
from sqlalchemy.exc import InterfaceError, OperationalError

from fedsov.control_plane.database.migrations import upgrade
from fedsov.errors import WorkspaceUnusable

METADATA = MetaData()
"""Every table of the control plane."""
CHANGES = Table(
    "changes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("counter", Integer, nullable=False),
)
"""One row: how many transactions changed anything."""
SECONDS = 30
"""How long a writer waits for another."""
CHANGED, CHANNEL = "changed", "fedsov_changed"
"""The file beside a SQLite database, and PostgreSQL's channel, by which whoever waits is woken."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database."""

    engine: Engine

    @staticmethod
    def open(url: str) -> Database:
        """A database by its URL; its tables are made where there are none.

        Raises WorkspaceUnusable where it cannot be opened.
        """
        is_file = url.startswith("sqlite")
        engine = create_engine(url, connect_args={"timeout": SECONDS} if is_file else {}, pool_pre_ping=not is_file)
        if is_file:
            event.listen(engine, "connect", _as_sqlite_is_used)
            event.listen(engine, "begin", _begin_sqlite)
        database = Database(engine)
        try:
            upgrade(engine)
        except OperationalError as problem:
            raise WorkspaceUnusable(
                f"the control plane's database {engine.url!r} cannot be opened: {problem.orig}; "
                "see that its server runs, or that its folder can be written"
            ) from None
        return database

    @contextmanager
    def changing(self, *, wakes: bool = True) -> Iterator[Connection]:
        """One transaction that changes something: written whole, or not at all where the block raises.

        Args:
            wakes: whether those who wait are woken; False for what is nobody else's news, such as a sign of life.

        Raises WorkspaceUnusable where the database cannot be reached or written: nothing was changed.
        """
        with _usable(), self.engine.connect() as connection, connection.execution_options(fedsov_writes=True).begin():
            if wakes:
                connection.execute(update(CHANGES).values(counter=CHANGES.c.counter + 1))
            if wakes and self.file is None:
                connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
            yield connection
        if wakes and self.file is not None:
            touch(self.file)

    @property
    def file(self) -> Path | None:
        """What is touched after a change of a SQLite database; None for PostgreSQL."""
        url = self.engine.url
        return Path(url.database or "").with_name(CHANGED) if url.drivername.startswith("sqlite") else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A view of one moment. Raises WorkspaceUnusable where the database cannot be reached or read."""
        with _usable(), self.engine.connect() as connection, connection.begin():
            yield connection

    @property
    def changes(self) -> int:
        """How many transactions have changed anything."""
        with self.engine.connect() as connection:
            return int(connection.scalar(select(CHANGES.c.counter)) or 0)

    def close(self) -> None:
        """Ends its connections."""
        self.engine.dispose()


@contextmanager
def _usable() -> Iterator[None]:
    """What a database that is away, full or locked means to whoever asked; its own words name hosts and statements."""
    try:
        yield
    except (OperationalError, InterfaceError) as problem:
        is_file = isinstance(problem.orig, sqlite3.Error)
        why = str(problem.orig) if is_file else "its server does not answer, or ended the connection"
        raise WorkspaceUnusable(
            f"the control plane's database cannot be used now: {why}; see that its server runs, and that its disk has "
            "room; then do it again"
        ) from problem


def touch(path: Path) -> None:
    """Wakes whoever watches this file; where it cannot be written, they look again within a second."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.utime(descriptor)
        os.close(descriptor)


def _as_sqlite_is_used(connection: Any, _: Any) -> None:
    """A commit is on the disk, readers wait for no writer, and SQLAlchemy alone begins transactions."""
    connection.isolation_level = None
    for words in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {words}")


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock when it begins, so that none fails when it is half done."""
    writes = connection.get_execution_options().get("fedsov_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
