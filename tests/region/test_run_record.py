"""What a region writes down of a run: its model with what binds it, and the record that its registry will take up."""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from fedsov.errors import WorkspaceUnusable
from fedsov.label import Label
from fedsov.model.column_statistics import Statistics
from fedsov.model.features import Features
from fedsov.model.network import NetworkSpec, initial
from fedsov.model.packaging.saved import read_description
from fedsov.region.run_record import RECORD, flat, ledger_summary, model_folder, write
from fedsov.region.strategies.selection import Predictions, RegionModel
from fedsov.region.worker import OpenRegion
from fedsov.registry.values import RunRecord
from tests.full_disk import full_disk
from tests.region.world import BOUND, ask, region, update

FROM_FRANCE, FROM_SPAIN = Label(frozenset({"FR"})), Label(frozenset({"ES"}))
ASKED = {"strategy": "federated", "reason": "It may.", "rounds": 3}


def _finished(folder: Path, **changes: Any) -> OpenRegion:
    """A region whose strategy ended with a model, and which received one from Spain on the way."""
    opened = region(folder, update)
    session = opened.outbound.session
    features = Features.fit(Statistics.from_records(session.records.columns, session.records.kinds))
    numbers: dict[str, Any] = {"score": 0.75, "local_score": 0.5, "gain": 0.25, "gain_se": None}
    numbers |= {"validation_score": 0.8, "test_rows": 40, **changes}
    spec = NetworkSpec("mlp", (4,))
    answers = Predictions(np.zeros(0), np.zeros(0), None)
    session.finished = RegionModel("local", spec, features, initial(spec, 1, 0), predictions=answers, **numbers)
    session.received = FROM_SPAIN
    session.rounds = [("loss", 0.6, 0), ("loss", math.nan, 1), ("auc", 0.7, 1)]
    return opened


def _write(opened: OpenRegion, asked: dict[str, Any] | None = None) -> Path:
    """The folder of the model."""
    ledger = opened.outbound.gate.ledger
    write(opened.start, opened.outbound.session, FROM_FRANCE, ledger, ASKED if asked is None else asked)
    return model_folder(opened.start.folder, "run")


def _record(opened: OpenRegion, asked: dict[str, Any] | None = None) -> RunRecord:
    return RunRecord.from_json(json.loads((_write(opened, asked) / RECORD).read_text()))


def test_a_model_rests_under_its_run_bound_by_the_rows_and_by_all_that_came_in(tmp_path: Path) -> None:
    opened = _finished(tmp_path)
    path = _write(opened) / "model.safetensors"
    assert path == tmp_path / "models" / "run" / "model.safetensors"
    finished = opened.outbound.session.finished
    assert finished is not None
    parameters = load_file(path)
    assert parameters.keys() == finished.parameters.keys()
    assert all(np.array_equal(parameters[name], finished.parameters[name]) for name in parameters)
    with safe_open(path, "numpy") as file:
        written = Label.from_json(json.loads(file.metadata()["label"]))
    assert written == BOUND | FROM_FRANCE | FROM_SPAIN


def test_the_record_names_the_model_its_label_and_the_ledger_it_was_made_under(tmp_path: Path) -> None:
    opened = _finished(tmp_path)
    ask(opened)
    record, head = _record(opened), opened.outbound.gate.ledger.head()
    (model,) = record.models
    assert (record.run, record.experiment, model.name) == ("run", "people", "people-de")
    assert model.path == tmp_path / "models" / "run" / "model.safetensors"
    assert Label.from_json(json.loads(model.tags["label"])) == BOUND | FROM_FRANCE | FROM_SPAIN
    assert head.size > 0 and model.tags["ledger_head"] == head.digest
    assert json.loads(record.artifacts["ledger_head.json"]) == head.to_json()
    assert json.loads(model.tags["target"])["column"] == "ill"
    described = read_description(model.path.parent)
    assert described.features.names == ("age",) and described.network.name == "mlp"
    assert (described.name, described.region, described.run) == ("people-de", "DE", "run")
    assert described.label == BOUND | FROM_FRANCE | FROM_SPAIN and described.target.column == "ill"
    assert described.absent == () and described.version is None


