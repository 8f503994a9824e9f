"""The book only grows, is signed at every step, and loses nothing that it said was written."""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import LedgerBroken
from fedsov.ledger import merkle
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Head, Signer
from tests.killed import lines_of_a_killed
from tests.ledger.world import WRITER


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "ledger.sqlite", "eu")
    for number in range(1, 8):
        ledger.append({"act": "note", "run": "a" if number < 5 else "b", "number": number})
    return ledger


def test_entries_come_back_in_order_and_by_run(book: Ledger) -> None:
    assert [entry.seq for entry in book.entries()] == [1, 2, 3, 4, 5, 6, 7]
    assert [entry.body["number"] for entry in book.entries("b")] == [5, 6, 7]
    assert book.verify().entries == 7
    last = book.append({"number": 8})
    assert book.entries()[-1] == last


def test_every_head_is_signed_by_the_owner_and_the_book_continues_it(book: Ledger) -> None:
    heads = [book.head()]
    for number in range(8, 20):
        book.append({"number": number})
        heads.append(book.head().check())
    assert {head.key for head in heads} == {book.key}
    assert all(book.contains(head) and book.contains(Head(head.size, head.digest)) for head in heads)
    assert Head.from_json(heads[-1].to_json()) == heads[-1]


def test_an_empty_book_verifies_under_a_head_of_its_owner(tmp_path: Path) -> None:
    one, other = Ledger(tmp_path / "one/ledger.sqlite", "eu"), Ledger(tmp_path / "other/ledger.sqlite", "us")
    assert one.verify().entries == 0
    assert one.head().digest == merkle.EMPTY.hex()
    assert one.contains(one.head().check())
    assert not one.contains(other.head())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=12))
def test_entries_added_together_or_one_by_one_make_the_same_book(tmp_path_factory: object, sizes: list[int]) -> None:
    folder = tmp_path_factory.mktemp("books")  # type: ignore[attr-defined]
    together, single = Ledger(folder / "a.sqlite", "eu"), Ledger(folder / "b.sqlite", "eu")
    for size in sizes:
        entries = [{"number": number} for number in range(size)]
        assert list(together.append_all(entries)) == [single.append(entry) for entry in entries]
        assert together.head() == single.head()
    assert together.verify() == single.verify()
    together.close()
    single.close()


def test_several_entries_are_written_together_or_not_at_all(book: Ledger) -> None:
    with pytest.raises(LedgerBroken, match="nothing crossed"):
        book.append_all([{"number": 8}, {"number": object()}])
    assert book.append_all([]) == ()
    assert book.verify().entries == 7


def test_what_came_after_a_head_is_verified_alone(book: Ledger) -> None:
    old = book.head()
    book.append_all({"number": number} for number in range(8, 30))
    assert (book.verify(old).entries, book.verify(old).since) == (22, 7)
    assert book.verify(book.head()).entries == 0
    assert book.verify(Head(0, merkle.EMPTY.hex())).entries == 29


def test_a_head_that_the_book_does_not_continue_is_named(book: Ledger, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "other/ledger.sqlite", "eu")
    other.append_all([{"number": number} for number in range(9)])
    head = other.head()
    with pytest.raises(LedgerBroken, match="another owner or key"):
        book.verify(head)
    with pytest.raises(LedgerBroken, match="cut: it holds 7 entries, the head given 9"):
        book.verify(Head(head.size, head.digest))
    with pytest.raises(LedgerBroken, match="first 5 entries were rewritten"):
        book.verify(Head(5, head.digest))


def test_another_owner_cannot_open_it(book: Ledger) -> None:
    with pytest.raises(LedgerBroken, match="belongs to 'eu', not to 'us'"):
        Ledger(book._path, "us")


def test_a_book_that_exists_is_opened_for_writing_by_its_path_and_none_is_made(book: Ledger, tmp_path: Path) -> None:
    book.close()
    opened = Ledger.existing(book._path)
    assert (opened.owner, opened.append({"number": 8}).seq) == ("eu", 8)
    opened.close()
    with pytest.raises(LedgerBroken, match="no ledger at"):
        Ledger.existing(tmp_path / "absent" / "ledger.sqlite")
    assert not (tmp_path / "absent").exists()


