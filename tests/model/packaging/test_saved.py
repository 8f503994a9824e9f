"""A model at rest says what it is, and is never read with another's parameters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from fedsov.errors import CheckpointDamaged, ConfigurationError
from fedsov.label import Label
from fedsov.model.packaging.saved import SavedModel, read, read_description, write
from tests.model.world import BOUND, TARGETS, parameters_of, saved_model

NETWORKS = [("logistic", ()), ("mlp", (4, 3)), ("ft_transformer", (8, 1))]


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize(("network", "hidden"), NETWORKS)
def test_what_was_written_is_read_again(tmp_path: Path, network: str, hidden: tuple[int, ...], task: str) -> None:
    model = saved_model(network, hidden=hidden, task=task)
    parameters = parameters_of(model)
    path = write(tmp_path, model, parameters)
    again, values = read(tmp_path)
    assert replace(again, weights_sha256="") == model and again.weights_sha256
    assert values.keys() == parameters.keys()
    assert all(np.array_equal(values[name], parameters[name]) for name in parameters)
    with safe_open(path, "numpy") as file:
        assert Label.from_json(json.loads(file.metadata()["label"])) == BOUND


def test_a_description_survives_its_journey_as_json() -> None:
    model = saved_model("mlp", hidden=(3,), version=7, absent=("2.bias",))
    assert SavedModel.from_json(json.loads(json.dumps(model.to_json()))) == model


def test_a_description_says_in_words_what_the_answers_are() -> None:
    told = {task: saved_model(task=task).to_json() for task in TARGETS}
    assert told["binary"]["outputs"] == ["probability"] and told["multiclass"]["outputs"] == ["bad", "fair", "good"]
    assert told["regression"]["outputs"] == ["income"] and told["regression"]["meaning"] == "income, in its own unit"
    assert told["binary"]["meaning"] == "the probability that ill is yes"


def test_parameters_of_another_model_or_with_a_byte_changed_are_refused(tmp_path: Path) -> None:
    model = saved_model()
    path = write(tmp_path, model, parameters_of(model))
    own = path.read_bytes()
    other = write(tmp_path / "other", model, parameters_of(model, seed=1)).read_bytes()
    for content in (other, own[:-1] + bytes([own[-1] ^ 1])):
        path.write_bytes(content)
        with pytest.raises(CheckpointDamaged, match="was changed or cut"):
            read(tmp_path)
    path.unlink()
    with pytest.raises(CheckpointDamaged, match="is gone"):
        read(tmp_path)


def test_parameters_that_are_not_the_networks_are_refused(tmp_path: Path) -> None:
    model = saved_model("mlp", hidden=(3,))
    write(tmp_path, model, {"0.weight": np.zeros((1, 9), np.float32)})
    with pytest.raises(CheckpointDamaged, match="does not hold the parameters"):
        read(tmp_path)


def test_a_model_of_before_descriptions_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no model.json, which says what the model is; train it again"):
        read_description(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "network": {"name": 3}}'])
def test_a_description_that_was_cut_is_refused_by_its_path(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(CheckpointDamaged, match="model.json was changed or cut"):
        read_description(tmp_path)


def test_a_newer_format_and_a_network_that_is_not_installed_are_said(tmp_path: Path) -> None:
    value = saved_model().to_json()
    for changed, said in (
        ({"format": 2}, "format 2, and 1 is read here"),
        ({"network": value["network"] | {"name": "mine"}}, "unknown network 'mine'"),
    ):
        (tmp_path / "model.json").write_text(json.dumps(value | changed))
        with pytest.raises(ConfigurationError, match=said):
            read_description(tmp_path)


def test_a_model_whose_private_parameters_stay_in_the_regions_is_not_whole() -> None:
    with pytest.raises(ConfigurationError, match="not whole: 2.bias stay in the regions"):
        saved_model("mlp", hidden=(3,), absent=("2.bias",)).check_whole()
