"""A ledger in one SQLite file: append only, whole transactions, one writer at a time, a connection for each process."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.errors import LedgerBroken
from fedsov.ledger.backends.sqlite import SqliteBackend
from fedsov.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.sqlite", "eu")) as opened:
        opened.append_all({"number": number} for number in range(1, 8))
        yield opened


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SqliteBackend]:
    with closing(SqliteBackend(tmp_path / "rows.sqlite")) as opened:
        yield opened


ADD = "INSERT INTO entries VALUES (?, ?, ?, ?)"
COUNT = "SELECT count(*) FROM entries"


def test_triggers_refuse_updates_deletions_replacements_and_gaps(ledger: Ledger) -> None:
    raw = sqlite3.connect(ledger._path)
    for statement in (
        "UPDATE entries SET body = x'00' WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 7",
        "INSERT OR REPLACE INTO entries VALUES (7, x'00', x'00', x'00')",
        "INSERT INTO entries VALUES (9, x'00', x'00', x'00')",
        "UPDATE book SET owner = 'us'",
        "DELETE FROM book",
        "INSERT INTO book VALUES ('us', x'00')",
        "UPDATE head SET size = 6",
        "UPDATE head SET root = x'00'",
        "DELETE FROM head",
        "INSERT OR REPLACE INTO head VALUES (1, 3, x'00', x'00')",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(statement)
    raw.close()


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database, and longer than a header of SQLite" * 4)
    for opened in (lambda: Ledger(path, "eu"), lambda: Ledger.read(path)):
        with pytest.raises(LedgerBroken):
            opened()
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    for opened in (lambda: Ledger(path, "eu"), lambda: Ledger.read(path)):
        with pytest.raises(LedgerBroken, match="no ledger"):
            opened()
    assert not (tmp_path / "signing.key").exists()


def test_a_ledger_of_an_earlier_version_is_refused_in_a_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, previous BLOB, body BLOB, digest BLOB)")
        other.execute(f"PRAGMA application_id = {0x46534C31}")
    other.close()
    for opened in (lambda: Ledger(path, "eu"), lambda: Ledger.read(path)):
        with pytest.raises(LedgerBroken, match="made by an earlier version; move it away"):
            opened()


def test_a_full_disk_is_told_and_leaves_no_half_entry(ledger: Ledger) -> None:
    connection = ledger._backend._connection
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(LedgerBroken, match="full; nothing crossed"):
        ledger.append({"text": "x" * 50_000})
    assert ledger.verify().entries == 7
    with pytest.raises(LedgerBroken, match="full; nothing crossed"):
        ledger.append_all([{"text": "x" * 5_000}] * 10)
    assert ledger.verify().entries == 7


def test_a_book_opened_before_a_fork_serves_parent_and_child(ledger: Ledger) -> None:
    context = multiprocessing.get_context("fork")
    child = context.Process(target=ledger.append, args=({"from": "child"},))
    child.start()
    child.join()
    ledger.append({"from": "parent"})
    assert child.exitcode == 0
    assert [entry.body["from"] for entry in ledger.entries()[-2:]] == ["child", "parent"]
    assert ledger.verify().entries == 9


def test_a_transaction_that_fails_leaves_nothing_and_the_next_one_writes(backend: SqliteBackend) -> None:
    def add(rows: list[tuple[int, bytes, bytes, bytes]], *, fail: bool = False) -> None:
        with backend.writing() as transaction:
            transaction.run_many(ADD, rows)
            if fail:
                raise RuntimeError("before the end")

    with pytest.raises(RuntimeError, match="before the end"):
        add([(1, b"a", b"", b"")], fail=True)
    with pytest.raises(LedgerBroken, match="numbered without gap; nothing crossed"):
        add([(1, b"a", b"", b""), (3, b"c", b"", b"")])
    with backend.reading() as transaction:
        assert transaction.run(COUNT) == [(0,)]
    add([(1, b"a", b"", b""), (2, b"b", b"", b"")])
    with backend.reading() as transaction:
        assert transaction.run(COUNT) == [(2,)]


def test_a_reader_sees_one_moment_while_another_process_writes(backend: SqliteBackend, tmp_path: Path) -> None:
    with closing(SqliteBackend(tmp_path / "rows.sqlite")) as other, other.reading() as before:
        assert before.run(COUNT) == [(0,)]
        with backend.writing() as transaction:
            transaction.run(ADD, (1, b"a", b"", b""))
        assert before.run(COUNT) == [(0,)]
    with backend.reading() as after:
        assert after.run(COUNT) == [(1,)]


def test_rows_are_streamed_one_after_the_other(backend: SqliteBackend) -> None:
    with backend.writing() as transaction:
        transaction.run_many(ADD, [(seq, b"", b"", b"") for seq in range(1, 6)])
    with backend.reading() as transaction:
        rows = transaction.stream("SELECT seq FROM entries WHERE seq > ? ORDER BY seq", (2,))
        assert [next(rows), next(rows)] == [(3,), (4,)]


def test_threads_take_turns_on_one_connection(backend: SqliteBackend) -> None:
    def add() -> None:
        for _ in range(10):
            with backend.writing() as transaction:
                ((count,),) = transaction.run(COUNT)
                transaction.run(ADD, (count + 1, b"", b"", b""))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with backend.reading() as transaction:
        assert transaction.run(COUNT) == [(40,)]


def test_what_is_opened_for_reading_never_writes_and_makes_no_file(backend: SqliteBackend, tmp_path: Path) -> None:
    with closing(SqliteBackend(tmp_path / "rows.sqlite", reads_only=True)) as reader:
        with pytest.raises(LedgerBroken, match="nothing crossed"), reader.writing() as transaction:
            transaction.run(ADD, (1, b"", b"", b""))
        with reader.reading() as transaction:
            assert transaction.run(COUNT) == [(0,)]
    with pytest.raises(LedgerBroken, match="no ledger at"):
        SqliteBackend(tmp_path / "absent" / "rows.sqlite", reads_only=True)
    assert not (tmp_path / "absent").exists()


def test_a_closed_one_is_opened_again_by_its_next_use(backend: SqliteBackend) -> None:
    backend.close()
    backend.close()
    with backend.writing() as transaction:
        transaction.run(ADD, (1, b"a", b"", b""))
    backend.close()
    with backend.reading() as transaction:
        assert transaction.run(COUNT) == [(1,)]


def test_a_transaction_waits_for_the_disk(backend: SqliteBackend) -> None:
    with backend.reading() as transaction:
        assert transaction.run("PRAGMA synchronous") == [(2,)], "FULL: the log is on the disk before a commit returns"
        assert transaction.run("PRAGMA journal_mode") == [("wal",)]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerBroken, match="cannot be opened: .*nothing crossed"):
        SqliteBackend(tmp_path / "file" / "rows.sqlite")


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_new_file_and_its_log_are_for_their_owner_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with closing(SqliteBackend(tmp_path / "rows.sqlite")) as backend, backend.writing() as transaction:
            transaction.run(ADD, (1, b"a", b"", b""))
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes["rows.sqlite"] == 0o600 and set(modes.values()) == {0o600}
    assert len(modes) > 1
