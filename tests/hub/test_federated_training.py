"""One federated training at the hub: features, rounds and a global model, kept round by round."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message

from fedsov.errors import TrainingFailed
from fedsov.hub.federated_training import GlobalModel, agree_on_features, train_together
from fedsov.hub.region_queries import profiles
from fedsov.hub.run import HubRun
from fedsov.protocol.flower_messages import config_of
from tests.hub.world import World, connected, statistics, text, update


def _train(run: HubRun, scope: str = "shareable", minimum: int = 2) -> GlobalModel:
    return train_together(run, profiles(run), scope, what="global model", minimum=minimum)


def test_features_are_fitted_to_the_sum_of_what_regions_say(tmp_path: Path) -> None:
    with connected(World(tmp_path)) as run:
        features = agree_on_features(run, ["DE", "FR"], "shareable")
    assert features.names == ("age",) or features.names[0].startswith("age")


def test_a_region_that_withholds_its_statistics_is_named_and_the_others_agree_on_features(tmp_path: Path) -> None:
    answers = {
        "query.statistics": lambda name, _: "AnswerWithheld" if name == "FR" else text("statistics", statistics())
    }
    lines: list[str] = []
    with connected(World(tmp_path, answers), lines=lines) as run:
        features = agree_on_features(run, ["DE", "FR"], "shareable")
    assert features.inputs and any("without FR" in line and "limits.least_people" in line for line in lines)


def test_where_no_region_may_tell_its_statistics_the_training_fails_by_their_names(tmp_path: Path) -> None:
    world = World(tmp_path, {"query.statistics": lambda name, _: "Refused"})
    with connected(world) as run, pytest.raises(TrainingFailed, match="no region of DE, FR"):
        agree_on_features(run, ["DE", "FR"], "shareable")


def test_the_global_model_is_the_mean_of_the_regions_and_bound_by_all_of_them(tmp_path: Path) -> None:
    lines: list[str] = []
    world = World(tmp_path)
    with connected(world, lines=lines) as run:
        first = run.settings.training.first_parameters(1, "shareable")
        model = _train(run)
        last = run.checkpoints.last("shareable")
    for name, array in model.parameters.items():
        np.testing.assert_allclose(array, first[name] + 2 * (1 + 2 + 3) / 3, rtol=1e-6)
    assert model.label.origins == {"DE", "FR", "US"} and model.people == 1800 and model.learned == 2
    assert last is not None and last.round == 2 and last.label == model.label
    assert sum("global model, round" in line for line in lines) == 2
    assert {config_of(message)["scope"] for message in world.kinds("train")} == {"shareable"}


def test_a_training_goes_on_from_its_checkpoint_with_the_features_agreed_on_before(tmp_path: Path) -> None:
    world = World(tmp_path)
    stopped = {"after": 1}

    def dies(name: str, message: Message) -> object:
        if int(config_of(message)["server-round"]) > stopped["after"]:
            return "RegionProcessEnded"
        return update(message, 1.0)

    world.answers = {"train": dies}  # type: ignore[dict-item]
    lines: list[str] = []
    with connected(world, lines=lines) as run:
        with pytest.raises(TrainingFailed, match="round 2: 0 of at least 2 regions sent an update"):
            _train(run)
        asked, stopped["after"] = len(world.kinds("query.statistics")), 9
        model = _train(run)
        whole = run.settings.training.first_parameters(1, "shareable")
    assert "resume: global model goes on after round 1/2" in lines
    assert len(world.kinds("query.statistics")) == asked and [each.number for each in model.rounds] == [1, 2]
    np.testing.assert_allclose(model.parameters["0.bias"], whole["0.bias"] + 2, rtol=1e-6)


def test_a_region_that_fails_is_left_behind_and_named(tmp_path: Path) -> None:
    answer = lambda name, message: "StoreDamaged" if name == "US" else update(message, 1.0)  # noqa: E731
    lines: list[str] = []
    with connected(World(tmp_path, {"train": answer}), lines=lines) as run:
        model = _train(run)
    assert set(model.rounds[0].failed.values()) == {"StoreDamaged"} and model.label.origins == {"DE", "FR"} | {"US"}
    assert any("without US (StoreDamaged)" in line for line in lines)


def test_a_public_model_is_public_and_asks_nobody_s_privacy_budget(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world, "privacy=record") as run:
        assert run.settings.training.adds_noise
        features = agree_on_features(run, ["DE"], "public")
        _train(run, "public", minimum=1)
    assert not world.kinds("query.privacy") and features.inputs == 1
    configs = [json.loads(str(config_of(message)["features"])) for message in world.kinds("train")]
    assert all(config == features.to_json() for config in configs)


def test_privacy_is_priced_before_a_shared_training(tmp_path: Path) -> None:
    prices = {"fits": False, "why": "nothing is left"}
    world = World(tmp_path, {"query.privacy": lambda name, _: text("privacy", prices)})
    with connected(world, "privacy=record") as run, pytest.raises(Exception, match="nothing is left"):
        _train(run)
    assert not world.kinds("query.statistics")
