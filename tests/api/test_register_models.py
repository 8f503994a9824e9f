"""What a run leaves in registries: the hub's record of its global models, and each region asked for its own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message
from safetensors import safe_open
from safetensors.numpy import load_file

from fedsov.api.collect_result import collect_result
from fedsov.api.register_models import register_models
from fedsov.api.result import RunResult
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import Settings, settings
from fedsov.errors import ConfigurationError
from fedsov.hub.finishing import RunOutputs, train_regions
from fedsov.hub.region_queries import ledgers, planned
from fedsov.hub.run import HubRun
from fedsov.label import Label
from fedsov.model.packaging.loaded import LoadedModel
from fedsov.model.packaging.saved import read
from fedsov.registry.values import RunRecord
from tests.hub.world import NAMES, Reply, World, connected, update

MEMBERS = Label(frozenset(NAMES), frozenset({"personal"}))


@dataclass
class Trained:
    """A run whose regions have finished, before anything is registered."""

    run: HubRun
    settings: Settings
    outputs: RunOutputs
    result: RunResult
    world: World

    def register(self, **outputs: Any) -> dict[str, list[tuple[str, int]]]:
        """Registers the run anew, with something changed in what it made."""
        self.world.registered.clear()
        return register_models(self.run, self.settings, replace(self.outputs, **outputs), self.result)

    def record(self, **outputs: Any) -> RunRecord:
        """What the hub's registry is given, after a journey as text."""
        self.register(**outputs)
        (record,) = [record for owner, _, record in self.world.registered if owner == "hub"]
        assert record is not None
        return RunRecord.from_json(json.loads(json.dumps(record.to_json())))


@contextmanager
def trained(folder: Path, *words: str, world: World | None = None) -> Iterator[Trained]:
    world = world or World(folder)
    with connected(world, *words) as run:
        plan, profiles = planned(run)
        outputs, plan = train_regions(run, plan, profiles)
        result = collect_result(run, plan, outputs, ledgers(run))
        yield Trained(run, settings(compose(["border=unsafe_open", *words])), outputs, result, world)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """A run of three members and a global model of two rounds."""
    with trained(tmp_path_factory.mktemp("whole")) as run:
        yield run


def test_the_hub_registers_first_and_then_each_region_that_trained(whole: Trained) -> None:
    versions = whole.register(results={"DE": {}, "US": {}}, withheld=["FR"])
    assert [(owner, name) for owner, name, _ in whole.world.registered] == [
        (owner, whole.run.name) for owner in ("hub", "DE", "US", "FR")
    ]
    assert [record is None for _, _, record in whole.world.registered] == [False, True, True, True]
    assert versions == {owner: [(f"model of {owner}", 1)] for owner in ("hub", "DE", "US", "FR")}


def test_the_record_is_of_the_run_its_plan_its_result_and_its_settings(whole: Trained) -> None:
    record = whole.record()
    assert (record.run, record.experiment) == (whole.run.name, whole.run.settings.dataset)
    assert (record.tags["role"], record.tags["unsafe_open"]) == ("hub", "True")
    assert json.loads(record.artifacts["plan.json"]) == json.loads(json.dumps(whole.result.plan.to_json()))
    assert json.loads(record.artifacts["result.json"])["run"] == whole.run.name
    assert json.loads(record.artifacts["ledger_heads.json"]).keys() == {"hub", *NAMES}
    assert record.params["federation.rounds"] == "2"


def test_a_global_model_rests_in_the_hub_s_folder_bound_by_its_members(whole: Trained) -> None:
    (model,) = whole.record().models
    assert model.name == whole.run.settings.dataset and whole.run.workspace.hub in model.path.parents
    global_model = whole.outputs.global_model
    assert global_model is not None
    parameters = load_file(model.path)
    assert parameters.keys() == global_model.parameters.keys()
    assert all(np.array_equal(parameters[name], global_model.parameters[name]) for name in parameters)
    with safe_open(model.path, "numpy") as file:
        assert Label.from_json(json.loads(file.metadata()["label"])) == MEMBERS
    assert Label.from_json(json.loads(model.tags["label"])) == MEMBERS
    assert (model.tags["kind"], model.tags["run"]) == ("model", whole.run.name)
    assert model.tags["ledger_head"] == whole.run.gate.ledger.head().digest
    described, written = read(model.path.parent)
    assert described.features == global_model.features and written.keys() == parameters.keys()
    assert (described.name, described.region, described.run) == (model.name, "hub", whole.run.name)
    assert described.label == MEMBERS and described.target == whole.settings.dataset.target
    assert "private" not in model.tags


def test_a_start_model_of_public_rows_is_registered_beside_the_global_model(whole: Trained) -> None:
    models, dataset = whole.record(public=whole.outputs.global_model).models, whole.run.settings.dataset
    assert [model.name for model in models] == [dataset, f"{dataset}-public"]
    assert len({model.path for model in models}) == 2 and all(model.path.is_file() for model in models)


def test_without_a_global_model_none_is_registered(whole: Trained) -> None:
    assert whole.record(global_model=None).models == ()


def test_metrics_are_each_region_s_by_round_and_at_the_end(whole: Trained) -> None:
    metrics = whole.record().metrics
    final = {name: value for name, value, step in metrics if "validation" not in name and step == 0}
    assert final == {f"{name}_auc": 0.75 for name in NAMES}
    rounds = [(name.split("_")[0], step, value) for name, value, step in metrics if name.endswith("_validation_auc")]
    assert sorted(rounds) == sorted((name, step, 0.7) for name in NAMES for step in (0, 1))
    assert not any("num-examples" in name for name, _, _ in metrics)


def test_a_score_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    def answer(name: str, message: Message) -> Reply:
        reply = update(message, 1.0)
        reply.metric_records["metrics"]["score"] = math.nan if name == "FR" else 0.7
        return reply

    with trained(tmp_path, world=World(tmp_path, {"train": answer})) as run:
        named = {name.split("_")[0] for name, _, _ in run.record().metrics if name.endswith("_validation_auc")}
    assert named == {"DE", "US"}


def test_a_global_model_that_lacks_what_regions_keep_to_themselves_says_so(tmp_path: Path) -> None:
    with trained(tmp_path, "model.private=[intercept]") as run:
        (model,) = run.record().models
    assert model.tags["private"] == "2.bias" and "2.bias" not in load_file(model.path)
    described, parameters = read(model.path.parent)
    assert described.absent == ("2.bias",) and "2.bias" not in parameters
    with pytest.raises(ConfigurationError, match="not whole: 2.bias stay in the regions"):
        LoadedModel(described, parameters)
