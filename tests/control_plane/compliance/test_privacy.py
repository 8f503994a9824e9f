"""What the record says of privacy is what the budgets say; where it cannot, it says so first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.budgets import account
from fedsov.api.compliance import privacy_accounts, workspace_record
from fedsov.control_plane.compliance.entries import read_book
from fedsov.control_plane.compliance.page import as_html
from fedsov.control_plane.compliance.privacy import private_regions
from tests.api.world import spent_twice
from tests.border.world import DAY
from tests.control_plane.compliance.ledgers import said

REPORT = {"epsilon": 1.5, "delta": 1e-6, "spent_with": 2.0, "lifetime_epsilon": 10.0}


def note(run: str, report: dict[str, Any]) -> dict[str, Any]:
    return {"act": "note", "at": "2026-11-01T10:00", "run": run, "note": {"privacy": {"head": {}, "report": report}}}


def decision(run: str, *marks: str) -> dict[str, Any]:
    return {"act": "cross", "verdict": "permit", "at": "2026-11-01T09:00", "run": run, "marks": list(marks)}


def regions(*entries: dict[str, Any], accounts: dict[str, Any] | None = None) -> Any:
    book = read_book("DE", [(seq, f"{seq:064x}", body) for seq, body in enumerate(entries, 1)], head="0")
    return private_regions([book], accounts)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return spent_twice(tmp_path)


def test_the_report_and_the_budget_say_the_same_of_each_run_and_of_all_together(workspace: Path) -> None:
    (told,) = workspace_record(workspace, on=DAY).privacy
    budget = account(workspace / "regions" / "DE", "DE").to_json()
    assert (told.region, told.spent, told.left) == ("DE", budget["spent"], budget["left"])
    assert {"epsilon": told.lifetime, "delta": told.delta} == budget["lifetime"]
    figures = [(run.run, run.epsilon, run.delta, run.spent) for run in told.runs]
    assert figures == [tuple(run[name] for name in ("run", "epsilon", "delta", "spent")) for run in budget["runs"]]
    assert not told.examples and not told.fault
    page = as_html(workspace_record(workspace, on=DAY))
    assert f"{told.left:.3f}" in page and "No region released anything" not in page


def test_a_budget_that_was_cut_is_told_first_and_the_ledger_s_figures_stand(workspace: Path) -> None:
    path = workspace / "regions" / "DE" / "privacy.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    record = workspace_record(workspace, on=DAY)
    assert record.warnings[0].grave and "The privacy budget of DE cannot be relied on" in said(record)
    assert "cut or rewritten" in privacy_accounts(workspace)["DE"]["fault"]
    assert [run.run for run in record.privacy[0].runs] == ["r1", "r2"]
    assert "NOT RELIABLE" in as_html(record)
    json.dumps(record.to_json(), allow_nan=False)


def test_the_ledger_alone_tells_epsilon_delta_and_what_is_left() -> None:
    (told,) = regions(decision("r1"), note("r1", REPORT))
    assert (told.spent, told.delta, told.lifetime, told.left) == (2.0, 1e-6, 10.0, 8.0)
    assert [(run.run, run.epsilon) for run in told.runs] == [("r1", 1.5)]


def test_a_run_that_was_resumed_is_one_run() -> None:
    (told,) = regions(note("r1", REPORT), note("r1", REPORT))
    assert len(told.runs) == 1


def test_example_rows_are_marked_and_nothing_is_said_to_be_left_of_them() -> None:
    (told,) = regions(decision("r1", "example rows"), note("r1", REPORT))
    assert told.examples and told.runs[0].examples and told.left is None and told.lifetime is None
    assert (told.spent, told.delta) == (2.0, 1e-6)


def test_one_run_about_people_makes_a_region_s_budget_one_of_people() -> None:
    examples, people = note("r1", REPORT), note("r2", REPORT | {"spent_with": 3.0})
    (told,) = regions(decision("r1", "example rows"), examples, decision("r2"), people)
    assert not told.examples and told.left == 7.0
    assert [run.examples for run in told.runs] == [True, False]


@pytest.mark.parametrize(
    ("run", "changed", "words"),
    [
        ("r1", {"epsilon": 1.0}, "replays run r1 as epsilon 1, the ledger noted 1.5"),
        ("r1", {"spent": 1.5}, "replays run r1"),
        ("r2", {}, "notes a reservation of run r1 that the budget does not hold"),
    ],
)
def test_a_budget_that_says_otherwise_than_the_ledger_is_a_fault(run: str, changed: dict, words: str) -> None:
    reserved = {"run": run, "at": "", "purpose": "training", "dataset": "people", "epsilon": 1.5, "delta": 1e-6}
    book = {"runs": [reserved | {"spent": 2.0} | changed], "spent": 2.0, "left": 8.0}
    (told,) = regions(note("r1", REPORT), accounts={"DE": book | {"lifetime": {"epsilon": 10.0, "delta": 1e-6}}})
    assert words in told.fault


def test_a_note_whose_figures_are_none_is_counted_as_not_understood() -> None:
    for value in ("three", True, [1]):
        book = read_book("DE", [(1, "0", note("r1", REPORT | {"epsilon": value}))], head="0")
        assert book.strange == (1,) and book.privacy == ()
