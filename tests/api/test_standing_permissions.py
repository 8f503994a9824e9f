"""LiveRegister permissions: what permitted a region in one round may have expired by the next."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from fedsov.api.report import as_html, as_text
from fedsov.ledger.ledger import Ledger
from tests.own_settings import EXAMPLES
from tests.world import ROOT, Overheard, answered, fedsov, overhear

ROWS = {"DE": 420, "AT": 400, "US": 440}
FIRST = "2026-11-22"
LAST_DAY = "2026-11-24"  # of the document; the day of round 3


def _table(place: Path, rows: Mapping[str, int]) -> Path:
    rng = random.Random(0)
    with (place / "people.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["country", "age", "visits", "bought"])
        for country, count in rows.items():
            for _ in range(count):
                visits = rng.randint(0, 9)
                table.writerow([country, rng.randint(18, 90), visits, int(visits + rng.gauss(0, 2) > 4)])
    return place / "people.csv"


TERMS = {
    "scc_eu": "{doc: '2021/914', module: '1', role: 'C->C'}",
    "tia": "{}",
    "accountability_contract": "{comparable_protection: 'yes', consent: 'yes', onward_terms: 'yes'}",
}


OPERATORS = [f"operator in {code}" for code in ("US", "DE", "AT", "GB", "IN", "CA", "FR")]
NAMED = ["Example Holding Ltd (fictional)", *OPERATORS]


def _document(name: str, kind: str, *, signed: str = "2026-01-01", expires: str = "2030-12-31", **route: str) -> str:
    places = {"exporter": "'@EEA'", "importer": "[US]"} | route
    return (
        f"- {{id: {name}, kind: {kind}, terms: {TERMS[kind]}, "
        f"exporter: {places['exporter']}, importer: {places['importer']}, "
        f"categories: '*', signed: {signed}, expires: {expires}, owner: office, exporters: {NAMED}, "
        f"entities: {NAMED}}}\n"
    )


def _overrides(place: Path, documents: str, rows: Mapping[str, int], *more: str) -> list[str]:
    (place / "documents.yaml").write_text(f"documents:\n{documents}" if documents else "documents: []\n")
    return [
        f"workspace={place / 'w'}",
        "dataset=table",
        f"dataset.examples={EXAMPLES}",
        "dataset.name=people",
        f"dataset.path={_table(place, rows)}",
        "dataset.jurisdiction=country",
        "dataset.target=bought",
        "federation.regions=auto",
        "federation.rounds=5",
        "federation.days_per_round=1",
        f"today={FIRST}",
        "strategy.federated.min_rows=300",
        "border=own",
        f"border.evidence={place / 'documents.yaml'}",
        *more,
    ]


CLAUSES = _document("us-clauses", "scc_eu", expires=LAST_DAY)
ASSESSMENT = _document("us-assessment", "tia")
GERMAN = _document("de-clauses", "scc_eu", exporter="[DE]", expires=LAST_DAY)
AUSTRIAN = _document("at-clauses", "scc_eu", exporter="[AT]")
DONORS = ("strategy.synthetic.min_donor_rows=300", "strategy.synthetic.rows=200")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Overheard:
    """Germany, Austria and the United States; Germany's clauses with the United States expire after round 3."""
    documents = GERMAN + AUSTRIAN + ASSESSMENT + _document("hub", "scc_eu", exporter="[IE]")
    return overhear(_overrides(tmp_path_factory.mktemp("standing"), documents, ROWS, *DONORS))


def _entries(run: Overheard, owner: str) -> list[dict]:
    return [dict(entry.body) for entry in Ledger.read(run.result.ledger[owner]).entries()]


def _in_rounds(run: Overheard, region: str) -> list[int]:
    updates = [entry for entry in _entries(run, region) if entry.get("kind") == "update"]
    return [entry["round"] for entry in updates if entry["verdict"] == "permit"]


def test_a_region_takes_part_until_the_clause_expires_and_not_a_round_longer(run: Overheard) -> None:
    assert _in_rounds(run, "US") == [1, 2, 3]
    assert _in_rounds(run, "DE") == _in_rounds(run, "AT") == [1, 2, 3, 4, 5]
    assert [len(seen.metrics) for seen in run.result.rounds] == [3, 3, 3, 2, 2]
    assert [len(seen.left_out) for seen in run.result.rounds] == [0, 0, 0, 1, 1]


