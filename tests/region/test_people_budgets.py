"""Whom a region's budget covers: keyed digests, when two data sets are of the same people, and the ledger's notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsov.errors import BudgetBroken, JobRefused
from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.label import PUBLIC
from fedsov.ledger.ledger import Ledger
from fedsov.partition.records import Records, keyed_numbers
from fedsov.privacy.budget import Budget, BudgetHead
from fedsov.privacy.events import Event
from fedsov.region import people_budgets
from fedsov.region.people_budgets import (
    EVERYONE,
    NOBODY,
    KeyedPeople,
    check_new_holder,
    covered_people,
    privacy_notes,
)
from fedsov.region.private_run import BUDGET_FILE
from fedsov.storage.atomic_files import sha256_hex

ROWS = [f"values:{row:032x}" for row in range(400)]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.sqlite", "DE")) as opened:
        yield opened


def _people(subjects: range, rows: range) -> KeyedPeople:
    return KeyedPeople(np.array(subjects, np.int64), np.array(rows, np.int64))


@pytest.mark.parametrize(
    ("subjects", "rows", "same"),
    [
        (range(1000, 1200), range(5000, 5200), False),
        (range(998, 1198), range(5000, 5200), False),  # two of 200: one in a hundred, and no more
        (range(997, 1197), range(5000, 5200), True),
        (range(1000, 1200), range(4997, 5197), True),  # under another subject column, the rows tell
        (range(1000, 100_000), range(4990, 100_000), False),
        (range(999, 1005), range(6000, 6006), True),  # of the smaller of both
        (range(0), range(0), False),
    ],
)
def test_more_than_one_in_a_hundred_of_the_smaller_are_the_same_people(
    subjects: range, rows: range, same: bool
) -> None:
    covered, other = _people(range(1000), range(4000, 5000)), _people(subjects, rows)
    assert covered.overlaps(other) == other.overlaps(covered) == same
    assert (covered | other).overlaps(other) == bool(len(other.subjects))
    assert EVERYONE.overlaps(other) and not NOBODY.overlaps(other)


def _noted(ledger: Ledger, **note: object) -> None:
    ledger.append({"at": "2026-11-29T10:00:00+00:00", "run": "r1", "act": "note", "owner": "DE", "note": note})


def _reserved(folder: Path, ledger: Ledger, people: KeyedPeople | None) -> None:
    budget = Budget.open(folder / BUDGET_FILE, lifetime=(4.0, 1e-6))
    _, head = budget.reserve("r1", "training", [Event("gaussian", 9.0)], dataset="people", rows=1000)
    if people is not None:
        content = people.to_bytes()
        (folder / f"privacy-people-{sha256_hex(content)[:16]}.safetensors").write_bytes(content)
        _noted(ledger, privacy_people=sha256_hex(content))
    _noted(ledger, privacy={"head": head._asdict()})


def _covered(folder: Path, ledger: Ledger) -> KeyedPeople:
    path = folder / BUDGET_FILE
    book = Budget.open(path, lifetime=(4.0, 1e-6)).state() if path.exists() else None
    return covered_people(folder, privacy_notes(ledger), book)


def test_a_budget_covers_whom_its_ledger_noted_and_nobody_before_the_first_entry(
    tmp_path: Path, ledger: Ledger
) -> None:
    assert _covered(tmp_path, ledger) is NOBODY
    people = _people(range(100), range(50))
    _reserved(tmp_path, ledger, people)
    covered = _covered(tmp_path, ledger)
    assert covered.subjects.tolist() == list(range(100)) and covered.rows.tolist() == list(range(50))
    assert not covered.everyone
    notes = privacy_notes(ledger)
    assert notes.head == BudgetHead(1, notes.head.digest) and notes.runs == {"r1"}  # type: ignore[union-attr]
    assert notes.private_since == "2026-11-29" and notes.unbounded_since is None


def test_a_budget_whose_people_nobody_noted_covers_everyone(tmp_path: Path, ledger: Ledger) -> None:
    _reserved(tmp_path, ledger, None)
    assert _covered(tmp_path, ledger) is EVERYONE


def test_a_budget_whose_rows_had_other_names_covers_everyone(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(people_budgets, "NAMING", 3)
        _reserved(tmp_path, ledger, _people(range(100), range(50)))
        assert not _covered(tmp_path, ledger).everyone
    assert _covered(tmp_path, ledger).everyone


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_file_of_people_that_is_lost_or_changed_refuses(tmp_path: Path, ledger: Ledger, damage: str) -> None:
    _reserved(tmp_path, ledger, _people(range(100), range(50)))
    (path,) = tmp_path.glob("privacy-people-*")
    if damage == "lost":
        path.unlink()
    else:
        path.write_bytes(_people(range(99), range(50)).to_bytes())
    with pytest.raises(BudgetBroken, match="the people of this region's privacy budget"):
        _covered(tmp_path, ledger)


def _keys(folder: Path, name: str) -> RegionKeys:
    (folder / name).mkdir(parents=True)
    return create_keys(KeySettings(name, folder / name))


def test_a_region_under_another_name_does_not_get_rows_that_are_under_a_budget(tmp_path: Path) -> None:
    keys = {name: _keys(tmp_path, name) for name in ("DE", "WEST")}
    covered = {"DE": np.unique(_digests(ROWS[:200])(keys["DE"]))}
    with pytest.raises(JobRefused, match=r"region WEST would hold rows that region DE .*workspace=DIR"):
        check_new_holder("WEST", _digests(ROWS[100:300]), covered, keys.__getitem__)
    check_new_holder("WEST", _digests(ROWS[200:]), covered, keys.__getitem__)
    check_new_holder("DE", _digests(ROWS), covered, keys.__getitem__)
    check_new_holder("WEST", _digests(ROWS), {}, keys.__getitem__)


def _digests(rows: Sequence[str]) -> Callable[[RegionKeys], np.ndarray]:
    """What a region would call these rows, under its key."""
    return lambda keys: keyed_numbers(keys.pseudonyms(rows))


def test_people_are_their_pseudonyms_and_their_rows_each_once() -> None:
    subjects = np.array([f"{person:016x}{0:016x}" for person in (7, 7, 3, 9)])
    records = Records("DE", {}, {}, np.zeros(4), subjects, (PUBLIC,), np.zeros(4, int), None, np.array([5, 4, 5, 6]))
    people = KeyedPeople.of(records)
    assert people.subjects.tolist() == [3, 7, 9] and people.rows.tolist() == [4, 5, 6]
    assert len(KeyedPeople.of(replace(records, row_digests=None)).rows) == 0
