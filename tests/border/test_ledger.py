"""The book only grows, and whatever else is done to it is found and named."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedsov.border.ledger import Head, Ledger
from fedsov.errors import LedgerBroken


@pytest.fixture
def book(tmp_path) -> Ledger:
    ledger = Ledger(tmp_path / "ledger.sqlite", "eu")
    for number in range(1, 8):
        ledger.append({"act": "note", "run": "a" if number < 5 else "b", "number": number})
    return ledger


def tamper(ledger: Ledger, *statements: str) -> None:
    """What someone does who holds the file: drops the triggers, then writes."""
    ledger.close()
    with sqlite3.connect(ledger._path) as raw:
        for trigger in ("no_update", "no_delete", "no_gap", "owner_stays"):
            raw.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            raw.execute(statement)
    raw.close()


def test_entries_come_back_in_order_and_by_run(book):
    assert [entry.seq for entry in book.entries()] == [1, 2, 3, 4, 5, 6, 7]
    assert [entry.body["number"] for entry in book.entries("b")] == [5, 6, 7]
    assert book.entries()[-1].digest == book.head().digest
    assert book.verify().entries == 7


def test_an_empty_book_verifies_and_its_head_is_its_owners(tmp_path):
    one, other = Ledger(tmp_path / "one", "eu"), Ledger(tmp_path / "other", "us")
    assert one.verify().entries == 0
    assert one.head().digest != other.head().digest
    assert one.contains(one.head())
    assert not one.contains(other.head())


def test_triggers_refuse_updates_deletions_replacements_and_gaps(book):
    raw = sqlite3.connect(book._path)
    for statement in (
        "UPDATE entries SET body = x'00' WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 7",
        "INSERT OR REPLACE INTO entries VALUES (7, x'00', x'00', x'00')",
        "INSERT INTO entries VALUES (9, x'00', x'00', x'00')",
        "UPDATE book SET owner = 'us'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(statement)
    raw.close()


@pytest.mark.parametrize("seq", [1, 4, 7])
@pytest.mark.parametrize("column", ["body", "digest", "previous"])
@pytest.mark.parametrize("place", [1, 9, 32])
def test_one_changed_byte_is_found_and_its_entry_named(book, seq, column, place):
    raw = sqlite3.connect(book._path)
    changed = bytearray(raw.execute(f"SELECT {column} FROM entries WHERE seq = {seq}").fetchone()[0])
    raw.close()
    changed[place - 1] ^= 1
    tamper(book, f"UPDATE entries SET {column} = x'{bytes(changed).hex()}' WHERE seq = {seq}")
    with pytest.raises(LedgerBroken, match=rf"entry {seq} "):
        book.verify()


def test_a_changed_body_with_a_digest_to_match_breaks_the_chain_after_it(book):
    raw = sqlite3.connect(book._path)
    previous, body = raw.execute("SELECT previous, body FROM entries WHERE seq = 3").fetchone()
    raw.close()
    forged = body.replace(b"3", b"8")
    digest = hashlib.sha256(b"\x00" + previous + forged).hexdigest()
    tamper(book, f"UPDATE entries SET body = x'{forged.hex()}', digest = x'{digest}' WHERE seq = 3")
    with pytest.raises(LedgerBroken, match="entry 4 does not continue"):
        book.verify()


def test_a_dropped_entry_is_a_gap(book):
    tamper(book, "DELETE FROM entries WHERE seq = 3")
    with pytest.raises(LedgerBroken, match="entry 3 is missing"):
        book.verify()


def test_a_dropped_entry_whose_followers_are_renumbered_breaks_the_chain(book):
    moves = [f"UPDATE entries SET seq = {seq - 1} WHERE seq = {seq}" for seq in range(4, 8)]
    tamper(book, "DELETE FROM entries WHERE seq = 3", *moves)
    with pytest.raises(LedgerBroken, match="entry 3 does not continue"):
        book.verify()


def test_the_first_entry_cannot_be_dropped_either(book):
    moves = [f"UPDATE entries SET seq = {seq - 1} WHERE seq = {seq}" for seq in range(2, 8)]
    tamper(book, "DELETE FROM entries WHERE seq = 1", *moves)
    with pytest.raises(LedgerBroken, match="entry 1 does not continue"):
        book.verify()


def test_swapped_entries_are_found(book):
    tamper(
        book,
        "UPDATE entries SET seq = 100 WHERE seq = 3",
        "UPDATE entries SET seq = 3 WHERE seq = 4",
        "UPDATE entries SET seq = 4 WHERE seq = 100",
    )
    with pytest.raises(LedgerBroken, match="entry 3 does not continue"):
        book.verify()


def test_a_duplicated_entry_is_found(book):
    tamper(book, "INSERT INTO entries SELECT 8, previous, body, digest FROM entries WHERE seq = 7")
    with pytest.raises(LedgerBroken, match="entry 8 does not continue"):
        book.verify()


def test_entries_cut_from_the_end_are_seen_by_whoever_kept_an_old_head(book):
    old, early = book.head(), Head(5, book.entries()[4].digest)
    tamper(book, "DELETE FROM entries WHERE seq > 5")
    assert book.verify().entries == 5
    assert not book.contains(old)
    assert book.contains(early)


def test_a_book_rewritten_from_an_entry_on_does_not_contain_its_old_head(book, tmp_path):
    old = book.head()
    twin = Ledger(tmp_path / "twin.sqlite", "eu")
    for number in range(1, 9):
        twin.append({"act": "note", "run": "a", "number": number if number != 3 else 33})
    assert twin.verify().entries == 8
    assert not twin.contains(old)
    book.append({"act": "note", "number": 8})
    assert book.contains(old)


def test_another_owners_name_in_the_file_is_found(book):
    tamper(book, "UPDATE book SET owner = 'us'")
    with pytest.raises(LedgerBroken, match="'us'"):
        book.verify()
    with pytest.raises(LedgerBroken, match="entry 1 does not continue"):
        Ledger.read(book._path).verify()


def test_another_owner_cannot_open_it(book):
    with pytest.raises(LedgerBroken, match="belongs to 'eu', not to 'us'"):
        Ledger(book._path, "us")


@pytest.mark.parametrize(
    "content",
    [b"", b"not a database at all, but long enough to look", b"SQLite format 3\x00" + b"\x01" * 200],
)
def test_a_file_that_is_no_ledger_cannot_be_read_as_one(tmp_path, content):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerBroken, match="no ledger"):
        Ledger.read(path)
    assert path.read_bytes() == content
    if content:
        with pytest.raises(LedgerBroken):
            Ledger(path, "eu")


def test_a_database_that_is_no_ledger_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE runs (id INTEGER)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(LedgerBroken, match="no ledger"):
        Ledger(path, "eu")
    assert path.read_bytes() == before


def test_a_cut_file_is_found(book):
    for number in range(200):
        book.append({"number": number, "text": "x" * 200})
    book.close()
    path = Path(book._path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(LedgerBroken):
        Ledger(path, "eu").verify()


def test_reading_makes_and_changes_no_file(book, tmp_path):
    book.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    reader = Ledger.read(book._path)
    assert reader.verify().entries == 7
    assert reader.owner == "eu"
    with pytest.raises(LedgerBroken, match="nothing crossed"):
        reader.append({"act": "note"})
    reader.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(LedgerBroken, match="no ledger at"):
        Ledger.read(tmp_path / "absent" / "ledger.sqlite")
    assert not (tmp_path / "absent").exists()


def test_reading_sees_what_a_living_writer_has_appended(book):
    book.append({"act": "note", "run": "c", "number": 8})
    assert Ledger.read(book._path).head() == book.head()


def test_what_json_cannot_hold_is_refused_and_nothing_is_written(book):
    for value in (object(), float("nan"), b"bytes", 2**60, {1: 2}):
        with pytest.raises(LedgerBroken, match="nothing crossed"):
            book.append({"value": value})
    assert book.verify().entries == 7


def test_a_full_disk_is_told_and_leaves_no_half_entry(book):
    book._connection.execute(f"PRAGMA max_page_count = {book._connection.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(LedgerBroken, match="full; nothing crossed"):
        book.append({"text": "x" * 50_000})
    assert book.verify().entries == 7


def _append_many(path: Path, owner: str, times: int) -> None:
    ledger = Ledger(path, owner)
    for number in range(times):
        ledger.append({"process": os.getpid(), "number": number})


def test_several_processes_make_and_fill_one_book_without_gaps(tmp_path):
    path = tmp_path / "ledger.sqlite"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append_many, args=(path, "eu", 25)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert Ledger(path, "eu").verify().entries == 100


def test_a_book_opened_before_a_fork_serves_parent_and_child(book):
    context = multiprocessing.get_context("fork")
    child = context.Process(target=book.append, args=({"from": "child"},))
    child.start()
    child.join()
    book.append({"from": "parent"})
    assert child.exitcode == 0
    assert [entry.body["from"] for entry in book.entries()[-2:]] == ["child", "parent"]
    assert book.verify().entries == 9


_WRITER = """
import sys
from pathlib import Path
from fedsov.border.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), "eu")
while True:
    print(ledger.append({"act": "note", "text": "x" * 500}).seq, flush=True)
"""


def test_a_killed_writer_loses_nothing_it_was_told_was_written(tmp_path):
    path, said = tmp_path / "ledger.sqlite", 0
    for attempt in range(4):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        for line in writer.stdout:
            said = int(line)
            if said % 20 == 0:
                time.sleep(0.003 * attempt)
                writer.send_signal(signal.SIGKILL)
                break
        said = max([said, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        writer.wait()
        ledger = Ledger(path, "eu")
        assert ledger.verify().entries >= said
        ledger.close()
