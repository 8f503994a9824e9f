"""A file is the newest that its ledger's owner wrote under its name, or it is refused; a kill in between loses none."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.errors import CheckpointDamaged, ConfigurationError, LedgerBroken
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import PENDING, notes, read_signed, write_signed
from tests.killed import lines_of_a_killed


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.sqlite", "hub")) as opened:
        yield opened


def test_what_was_written_is_read_and_the_newest_note_of_a_name_counts(tmp_path: Path, ledger: Ledger) -> None:
    path = tmp_path / "run.json"
    for seed in (1, 2):
        write_signed(path, {"seed": seed, "nan": [1.5, None]}, ledger, run="r1")
    write_signed(tmp_path / "other.json", {}, ledger, run="r1")
    write_signed(path.with_name("run2.json"), {}, ledger, run="r2")
    noted = notes(ledger, "r1")
    assert list(noted) == ["run", "other"] and read_signed(path, ledger, noted) == {"seed": 2, "nan": [1.5, None]}
    assert [entry.body["act"] for entry in ledger.entries("r1")] == ["note"] * 3
    assert notes(ledger, "r") == {}


def test_the_order_of_notes_is_that_of_the_last_of_each_name(tmp_path: Path, ledger: Ledger) -> None:
    for name in ("a", "b", "a"):
        write_signed(tmp_path / f"{name}.json", {}, ledger, run="r1")
    assert list(notes(ledger, "r1")) == ["b", "a"]


def test_a_file_without_a_note_of_another_run_or_of_another_owner_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    path = tmp_path / "run.json"
    write_signed(path, {"seed": 1}, ledger, run="r1")
    for noted in ({}, notes(ledger, "r2"), {"run": "0" * 64}):
        with pytest.raises(CheckpointDamaged, match=r"run\.json was changed, cut, or put in the place of another"):
            read_signed(path, ledger, noted)
    other = Ledger(tmp_path / "other" / "ledger.sqlite", "hub")
    with closing(other), pytest.raises(ConfigurationError, match="by the hub of another workspace"):
        read_signed(path, other, notes(other, "r1"))


def test_nothing_is_signed_with_a_ledger_that_is_only_read(tmp_path: Path, ledger: Ledger) -> None:
    reading = Ledger.read(tmp_path / "ledger.sqlite")
    with closing(reading), pytest.raises(LedgerBroken, match="opened for reading"):
        write_signed(tmp_path / "run.json", {}, reading, run="r1")
    assert not (tmp_path / "run.json").exists()


def test_no_file_is_a_file_that_is_not_found(tmp_path: Path, ledger: Ledger) -> None:
    with pytest.raises(FileNotFoundError):
        read_signed(tmp_path / "run.json", ledger, {})


def test_a_pending_file_that_was_not_noted_yet_leaves_the_one_before_in_force(tmp_path: Path, ledger: Ledger) -> None:
    path = tmp_path / "run.json"
    write_signed(path, {"seed": 1}, ledger, run="r1")
    path.with_suffix(PENDING).write_bytes(b"half")
    assert read_signed(path, ledger, notes(ledger, "r1")) == {"seed": 1}


_WRITER = """
import sys
from pathlib import Path
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import write_signed
folder = Path(sys.argv[1])
ledger = Ledger(folder / "ledger.sqlite", "hub")
for number in range(1, 10_000):
    write_signed(folder / "run.json", {"number": number}, ledger, run="r1")
    print(number, flush=True)
"""


def test_a_writer_killed_at_any_instant_leaves_a_file_no_older_than_it_said(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(5):
        written = max(map(int, lines_of_a_killed(_WRITER, str(tmp_path), chance=chance)))
        with closing(Ledger.read(tmp_path / "ledger.sqlite")) as ledger:
            number = read_signed(tmp_path / "run.json", ledger, notes(ledger, "r1"))["number"]
        assert number in (written, written + 1)
