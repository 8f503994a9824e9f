"""The demo as a whole: one real run over five regions, listened to from outside."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import fedsov
from fedsov.api.ledger_audit import verify_all
from fedsov.api.report import as_html, as_text
from fedsov.api.train import made_up_hub
from fedsov.artifact import Party
from fedsov.errors import ConfigurationError
from tests.world import Overheard, files_below, overhear

ROWS = {"US": 2791, "GB": 1023, "DE": 757, "IN": 538, "CA": 485}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Overheard:
    return overhear([f"workspace={tmp_path_factory.mktemp('demo')}"])


def test_who_is_told_of_progress_is_given_once() -> None:
    with pytest.raises(ConfigurationError, match="^give progress= or say=, its old name, not both$"):
        fedsov.train(["nosuch=1"], progress=print, say=print)


def test_every_row_is_stored_or_quarantined_and_the_run_says_so(demo: Overheard) -> None:
    ingested = demo.result.ingested
    assert ingested is not None
    assert ingested.rows_in == ingested.stored + sum(ingested.quarantined.values()) == sum(ROWS.values())
    assert any("5,594 rows in = 5,594 stored in 5 regions + 0 quarantined" in line for line in demo.lines)


def test_each_region_has_rows_strategy_reason_scores_and_crossings(demo: Overheard) -> None:
    regions = json.loads(json.dumps(demo.result.to_json()))["regions"]
    assert {name: one["rows"] for name, one in regions.items()} == ROWS
    for one in regions.values():
        assert 0.6 < one["score"] < 0.95 and 0.6 < one["local_score"] < 0.95
        assert one["gain"] == pytest.approx(one["score"] - one["local_score"]) and one["gain_se"] >= 0
        assert one["reason"] and one["crossings"]["permitted"] > 0


def test_the_defaults_make_all_three_strategies_occur(demo: Overheard) -> None:
    strategies = {one.region: one.strategy for one in demo.result.regions}
    assert strategies == {
        "US": "federated",
        "GB": "federated",
        "DE": "federated",
        "IN": "transfer_learning",
        "CA": "synthetic",
    }


def test_the_refused_crossing_names_the_missing_document_and_the_way_out(demo: Overheard) -> None:
    (refusal,) = demo.result.refusals
    assert refusal["importer"]["name"] == "IN" and refusal["kind"] == "model"
    assert any("scc_uk_idta" in missing for missing in refusal["missing"])
    assert refusal["rules"] and refusal["citations"] and "evidence register" in refusal["remedy"]
    assert any("scc_uk_idta" in reason for reason in demo.result.plan.region("IN").reasons)
    assert demo.result.results["IN"].crossings["refused"] == 1


def test_the_global_model_is_bound_by_every_member_and_by_nobody_else(demo: Overheard) -> None:
    for entry in _entries(demo, "hub"):
        if entry["kind"] == "model" and entry["verdict"] == "permit" and entry["origins"]:
            assert set(entry["origins"]) == {"US", "GB", "DE"}
            assert entry["importer"]["name"] in {"US", "GB", "DE"}
            assert "financial" in entry["categories"]


def test_the_start_model_of_transfer_learning_is_bound_by_nothing(demo: Overheard) -> None:
    received = [entry for entry in _entries(demo, "hub") if entry["importer"]["name"] == "IN"]
    assert received and all(not entry["origins"] for entry in received if entry["verdict"] == "permit")


def test_rows_became_public_only_by_a_recorded_release(demo: Overheard) -> None:
    for region in ROWS:
        releases = [entry for entry in _entries(demo, region, "release") if entry["verdict"] == "permit"]
        assert releases and releases[0]["documents"] == ["demo-global-consent"]


def test_every_reply_of_a_region_is_in_its_ledger_before_the_hub_has_it(demo: Overheard) -> None:
    updates = [entry for entry in _entries(demo, "US") if entry["kind"] == "update"]
    assert [entry["round"] for entry in updates] == [*range(1, 11), *range(1, 11)]  # the public model, the global one
    assert all(entry["digest"] and entry["bytes"] > 0 and entry["tensors"] for entry in updates)


def test_ledgers_verify_and_a_changed_byte_is_found_and_named(demo: Overheard, tmp_path: Path) -> None:
    root = demo.result.workspace
    assert all(not finding.fault for finding in verify_all(root))
    ledger = root / "regions" / "GB" / "ledger.sqlite"
    before = ledger.read_bytes()
    try:
        _change_one_byte(ledger, entry=7)
        faults = {finding.owner: finding.fault for finding in verify_all(root)}
        assert "entry 7" in faults.pop("GB")
        assert not any(faults.values())
    finally:
        ledger.write_bytes(before)


def test_a_ledger_cut_short_is_found_by_the_hub(demo: Overheard) -> None:
    root = demo.result.workspace
    ledger = root / "regions" / "DE" / "ledger.sqlite"
    before = ledger.read_bytes()
    try:
        _without_triggers(ledger, "DELETE FROM entries WHERE seq > 10")
        fault = {finding.owner: finding.fault for finding in verify_all(root)}["DE"]
        assert "cut or rewritten" in fault
    finally:
        ledger.write_bytes(before)


def test_a_hub_s_ledger_cut_short_is_found_by_the_regions(demo: Overheard) -> None:
    ledger = demo.result.workspace / "hub" / "ledger.sqlite"
    before = ledger.read_bytes()
    try:
        _without_triggers(ledger, "DELETE FROM entries WHERE seq > 10")
        fault = {finding.owner: finding.fault for finding in verify_all(demo.result.workspace)}["hub"]
        assert "cut or rewritten" in fault
    finally:
        ledger.write_bytes(before)


def test_a_region_s_files_cannot_be_read_without_its_key(demo: Overheard) -> None:
    parquet = list(demo.result.workspace.glob("regions/*/store/*/*.parquet"))
    assert len(parquet) >= 5
    for path in parquet:
        with pytest.raises(OSError, match="[Ee]ncrypt"):
            pq.read_table(path)


def test_models_rest_as_safetensors_in_their_owners_registries(demo: Overheard) -> None:
    root = demo.result.workspace
    assert {name for name, _ in demo.result.models["hub"]} == {"stackoverflow", "stackoverflow-public"}
    for region in ROWS:
        assert [name for name, _ in demo.result.models[region]] == [f"stackoverflow-{region.lower()}"]
        assert (root / "regions" / region / "mlflow.db").exists()
    with sqlite3.connect(root / "hub" / "mlflow.db") as registry:
        aliases = registry.execute("SELECT name, alias FROM registered_model_aliases").fetchall()
    assert ("stackoverflow", "candidate") in aliases
    assert not [path for path in files_below(root) if path.suffix in (".pkl", ".pickle", ".pt", ".pth")]


def test_metrics_per_region_and_round_are_in_the_registries(demo: Overheard) -> None:
    root = demo.result.workspace
    for file, key in (
        (root / "hub" / "mlflow.db", "GB_global_model_validation_auc"),
        (root / "hub" / "mlflow.db", "IN_public_model_validation_auc"),
        (root / "regions" / "GB" / "mlflow.db", "global_model_validation_auc"),
    ):
        with sqlite3.connect(file) as registry:
            steps = registry.execute("SELECT step FROM metrics WHERE key = ? ORDER BY step", (key,)).fetchall()
        assert [step for (step,) in steps] == list(range(10)), key  # of the model that came in, 0 being the first


def test_the_report_shows_the_table_every_refusal_and_what_to_do_next(demo: Overheard) -> None:
    said = as_text(demo.result)
    for expected in ("transfer learning", "remedy:", "head", "mlflow ui", "ledger verify", "promote stackoverflow"):
        assert expected in said
    assert "<table>" in as_html(demo.result) and "scc_uk_idta" in as_html(demo.result)


def _entries(demo: Overheard, owner: str, act: str = "cross") -> list[dict]:
    from fedsov.ledger.ledger import Ledger

    found = Ledger.read(demo.result.ledger[owner]).entries()
    return [dict(entry.body) for entry in found if entry.body["act"] == act]


def _without_triggers(ledger: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(ledger) as book:
        for (name,) in book.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            book.execute(f"DROP TRIGGER {name}")
        book.execute(statement, values)
    book.close()


def _change_one_byte(ledger: Path, *, entry: int) -> None:
    with sqlite3.connect(ledger) as book:
        (body,) = book.execute("SELECT body FROM entries WHERE seq = ?", (entry,)).fetchone()
    book.close()
    changed = bytearray(body)
    changed[len(changed) // 2] ^= 1
    _without_triggers(ledger, "UPDATE entries SET body = ? WHERE seq = ?", bytes(changed), entry)


DEMO = Party("hub", "IE", "Example Holding Ltd (fictional)")


def test_the_demonstrations_hub_is_told_once_with_the_settings_that_name_ones_own() -> None:
    line = made_up_hub(DEMO, is_told=False)
    assert line.count("federation.hub.entity=NAME federation.hub.location=CODE") == 1
    assert made_up_hub(DEMO, is_told=True) == "", "a run that goes on said it when it began"
    assert made_up_hub(Party("hub", "IE", "A Real Company"), is_told=False) == ""
