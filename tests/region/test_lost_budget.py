"""After a loss a region's budget is taken as spent, for everybody, whatever the backup says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.api.budgets import account
from fedsov.errors import BudgetBroken, BudgetExceeded
from fedsov.ledger.ledger import Ledger
from fedsov.privacy.budget import Budget, read
from fedsov.privacy.events import Event
from fedsov.region.lost_budget import ALL_SPENT, EXAMPLES_ONLY, LIFETIME, lacks_entries, take_as_spent
from fedsov.region.own_dataset import OwnDataset
from fedsov.region.people_budgets import covered_people, privacy_notes
from fedsov.region.privacy_life import PrivacyPast, RegionPrivacy, why_refused
from fedsov.region.private_run import BUDGET_FILE
from fedsov.storage.workspace import ledger_of
from tests.api.world import NOISE, spent_twice
from tests.own_settings import CLOSED

LITTLE = [Event("gaussian", 50.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return spent_twice(tmp_path) / "regions" / "DE"


@pytest.fixture
def ledger(folder: Path) -> Iterator[Ledger]:
    with closing(Ledger(ledger_of(folder), "DE")) as ledger:
        yield ledger


def _reserve(folder: Path, ledger: Ledger) -> None:
    notes = privacy_notes(ledger)
    Budget.open(folder / BUDGET_FILE, lifetime=(4.0, 1e-6), last_known_head=notes.head).reserve(
        "r3", "training", LITTLE, dataset="people", rows=1000
    )


def test_nothing_fits_any_more_and_everybody_is_covered(folder: Path, ledger: Ledger) -> None:
    assert take_as_spent(folder, ledger, CLOSED) == ALL_SPENT
    notes, book = privacy_notes(ledger), read(folder / BUDGET_FILE, last_known_head=privacy_notes(ledger).head)
    assert book is not None and covered_people(folder, notes, book).everyone
    assert book.left() == 0.0 and book.spent().epsilon >= 4.0
    with pytest.raises(BudgetExceeded, match="0 is left; no amount of noise would fit"):
        _reserve(folder, ledger)
    assert account(folder, "DE").to_json()["left"] == 0.0


def test_a_region_whose_backup_has_no_budget_gets_one_that_is_spent(folder: Path, ledger: Ledger) -> None:
    us = folder.parent / "US"
    with closing(Ledger(ledger_of(us), "US")) as own:
        assert not lacks_entries(us, own)
        take_as_spent(us, own, replace(CLOSED, region="US", privacy=RegionPrivacy(lifetime_epsilon=2.0)))
        notes = privacy_notes(own)
        book = read(us / BUDGET_FILE, last_known_head=notes.head)
    assert book is not None and book.lifetime == LIFETIME._replace(epsilon=2.0)
    assert book.left() == 0.0
    past = PrivacyPast(notes.private_since, notes.unbounded_since)
    assert "privacy.require=none" in str(why_refused("US", RegionPrivacy(), past, is_private=False))
    assert why_refused("US", RegionPrivacy(require="none"), past, is_private=False) is None


def test_example_rows_have_no_lifetime(folder: Path, ledger: Ledger) -> None:
    before = (folder / BUDGET_FILE).read_bytes()
    examples = replace(CLOSED, datasets={"demo": OwnDataset(examples=True)})
    assert take_as_spent(folder, ledger, examples) == EXAMPLES_ONLY
    mixed = replace(CLOSED, datasets={"demo": OwnDataset(examples=True), "people": OwnDataset()})
    assert (folder / BUDGET_FILE).read_bytes() == before
    assert take_as_spent(folder, ledger, mixed) == ALL_SPENT


def test_an_older_budget_beside_its_ledger_is_refused_and_only_then_lacks_entries(
    folder: Path, ledger: Ledger, tmp_path: Path
) -> None:
    assert not lacks_entries(folder, ledger)
    shutil.copy(folder / BUDGET_FILE, tmp_path / "yesterday.jsonl")
    _, head = Budget.open(folder / BUDGET_FILE, lifetime=(4.0, 1e-6)).reserve(
        "r3", "training", [Event("gaussian", NOISE)], dataset="people", rows=1000
    )
    ledger.note({"privacy": {"head": head._asdict()}}, run="r3")
    shutil.copy(tmp_path / "yesterday.jsonl", folder / BUDGET_FILE)
    with pytest.raises(BudgetBroken, match="has 2 entries and does not continue the one of 3 that was noted"):
        _reserve(folder, ledger)
    assert lacks_entries(folder, ledger)
    take_as_spent(folder, ledger, CLOSED)
    assert not lacks_entries(folder, ledger)
    with pytest.raises(BudgetExceeded):
        _reserve(folder, ledger)


def test_a_budget_that_is_gone_lacks_entries_and_a_damaged_one_is_refused(folder: Path, ledger: Ledger) -> None:
    path = folder / BUDGET_FILE
    content = path.read_bytes()
    path.unlink()
    assert lacks_entries(folder, ledger)
    path.write_bytes(content[:-3])
    for act in (lambda: lacks_entries(folder, ledger), lambda: take_as_spent(folder, ledger, CLOSED)):
        with pytest.raises(BudgetBroken, match="ends in half a line"):
            act()
