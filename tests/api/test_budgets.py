"""A region's privacy budget beside its ledger: what was spent, what is left, and a file that was cut or lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fedsov.api.budgets import Account, account, accounts
from fedsov.errors import BudgetBroken, ConfigurationError
from fedsov.privacy.accounting import epsilon
from fedsov.privacy.events import Event
from tests.api.world import NOISE, spent_twice


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return spent_twice(tmp_path)


def _file(workspace: Path) -> Path:
    return workspace / "regions" / "DE" / "privacy.jsonl"


def test_every_region_has_an_account_and_one_is_found_by_its_name(workspace: Path) -> None:
    assert [found.region for found in accounts(workspace)] == ["DE", "US"]
    assert [found.region for found in accounts(workspace, "US")] == ["US"]


def test_spent_and_left_are_of_all_releases_together_and_each_run_has_its_own(workspace: Path) -> None:
    told = json.loads(json.dumps(account(workspace / "regions" / "DE", "DE").to_json()))
    events = [Event("gaussian", NOISE)] * 2
    one, both = (epsilon(events[:count], 1e-6) for count in (1, 2))
    assert told["spent"] == pytest.approx(both) and told["left"] == pytest.approx(4.0 - both)
    assert [run["epsilon"] for run in told["runs"]] == pytest.approx([one, one])
    assert [run["spent"] for run in told["runs"]] == pytest.approx([one, both])
    assert both < 2 * one, "releases compose to less than their sum"
    assert told["lifetime"] == {"epsilon": 4.0, "delta": 1e-6}
    assert {"unit", "neighbours", "head"} <= told.keys()


def test_a_region_that_released_nothing_has_spent_nothing_and_no_lifetime(workspace: Path) -> None:
    unspent = account(workspace / "regions" / "US", "US")
    assert unspent.book is None
    said = unspent.to_json()
    assert (said.pop("spent"), said.pop("runs")) == (0.0, []) and set(said.values()) == {None}
    assert said.keys() == {"left", "lifetime", "unit", "neighbours", "head", "unbounded_since", "unprotected_before"}
    assert unspent.lines() == ["US: nothing spent; no private run yet"]
    assert account(workspace / "regions" / "nobody", "nobody") == Account("nobody", None)


def test_people_read_the_budget_in_a_line_and_each_run_in_one(workspace: Path) -> None:
    head, first, second = account(workspace / "regions" / "DE", "DE").lines()
    told = account(workspace / "regions" / "DE", "DE").to_json()
    assert head.startswith(f"DE: epsilon {told['spent']:.3f} spent of 4, {told['left']:.3f} left, at delta 1e-06")
    assert "r1  training of people, 1,000 rows: epsilon" in first and " r2 " in second
    assert second.endswith(f"{told['spent']:.3f} with all before")


def _cut(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))


def _changed(path: Path) -> None:
    path.write_bytes(
        path.read_bytes().replace(b'"rows": 1000', b'"rows": 1001').replace(b'"rows":1000', b'"rows":1001')
    )


@pytest.mark.parametrize("damage", [_cut, _changed, Path.unlink])
def test_a_file_that_was_cut_changed_or_lost_is_found(workspace: Path, damage: Callable[[Path], None]) -> None:
    before = _file(workspace).read_bytes()
    damage(_file(workspace))
    assert not _file(workspace).exists() or _file(workspace).read_bytes() != before
    with pytest.raises(BudgetBroken):
        accounts(workspace)
    assert accounts(workspace, "US")


def test_the_ledger_is_what_finds_a_file_that_was_put_back_to_an_older_one(workspace: Path) -> None:
    _cut(_file(workspace))
    for path in (workspace / "regions" / "DE").glob("ledger.sqlite*"):
        path.unlink()
    book = account(workspace / "regions" / "DE", "DE").book
    assert book is not None and len(book.entries) == 1


def test_a_workspace_without_a_run_and_a_region_that_is_not_there_are_refused(workspace: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no run yet"):
        accounts(workspace / "empty")
    with pytest.raises(ConfigurationError, match="unknown region 'FR'; there are DE, US"):
        accounts(workspace, "FR")
