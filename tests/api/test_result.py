"""What a run ended with: each region's line, the whole for machines, and how both are asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fedsov.algorithms.rounds import RoundRecord
from fedsov.api.result import RegionResult, RunResult
from fedsov.hub.planning.plan_values import Amendment, Plan, RegionPlan
from fedsov.protocol import NOT_DISCLOSED
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.serialization import from_plain
from tests.world import ROOT

PLAN = RegionPlan(
    "US",
    900,
    "transfer_learning",
    ("Not federated: why not.", "It may."),
    amendments=(Amendment("US", 4, date(2026, 11, 25), True, "its paper expired."),),
)
OUTCOME = {"selected": "tuned", "score": 0.75, "local_score": 0.5, "gain": 0.25, "gain_se": 0.1, "test_rows": 40}
CROSSINGS = {"permitted": 7, "refused": 1}


def region(
    outcome: dict[str, Any] | None = OUTCOME, failure: str | None = None, plan: RegionPlan = PLAN
) -> RegionResult:
    return RegionResult.of(plan, outcome, failure, crossings=CROSSINGS)


def test_a_score_that_is_told_to_its_standard_error_is_shown_as_about() -> None:
    rounded = replace(
        RESULT, refusals=(), marks=("ROUNDED SCORES: of people's rows.",), regions=(region({**OUTCOME, "score": 1.0}),)
    )
    assert "~1.000" in str(rounded) and "~1.000" in repr(rounded) and "~0.500" in rounded._repr_html_()
    assert "~" not in str(replace(rounded, marks=())) + repr(RESULT)


def test_what_was_selected_has_its_old_name_for_one_release() -> None:
    with pytest.warns(DeprecationWarning, match=r"^RegionResult\.kept is called selected now$"):
        assert region().kept == region().selected == "tuned"


RESULT = RunResult(
    run="r1",
    workspace=Path("/w"),
    unsafe=True,
    ingested=IngestionReport(1000, 950, {"target missing": 50}, {"age": "numeric"}, False, {}, {"US": "00"}),
    plan=Plan((PLAN, replace(PLAN, region="DE"))),
    regions=(region(), replace(region(), region="DE")),
    refusals=({"kind": "model", "reason": "DE -> US"},),
    heads={"hub": {"size": 3, "digest": "ab"}, "US": {"size": 2, "digest": "cd"}},
    rounds=(RoundRecord(1, {}), RoundRecord(2, {})),
    planned=5,
    stopped="early",
    privacy=("US: epsilon 2.",),
    unused={"town": "one value"},
)


# ------------------------------------------------------------------ a region's line


def test_a_line_has_the_plan_the_outcome_and_how_the_plan_changed() -> None:
    line = region()
    assert (line.region, line.rows, line.strategy) == ("US", 900, "transfer_learning")
    assert line.reason == "Not federated: why not. It may."
    assert (line.score, line.local_score, line.gain, line.gain_se, line.test_rows) == (0.75, 0.5, 0.25, 0.1, 40)
    assert line.amendments == (PLAN.amendments[0].sentence(),) and line.crossings == CROSSINGS
    assert line.note == ""


def test_scores_are_those_that_exist_zero_among_them() -> None:
    line = region({**OUTCOME, "gain": 0.0, "gain_se": None})
    assert line.scores() == {"score": 0.75, "local_score": 0.5, "gain": 0.0}
    assert region(None).scores() == {}


@pytest.mark.parametrize(
    ("outcome", "failure", "strategy", "note"),
    [
        (None, "its keyring is missing", "federated", "its keyring is missing"),
        (OUTCOME | {"selected": "local"}, "it failed", "federated", "it failed"),
        (None, None, "none", ""),
        (
            OUTCOME | {"selected": "local"},
            None,
            "transfer_learning",
            "Transfer learning was worse than local training on validation rows",
        ),
        (OUTCOME | {"selected": "local"}, None, "local", ""),
        (OUTCOME | {"local_score": None}, None, "federated", "Training alone was not possible"),
        (OUTCOME | {"local_score": None, "score": None}, None, "federated", ""),
    ],
)
def test_a_note_is_there_where_the_strategy_needs_a_word(
    outcome: dict[str, Any] | None, failure: str | None, strategy: str, note: str
) -> None:
    assert region(outcome, failure, replace(PLAN, strategy=strategy)).note == note


def test_of_what_is_not_disclosed_the_note_says_where_it_is() -> None:
    assert "stay in the region" in region({"selected": NOT_DISCLOSED}).note


# ------------------------------------------------------------------ the whole


def test_machines_get_plain_values_from_which_the_plan_comes_back() -> None:
    said = json.loads(json.dumps(RESULT.to_json(), allow_nan=False))
    assert (said["run"], said["workspace"], said["unsafe_open"]) == ("r1", "/w", True)
    assert said["rounds"] == {"planned": 5, "run": 2, "stopped": "early"}
    assert said["ingested"] == {
        "rows_in": 1000,
        "stored": 950,
        "quarantined": {"target missing": 50},
        "up_to_date": False,
        "kinds": {"age": "numeric"},
    }
    assert list(said["regions"]) == ["US", "DE"] and said["regions"]["US"]["crossings"] == CROSSINGS
    assert said["regions"]["US"]["amendments"] == [PLAN.amendments[0].sentence()]
    assert (said["refusals"], said["ledger_heads"]["US"]["size"]) == ([{"kind": "model", "reason": "DE -> US"}], 2)
    assert (said["privacy"], said["unused"], said["measure"]) == (["US: epsilon 2."], {"town": "one value"}, "auc")
    assert from_plain(Plan, said["plan"]) == RESULT.plan


def test_without_an_ingestion_there_is_none_in_the_answer() -> None:
    assert replace(RESULT, ingested=None).to_json()["ingested"] is None


def test_a_score_that_is_no_number_is_not_written_as_one() -> None:
    broken = replace(RESULT, regions=(region(OUTCOME | {"score": float("nan")}),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.to_json()


def test_a_recorded_run_is_the_same_with_versions_and_its_time() -> None:
    versions: dict[str, list[Any]] = {"US": [("people-us", 3)], "hub": [("people", 2)]}
    recorded = RESULT.recorded(versions, seconds=1.23456)
    assert recorded.to_json() | {"seconds": 0.0, "models": {}} == RESULT.to_json()
    assert recorded.to_json()["seconds"] == 1.235
    assert recorded.to_json()["models"] == {"US": [["people-us", 3]], "hub": [["people", 2]]}


@pytest.mark.parametrize(
    ("models", "named"),
    [
        ({"DE": [("people-de", 3)], "hub": [("people", 2), ("people-public", 1)]}, "people 2"),
        ({"US": [("people-us", 3)], "hub": []}, "people-us 3"),
        ({}, "MODEL VERSION"),
    ],
)
def test_the_model_to_promote_is_the_hub_s_or_else_a_region_s(models: dict[str, list[Any]], named: str) -> None:
    assert replace(RESULT, models=models).plan_model == named


def test_lines_are_found_by_their_region_and_ledgers_by_their_owner(tmp_path: Path) -> None:
    assert RESULT.results["DE"] is RESULT.regions[1]
    for folder in (tmp_path / "hub", tmp_path / "regions" / "US"):
        folder.mkdir(parents=True)
        (folder / "ledger.sqlite").write_bytes(b"a ledger")
    assert list(replace(RESULT, workspace=tmp_path).ledger) == ["hub", "US"]


def test_a_result_is_its_report_as_text_and_in_a_notebook() -> None:
    told = replace(RESULT, refusals=())
    assert all(name in str(told) and name in told._repr_html_() for name in ("US", "DE", "0.750"))
    assert "<table" in told._repr_html_()


def test_rows_whose_way_home_was_refused_are_among_what_was_refused() -> None:
    """ "Nothing was refused" stood under a run whose source kept a third of its rows for want of a paper."""
    stays = {"no way home from CN to region DE": 60, "no way home from CN to region RU": 0, "target missing": 50}
    ingested = replace(RESULT.ingested or IngestionReport(0, 0, {}, {}, False, {}, {}), quarantined=stays, rounded=True)
    result = replace(RESULT, refusals=(), ingested=ingested)
    for told in (str(result), result._repr_html_()):
        assert "records: about 60 rows stay in quarantine: no way home from CN to region DE" in told
        assert "records: fewer than 10 rows stay in quarantine: no way home from CN to region RU" in told
        assert "fedsov quarantine list" in told and "nothing was refused" not in told and "target missing" not in told
    assert "nothing was refused" in str(replace(RESULT, refusals=()))


def test_a_result_is_one_line_with_each_region_s_strategy_and_score() -> None:
    assert repr(RESULT) == "RunResult(r1: US transfer_learning 0.750, DE transfer_learning 0.750)"
    many = replace(RESULT, regions=tuple(replace(region(None), region=f"R{number}") for number in range(175)))
    assert repr(many).endswith("R9 transfer_learning, 165 more)") and len(repr(many)) < 300


def test_the_readme_names_each_key_of_the_answer_for_machines() -> None:
    chapter = (ROOT / "README.md").read_text().partition("### For machines")[2].partition("\n## ")[0]
    answer = RESULT.to_json()
    for key in {*answer, *answer["regions"]["US"], *answer["rounds"]}:
        assert f"`{key}`" in chapter, key
