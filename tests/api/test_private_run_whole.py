"""A run under privacy=record: what is reserved before rows are touched, what leaves, and what is refused."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api.budgets import account
from fedsov.errors import BudgetBroken, BudgetExceeded
from fedsov.ledger.ledger import Ledger
from fedsov.privacy.accounting import epsilon
from fedsov.region.people_budgets import privacy_notes
from tests.cli.world import call
from tests.world import Overheard, overhear

SMALL = ("privacy=record", "federation.regions=[US,GB]", "federation.rounds=2", "strategy.order=[federated]")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("private")


@pytest.fixture(scope="module")
def heard(workspace: Path) -> Overheard:
    return overhear([*SMALL, f"workspace={workspace}", "~dataset.bounds.Hobby"])


def test_a_column_without_bounds_is_named_with_the_setting_that_mends_it(heard: Overheard) -> None:
    why = "noise needs its bounds; set dataset.bounds.Hobby=[LOW,HIGH]"
    assert heard.result.unused["Hobby"] == f"global model: {why}"
    assert any(f"Hobby ({why})" in line for line in heard.lines)


def test_columns_that_noise_cannot_describe_are_named_before_anything_is_priced_or_spent(heard: Overheard) -> None:
    """They were named after each region had reserved the whole run."""
    named = next(place for place, line in enumerate(heard.lines) if "unused columns under privacy=record" in line)
    first = next(place for place, line in enumerate(heard.lines) if line.split("] ")[-1].startswith("privacy: "))
    assert named < first and "dataset.bounds.Hobby=[LOW,HIGH]" in heard.lines[named]
    assert "nothing is spent yet" in heard.lines[named] and "Salary" not in heard.lines[named]


def test_a_plan_names_them_too(heard: Overheard, workspace: Path) -> None:
    planned = call("plan", *SMALL, f"workspace={workspace}", "~dataset.bounds.Hobby")
    assert "unused columns under privacy=record: Hobby (noise needs its bounds" in planned.err
    assert "under privacy=record" not in call("plan", *SMALL, f"workspace={workspace}").err


def test_the_whole_run_is_reserved_and_its_epsilon_is_the_one_asked_for(heard: Overheard, workspace: Path) -> None:
    for name in ("GB", "US"):
        book = account(workspace / "regions" / name, name).book
        assert book is not None
        (entry,) = book.entries
        assert (entry.run, entry.dataset) == (heard.result.run, "stackoverflow")
        assert entry.delta == pytest.approx(1 / entry.rows**2)
        assert 2.9 < epsilon(entry.events, entry.delta) <= 3.0
        steps = next(event for event in entry.events if event.kind == "sampled_gaussian").steps
        assert steps % 2 == 0  # two rounds of as many steps


def test_the_ledger_notes_the_reservation_before_the_first_answer_about_rows(heard: Overheard, workspace: Path) -> None:
    for name in ("GB", "US"):
        with closing(Ledger(workspace / "regions" / name / "ledger.sqlite", name)) as ledger:
            acts = [
                "privacy" if "privacy" in entry.body.get("note", {}) else entry.body.get("name")
                for entry in ledger.entries(heard.result.run)
            ]
            assert acts.index("privacy") < acts.index("statistics") < acts.index("arrays")
            report = next(
                entry.body["note"]["privacy"]["report"]
                for entry in ledger.entries()
                if "privacy" in entry.body.get("note", {})
            )
            assert {"epsilon", "delta", "clip", "noise_multiplier", "steps"} <= report.keys()
            book = account(workspace / "regions" / name, name).book
            assert book is not None and privacy_notes(ledger).head == book.head


def test_no_score_leaves_and_the_report_says_what_is_not_covered(heard: Overheard) -> None:
    for seen in heard.result.rounds:
        for metrics in seen.metrics.values():
            assert metrics["loss"] != metrics["loss"] and metrics["score"] != metrics["score"]
    for one in heard.result.regions:
        assert one.score is None and one.local_score is None and one.gain is None and one.selected == "not disclosed"
    said = str(heard.result)
    assert "Privacy:" in said and "Row counts were told" in said and "scores stayed" in said
    assert json.loads(json.dumps(heard.result.to_json()))["privacy"]


def test_a_run_that_does_not_fit_what_is_left_is_refused_before_it_spends(heard: Overheard, workspace: Path) -> None:
    path = workspace / "regions" / "US" / "privacy.jsonl"
    before = path.read_bytes()
    words = [*SMALL, f"workspace={workspace}", "privacy.lifetime_epsilon=4"]
    with pytest.raises(BudgetExceeded, match=r"US: training of run .* is left.*privacy\.epsilon=null"):
        overhear(words)
    assert path.read_bytes() == before


def test_what_is_left_can_be_taken_and_a_lost_file_refuses_the_next_run(heard: Overheard, workspace: Path) -> None:
    words = [*SMALL, f"workspace={workspace}", "privacy.lifetime_epsilon=4", "privacy.epsilon=null"]
    assert overhear(words).result.privacy
    book = account(workspace / "regions" / "US", "US").book
    assert book is not None and len(book.entries) == 2 and 3.9 < book.spent().epsilon <= 4.0
    (workspace / "regions" / "US" / "privacy.jsonl").unlink()
    with pytest.raises(BudgetBroken):
        overhear(words)


def test_without_privacy_no_budget_is_made_and_scores_are_told(tmp_path: Path) -> None:
    words = [word for word in SMALL if word != "privacy=record"]
    result = overhear([*words, f"workspace={tmp_path}"]).result
    assert not list(tmp_path.rglob("privacy.jsonl*")) and not result.privacy
    assert all(one.score is not None for one in result.regions)