def test_every_crossing_is_decided_on_the_day_of_its_round_by_both_gates(run: Overheard) -> None:
    for owner in ("hub", "DE", "US"):
        for entry in _entries(run, owner):
            if entry["act"] == "cross" and entry["round"] is not None:
                assert entry["day"] == f"2026-11-{21 + entry['round']}", entry
    finished = [entry for entry in _entries(run, "DE") if entry.get("kind") == "report"]
    assert [entry["day"] for entry in finished] == ["2026-11-27"]  # the day after five rounds


def test_the_plan_is_amended_and_names_the_document_the_day_and_the_way_out(run: Overheard) -> None:
    plan = run.result.plan.region("US")
    (amendment,) = plan.amendments
    assert amendment.crossing is not None
    refused = amendment.crossing.decision
    assert (amendment.round, amendment.day, amendment.left) == (4, date(2026, 11, 25), True)
    assert amendment.sentence().startswith("US left the federation before round 4 (2026-11-25): DE -> US: ")
    assert "'de-clauses' expired on 2026-11-24." in amendment.why and refused.remedy in amendment.why
    assert plan.strategy != "federated" and plan.reasons[0] == amendment.sentence()
    said = next(one for one in json.loads(json.dumps(run.result.plan.to_json()))["regions"] if one["region"] == "US")
    assert said["amendments"][0]["crossing"]["decision"]["verdict"] == "refuse"
    assert said["amendments"][0]["change"] == "left"
    assert not run.result.plan.region("DE").amendments and not run.result.plan.region("AT").amendments


def test_the_ledger_of_the_hub_tells_the_refusal_once(run: Overheard) -> None:
    (refusal,) = [entry for entry in _entries(run, "hub") if entry.get("verdict") == "refuse"]
    assert (refusal["round"], refusal["day"], refusal["kind"]) == (4, "2026-11-25", "model")
    assert refusal["importer"]["name"] == "US" and refusal["origins"] == ["AT", "DE", "US"]
    assert refusal["reason"].startswith("DE -> US: ") and refusal["remedy"]
    assert refusal["lapsed"] == ["'de-clauses' expired on 2026-11-24."]


def test_nothing_of_the_global_model_goes_to_a_region_that_left(run: Overheard) -> None:
    sent = [entry for entry in _entries(run, "hub") if entry.get("importer", {}).get("name") == "US"]
    assert [entry["round"] for entry in sent if entry["verdict"] == "permit" and entry["origins"]] == [1, 2, 3]


def test_the_region_that_left_ends_with_a_model_of_its_own(run: Overheard) -> None:
    result = run.result.results["US"]
    assert result.score is not None and result.score > 0.6
    assert result.strategy == run.result.plan.region("US").strategy == "synthetic" and not result.note.startswith(
        "no syn"
    )
    assert run.result.plan.region("US").donor == "AT"  # whose law still permits it
    assert result.amendments and result.amendments[0] in result.reason
    assert [name for name, _ in run.result.models["US"]] == ["people-us"]


def test_what_a_region_received_before_it_left_binds_what_it_makes_afterwards(run: Overheard) -> None:
    finished = [entry for entry in _entries(run, "US") if entry.get("name") == "metrics" and entry["round"] is None]
    assert [entry["origins"] for entry in finished][-1] == ["AT", "DE", "US"]


def test_the_report_says_what_changed(run: Overheard) -> None:
    said = as_text(run.result)
    assert "Amended during training:" in said and "US left the federation before round 4" in said
    assert "left the federation before round 4" in as_html(run.result)
    assert any("plan amended: US left" in line for line in run.lines)
    assert any("round 4/5" in line and "without US (left out)" in line for line in run.lines)


def test_a_region_comes_back_under_a_new_document_and_is_not_handed_the_global_model_after_its_end(
    tmp_path: Path,
) -> None:
    renewed = _document("us-clauses-2", "scc_eu", signed="2026-11-26", expires="2026-11-26")  # the day of round 5
    run = overhear(_overrides(tmp_path, CLAUSES + renewed + ASSESSMENT, ROWS))
    assert _in_rounds(run, "US") == [1, 2, 3, 5]
    plan = run.result.plan.region("US")
    assert [(one.round, one.left) for one in plan.amendments] == [(4, True), (5, False), (None, True)]
    assert "before the global model was handed out" in plan.amendments[-1].sentence()
    refused = [entry["round"] for entry in _entries(run, "hub") if entry.get("verdict") == "refuse"]
    assert refused == [4, None]
    assert plan.strategy == "local" and run.result.results["US"].score is not None


