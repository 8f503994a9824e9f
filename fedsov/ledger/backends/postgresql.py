"""A ledger in PostgreSQL: one database and one role for each owner, so that nobody's session reaches another's rows.

The administrator prepares it once (`provision`): a database that only the owner's role may enter, tables that it may
add to and read, and cannot change, empty or drop. The owner puts the address into a file beside where its ledger would
be (`ledger.postgresql`, for its eyes only), and everything else is as with a file: same rows, same proofs, and the
signing key stays in the owner's folder. An administrator can still rewrite rows; the tree and the signed head show it.

    address = provision("postgresql://postgres@db", owner="eu", password=secret)
    write_address(folder / "ledger.postgresql", address)
    ledger = Ledger(folder / "ledger.sqlite", "eu")

It needs the package `psycopg` (the extra `postgres`). An append waits until the server has it on its disk, and a server
that does not write to its disk is refused.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger.backends.protocol import Transaction
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.private_files import make_private_folder

_VERSION = "fedsov ledger 2"
_CHUNK = 2000
_WRITING = 0x46534C32
_INHERITED: list[psycopg.Connection[Any]] = []  # kept after a fork, for closing one would end the parent's session
_SCHEMA = """
CREATE TABLE book (owner text NOT NULL, key bytea NOT NULL);
CREATE UNIQUE INDEX one_owner ON book ((true));
CREATE TABLE head (one integer PRIMARY KEY CHECK (one = 1),
  size bigint NOT NULL, root bytea NOT NULL, signature bytea NOT NULL);
CREATE TABLE entries (seq bigint PRIMARY KEY, body bytea NOT NULL, leaf bytea NOT NULL, above bytea NOT NULL);
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'append only'; END $$;
CREATE FUNCTION head_grows() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF NEW.size <= OLD.size THEN RAISE EXCEPTION 'a head only grows'; END IF; RETURN NEW; END $$;
CREATE FUNCTION no_gap() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF NEW.seq IS DISTINCT FROM (SELECT COALESCE(MAX(seq), 0) + 1 FROM entries)
     THEN RAISE EXCEPTION 'entries are numbered without gap'; END IF; RETURN NEW; END $$;
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON entries EXECUTE FUNCTION append_only();
CREATE TRIGGER no_gap BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION no_gap();
CREATE TRIGGER owner_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON book EXECUTE FUNCTION append_only();
CREATE TRIGGER head_stays BEFORE DELETE OR TRUNCATE ON head EXECUTE FUNCTION append_only();
CREATE TRIGGER head_grows BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION head_grows();
"""


class PostgresqlBackend:
    """The ledger of one database; a process has its own connection, and takes a new one after a fork or a break."""

    def __init__(self, address_file: Path, *, reads_only: bool = False) -> None:
        """Connects to the address in a file. Raises LedgerBroken where there is no ledger, or none can be reached."""
        self._file, self._reads_only = address_file, reads_only
        self._lock, self._process = threading.Lock(), os.getpid()
        self._connection = self._connected()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        with self._transaction(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", "cannot be read"
        ) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        if self._reads_only:
            raise LedgerBroken(f"ledger {self._file} was opened for reading; nothing crossed")
        with self._transaction(f"SELECT pg_advisory_xact_lock({_WRITING})", "nothing crossed") as session:
            yield session

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self, first: str, consequence: str) -> Iterator[Transaction]:
        """One thread at a time, on the connection of this process."""
        if self._process != os.getpid():  # the parent's lock and connection are not ours to close
            _INHERITED.append(self._connection)
            self._lock, self._process = threading.Lock(), os.getpid()
            self._connection = self._connected()
        with self._lock:
            if self._connection.closed:
                self._connection = self._connected()
            try:
                with self._connection.transaction():
                    self._connection.execute(first)
                    yield _PostgresqlTransaction(self._connection)
            except psycopg.Error as problem:
                raise LedgerBroken(f"ledger {self._file}: {_line(problem)}; {consequence}") from problem

    def _connected(self) -> psycopg.Connection[Any]:
        try:
            connection = psycopg.connect(self._file.read_text().strip(), autocommit=True, connect_timeout=20)
        except (OSError, ValueError, psycopg.Error) as problem:
            raise LedgerBroken(f"ledger {self._file} cannot be opened: {_line(problem)}; nothing crossed") from problem
        try:
            self._check(connection)
        except psycopg.Error as problem:
            connection.close()
            raise LedgerBroken(f"ledger {self._file} cannot be used: {_line(problem)}; nothing crossed") from problem
        except LedgerBroken:
            connection.close()
            raise
        return connection

    def _check(self, connection: psycopg.Connection[Any]) -> None:
        """Raises LedgerBroken for a database without a ledger, or a server that does not write to its disk."""
        version = connection.execute("SELECT obj_description(to_regclass('entries'), 'pg_class')").fetchone()
        if version != (_VERSION,):
            raise LedgerBroken(f"{self._file} names a database without a ledger; its administrator provisions one")
        for setting in ("fsync", "full_page_writes"):
            if connection.execute(f"SHOW {setting}").fetchone() != ("on",):
                raise LedgerBroken(f"the server of {self._file} runs with {setting}=off and may lose what it was told")
        connection.execute("SET synchronous_commit = on")


class _PostgresqlTransaction:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        answer = self._connection.execute(statement.replace("?", "%s"), values)
        return answer.fetchall() if answer.description else []

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor(name="rows") as cursor:
            cursor.itersize = _CHUNK
            yield from cursor.execute(statement.replace("?", "%s"), values)

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(statement.replace("?", "%s"), rows)


def _line(problem: Exception) -> str:
    """What a server answered, without its hints and without the address, which holds a password."""
    return (str(problem).splitlines() or [type(problem).__name__])[0]


def provision(admin: str, *, owner: str, password: str) -> str:
    """Makes a role and a database for one owner's ledger; the address for the owner's file.

    Args:
        admin: address of an administrator's connection.
        owner: letters, digits, '-' or '_'; the role and the database are called ``fedsov_`` and it in lower case.

    Raises ConfigurationError where the owner has one already, or the administrator may not make it.
    """
    name = f"fedsov_{owner.lower()}"
    role, secret = sql.Identifier(name), sql.Literal(password)
    try:
        with psycopg.connect(admin, autocommit=True) as server:
            server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, secret))
            server.execute(sql.SQL("CREATE DATABASE {}").format(role))
            server.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))
            server.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(role, role))
        with psycopg.connect(make_conninfo(admin, dbname=name)) as database:
            database.execute(_SCHEMA)
            database.execute(sql.SQL("COMMENT ON TABLE entries IS {}").format(sql.Literal(_VERSION)))
            database.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            database.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
            database.execute(sql.SQL("GRANT SELECT, INSERT ON book, head, entries TO {}").format(role))
            database.execute(sql.SQL("GRANT UPDATE ON head TO {}").format(role))
    except psycopg.Error as problem:
        raise ConfigurationError(f"no database was made for the ledger of {owner}: {_line(problem)}") from problem
    return make_conninfo(admin, user=name, password=password, dbname=name)


def write_address(path: Path, address: str) -> None:
    """Writes an address for its owner's eyes only."""
    make_private_folder(path.parent)
    replace_file(path, address.encode())