def test_the_signing_key_is_its_owners_alone_and_stays(book: Ledger) -> None:
    path = book._path.with_name("signing.key")
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    assert Ledger(book._path, "eu").append({"number": 8}).seq == 8
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir() if "key" in one.name] == ["signing.key"]


def test_a_key_that_is_lost_replaced_or_open_to_others_stops_the_book(book: Ledger) -> None:
    path = book._path.with_name("signing.key")
    kept = path.read_bytes()
    path.chmod(0o640)
    with pytest.raises(LedgerBroken, match="chmod 600"):
        Ledger(book._path, "eu")
    path.unlink()
    with pytest.raises(LedgerBroken, match=r"signing.key is gone.*nothing crossed"):
        Ledger(book._path, "eu")
    assert not path.exists()
    Signer.made(path)
    with pytest.raises(LedgerBroken, match="one of them was replaced; nothing crossed"):
        Ledger(book._path, "eu")
    for nonsense in (b"", b"hello", kept[:40]):
        path.write_bytes(nonsense)
        with pytest.raises(LedgerBroken, match="cannot be read"):
            Ledger(book._path, "eu")
    path.write_bytes(kept)
    assert Ledger(book._path, "eu").append({"number": 8}).seq == 8


def test_reading_needs_no_private_key_changes_no_file_and_makes_none(book: Ledger, tmp_path: Path) -> None:
    book.close()
    (tmp_path / "signing.key").unlink()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    reader = Ledger.read(book._path)
    assert (reader.verify().entries, reader.owner, reader.key) == (7, "eu", book.key)
    assert reader.inclusion(3)[2] == reader.head()
    with pytest.raises(LedgerBroken, match="nothing crossed"):
        reader.append({"act": "note"})
    reader.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(LedgerBroken, match="no ledger at"):
        Ledger.read(tmp_path / "absent" / "ledger.sqlite")
    assert not (tmp_path / "absent").exists()


def test_reading_sees_what_a_living_writer_has_appended(book: Ledger) -> None:
    book.append({"act": "note", "run": "c", "number": 8})
    assert Ledger.read(book._path).head() == book.head()


def test_what_json_cannot_hold_is_refused_and_nothing_is_written(book: Ledger) -> None:
    for value in (object(), float("nan"), b"bytes", 2**60, {1: 2}, "\ud800"):
        with pytest.raises(LedgerBroken, match="nothing crossed"):
            book.append({"value": value})
    assert book.verify().entries == 7


def _append_many(path: Path, owner: str, times: int) -> None:
    ledger = Ledger(path, owner)
    for number in range(times):
        ledger.append({"process": os.getpid(), "number": number})


def test_several_processes_make_and_fill_one_book_without_gaps(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append_many, args=(path, "eu", 25)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert Ledger(path, "eu").verify().entries == 100


def test_a_writer_killed_at_any_instant_loses_nothing_it_was_told_was_written(tmp_path: Path) -> None:
    path, told, chance = tmp_path / "ledger.sqlite", dict[int, str](), random.Random(7)
    for _ in range(16):
        lines = lines_of_a_killed(WRITER, str(path), chance=chance)
        told |= {int(seq): digest for seq, digest in map(str.split, lines)}
        ledger = Ledger(path, "eu")
        assert ledger.verify().entries >= max(told)
        found = {entry.seq: entry.digest for entry in ledger.entries()}
        assert all(found[seq] == digest for seq, digest in told.items())
        assert all(entry.body == {"number": entry.body["number"], "text": "x" * 500} for entry in ledger.entries())
        ledger.close()
    assert len(told) >= 16


def test_a_writer_killed_while_it_makes_its_book_leaves_one_that_can_be_opened(tmp_path: Path) -> None:
    chance = random.Random(11)
    for attempt in range(8):
        path = tmp_path / str(attempt) / "ledger.sqlite"
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.DEVNULL)
        while not path.exists() and writer.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.01))
        writer.kill()
        writer.wait()
        ledger = Ledger(path, "eu")
        before = ledger.verify().entries
        ledger.append({"number": 0})
        assert ledger.verify().entries == before + 1
        ledger.close()