@pytest.mark.long
def test_too_few_remaining_members_end_the_training_in_a_line_that_names_them(tmp_path: Path) -> None:
    rows = {"DE": 420, "US": 440}
    done = fedsov("train", *_overrides(tmp_path, CLAUSES + ASSESSMENT, rows), "--json", "--quiet")
    assert done.returncode == 8 and not done.stdout
    (line,) = done.stderr.strip().splitlines()
    for said in ("round 4", "1 of at least 2", "US: DE -> US", "'us-clauses' expired on 2026-11-24"):
        assert said in line
    hub = [entry.body for entry in Ledger.read(tmp_path / "w" / "hub" / "ledger.sqlite").entries()]
    assert [body["round"] for body in hub if body.get("verdict") == "refuse"] == [4]


def test_a_region_whose_own_gate_would_refuse_has_that_in_its_own_ledger(tmp_path: Path) -> None:
    """An Indian document that covers the hub expires: nothing made with India's records may go there any more."""
    covers = _document("in-contract", "accountability_contract", exporter="[IN]", importer="[IE]", expires=LAST_DAY)
    others = _document("in-others", "accountability_contract", exporter="[IN]", importer="[DE, AT]")
    india = _document("in-clauses", "scc_eu", importer="[IN]") + _document("in-assessment", "tia", importer="[IN]")
    rows = {"DE": 420, "AT": 400, "IN": 440}
    done = fedsov("train", *_overrides(tmp_path, covers + others + india, rows), "--quiet")
    assert done.returncode == 8 and "IN -> IE" in done.stderr and "'in-contract' expired on 2026-11-24" in done.stderr
    for region in rows:
        bodies = [entry.body for entry in Ledger.read(tmp_path / "w" / "regions" / region / "ledger.sqlite").entries()]
        refused = [body for body in bodies if body.get("verdict") == "refuse" and body["act"] == "cross"]
        assert {(body["kind"], body["round"], body["day"]) for body in refused} == {("update", 4, "2026-11-25")}
        assert all("IN" in body["origins"] for body in refused)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The README's own example, through the command line."""
    place = tmp_path_factory.mktemp("demo")
    text = (ROOT / "configs" / "border" / "evidence_demo.yaml").read_text()
    (place / "documents.yaml").write_text(text.replace("expires: 2031-12-31", f"expires: {LAST_DAY}", 1))
    return answered(
        fedsov(
            "train",
            f"workspace={place / 'w'}",
            "border=own",
            f"border.evidence={place / 'documents.yaml'}",
            f"today={FIRST}",
            "federation.days_per_round=1",
            "federation.rounds=6",
            "--json",
            "--quiet",
        )
    )


@pytest.mark.long
def test_a_demo_in_which_a_clause_expires_ends_with_that_region_out_and_the_plan_amended(demo: dict) -> None:
    us = demo["regions"]["US"]
    assert us["strategy"] == "transfer_learning" and us["score"] is not None and us["selected"] != "none"
    (sentence,) = us["amendments"]
    assert sentence.startswith("US left the federation before round 4 (2026-11-25): DE -> US:")
    assert "'demo-scc-de-us' expired on 2026-11-24" in sentence and sentence in us["reason"]
    assert {name: one["strategy"] for name, one in demo["regions"].items() if not one["amendments"]} == {
        "DE": "federated",
        "GB": "federated",
        "IN": "transfer_learning",
        "CA": "synthetic",
    }


@pytest.mark.long
def test_the_ledger_of_that_demo_tells_why(demo: dict) -> None:
    ledger = Ledger.read(Path(demo["workspace"]) / "hub" / "ledger.sqlite")
    ledger.verify()
    told = [entry.body for entry in ledger.entries() if entry.body.get("verdict") == "refuse"]
    (refusal,) = [body for body in told if body["importer"]["name"] == "US"]
    assert refusal["round"] == 4 and refusal["reason"].startswith("DE -> US: ")
    assert refusal["lapsed"] == ["'demo-scc-de-us' expired on 2026-11-24."]
    assert any(one["round"] == 4 and one["importer"]["name"] == "US" for one in demo["refusals"])