def test_the_record_says_what_was_planned_why_and_with_which_settings(tmp_path: Path) -> None:
    record = _record(_finished(tmp_path, note="Training alone was better"))
    assert (record.tags["region"], record.tags["strategy"]) == ("DE", "federated")
    assert (record.tags["reason"], record.tags["note"]) == ("It may.", "Training alone was better")
    assert (record.params["dataset"], record.params["target.column"]) == ("people", "ill")
    assert record.params["recipe.network.name"] == "mlp"


def test_a_question_without_a_strategy_leaves_none_in_the_record(tmp_path: Path) -> None:
    tags = _record(_finished(tmp_path), {}).tags
    assert (tags["strategy"], tags["reason"]) == ("", "")


def test_scores_are_called_by_their_measure_and_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    metrics = _record(_finished(tmp_path)).metrics
    final = {name: value for name, value, step in metrics if (name, step) not in (("loss", 0), ("auc", 1))}
    assert (final["auc"], final["local_auc"], final["gain"]) == (0.75, 0.5, 0.25)
    assert "gain_se" not in final and 0.8 in final.values()
    assert [metric for metric in metrics if metric[0] == "loss"] == [("loss", 0.6, 0)]
    assert ("auc", 0.7, 1) in metrics


def test_without_a_model_nothing_is_written(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    assert not _write(opened).exists()


def test_a_record_is_its_owner_s_alone_and_one_that_cannot_be_replaced_stays_whole(tmp_path: Path) -> None:
    opened = _finished(tmp_path)
    path = _write(opened) / RECORD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    others = [path.with_name(name).stat().st_size for name in ("model.safetensors", "model.json")]
    with full_disk(max(others)), pytest.raises(WorkspaceUnusable, match="record.json cannot be written"):
        _write(opened)
    assert path.read_bytes() == before


# ------------------------------------------------------------------ the ledger in short


def test_crossings_of_the_run_are_counted_and_each_refusal_is_told_once(tmp_path: Path) -> None:
    opened = region(tmp_path, update, hub="CN")
    for _ in range(3):
        ask(opened)
    ledger = opened.outbound.gate.ledger
    summary = ledger_summary(ledger, "run")
    verdicts = [entry.body["verdict"] for entry in ledger.entries("run") if "verdict" in entry.body]
    assert summary["head"] == ledger.head().to_json()
    assert (summary["permitted"], summary["refused"]) == (verdicts.count("permit"), verdicts.count("refuse"))
    names = [refusal["name"] for refusal in summary["refusals"]]
    assert summary["refused"] >= 3 * len(names) and sorted(names) == sorted(set(names)) and "arrays" in names
    assert ledger_summary(ledger, "another run") | {"head": None} == {
        "head": None,
        "added_rules": [],
        "permitted": 0,
        "refused": 0,
        "refusals": [],
    }


@pytest.mark.parametrize("hidden", ["digest", "bytes", "count", "count_12m", "count_year"])
def test_a_refusal_tells_the_way_out_and_nothing_by_which_a_content_could_be_guessed(
    tmp_path: Path, hidden: str
) -> None:
    opened = region(tmp_path, update, hub="CN")
    ask(opened)
    body = opened.outbound.gate.ledger.entries("run")[0].body
    (refusal,) = [
        one for one in ledger_summary(opened.outbound.gate.ledger, "run")["refusals"] if one["kind"] == "update"
    ]
    assert hidden in body and hidden not in refusal
    assert refusal.items() <= body.items() and refusal["remedy"] and refusal["importer"]["name"] == "hub"


def test_notes_are_no_crossings(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    opened.outbound.gate.note({"before": "anything"})
    assert ledger_summary(opened.outbound.gate.ledger, "run")["permitted"] == 0


def test_nested_settings_become_flat_text() -> None:
    nested = {"seed": 5, "model": {"name": "mlp", "round": {"epochs": 3}}, "none": None, "list": [1, 2], "empty": {}}
    assert flat(nested) == {
        "seed": "5",
        "model.name": "mlp",
        "model.round.epochs": "3",
        "none": "None",
        "list": "[1, 2]",
    }
