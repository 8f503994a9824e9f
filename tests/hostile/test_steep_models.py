"""A hub's model that is a threshold between two people is not trained on: weights, scales, layers and drifts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.model.steepness import composed, steepness
from fedsov.region.worker import OpenRegion
from tests.hostile.people_region import PeopleRegion, drawn, told

ONE_STEP = (
    "model.round.epochs=1", "model.round.batch=10000", "model.round.momentum=0.0", "model.round.weight_decay=0.0",
    "model.round.learning_rate=1.0",
)  # fmt: skip
LINEAR = ("model.name=logistic", "model.hidden=[]")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    region = PeopleRegion(tmp_path_factory.mktemp("steep"))
    region.ingest(drawn(range(200)))
    return region


@pytest.fixture(scope="module")
def linear(people: PeopleRegion) -> Iterator[OpenRegion]:
    """Its worker, for a model without a hidden layer, whose income's mean and spread the hub knows."""
    opened = people.opened(*LINEAR, *ONE_STEP)
    yield opened
    opened.close()


def _income(region: OpenRegion) -> tuple[float, float]:
    income = told(region, "query.statistics", {"scope": "shareable"})["statistics"]["numeric"]["income"]
    return income["mean"], (income["squared_deviations"] / income["n"]) ** 0.5


def _model(region: OpenRegion, features: Features, layer: int = 0, weight: float = 0.0) -> dict[str, np.ndarray]:
    start = initial(region.start.job.recipe.network, features.inputs, 0)
    model = {name: np.zeros_like(array) for name, array in start.items()}
    model[f"{layer}.weight"].ravel()[0] = weight
    return model


def _asked(
    region: OpenRegion, features: Features, model: dict[str, np.ndarray], drift: dict[str, np.ndarray] | None = None
) -> dict[str, Any]:
    config = {"scope": "shareable", "server-round": 1, "features": json.dumps(features.to_json())}
    return told(region, "train", config, model, drift)


def _numbers(region: OpenRegion, *, narrower: float = 1.0) -> Features:
    mean, spread = _income(region)
    return Features(numeric=(("income", mean + 0.3 * spread, spread / narrower),), levels=(("ward", ("A", "B")),))


@pytest.mark.parametrize(("weight", "narrower"), [(1e8, 1.0), (101.0, 1.0), (10.0, 20.0)])
def test_a_linear_model_that_is_a_threshold_of_a_number_is_refused(
    linear: OpenRegion, weight: float, narrower: float
) -> None:
    """Bisection by such models gave one person's income, ward and label in twenty questions."""
    features = _numbers(linear, narrower=narrower)
    said = _asked(linear, features, _model(linear, features, weight=weight))["error"]
    assert said.startswith("LimitExceeded") and "fedsov region set DE limits.weights=" in said


def test_a_column_that_is_named_often_is_no_way_around_the_limit(linear: OpenRegion) -> None:
    """Named 9,000 times it made layers of norm 1 that moved by 9,392 for one spread of the income."""
    mean, spread = _income(linear)
    often = Features(numeric=(("income", mean, spread),) * 100)
    model = _model(linear, often, weight=0.5)
    assert _asked(linear, often, model) == {"error": "ConfigurationError"}, (
        "the column is named in the region's own log"
    )
    levels = Features(numeric=(("income", mean, spread),), levels=(("ward", ("A", "A")),))
    assert _asked(linear, levels, _model(linear, levels)) == {"error": "ConfigurationError"}


def test_a_drift_whose_first_step_makes_a_threshold_is_refused(linear: OpenRegion) -> None:
    features = _numbers(linear)
    steep, honest = (_model(linear, features, weight=weight) for weight in (1e8, 0.5))
    model = _model(linear, features)
    assert "limits.weights=" in _asked(linear, features, model, steep)["error"]
    assert "arrays" in _asked(linear, features, model, honest)


def test_a_later_layer_that_is_a_threshold_is_refused(people: PeopleRegion) -> None:
    opened = people.opened("model.name=mlp", "model.hidden=[4]", *ONE_STEP, run="layers")
    try:
        features = _numbers(opened)
        assert "limits.weights=" in _asked(opened, features, _model(opened, features, layer=2, weight=1e8))["error"]
        assert "arrays" in _asked(opened, features, _model(opened, features, layer=2, weight=10.0))
    finally:
        opened.close()


@pytest.fixture(scope="module")
def deep(people: PeopleRegion) -> Iterator[OpenRegion]:
    """Its worker, for three hidden layers of one unit each."""
    opened = people.opened("model.name=mlp", "model.hidden=[1,1,1]", *ONE_STEP, run="deep")
    yield opened
    opened.close()


def _chain(region: OpenRegion, features: Features, weight: float) -> dict[str, np.ndarray]:
    """Each layer passes a first number on, times the weight."""
    chain = _model(region, features)
    for layer in range(4):
        chain[f"{2 * layer}.weight"].ravel()[0] = weight
    return chain


def test_layers_that_are_a_threshold_together_are_refused_with_the_number_and_the_limit(deep: OpenRegion) -> None:
    """Four weights of 99 each moved an answer by 96 million for one spread of the income."""
    features = _numbers(deep)
    said = _asked(deep, features, _chain(deep, features, 99.0))["error"]
    assert "moves by up to 9.61e+07" in said and "more than the 100 of region DE" in said
    assert "`fedsov region set DE limits.weights=9605" in said
    assert "limits.weights=" in _asked(deep, features, _chain(deep, features, 3.2))["error"], "3.2 to the fourth is 105"
    assert "arrays" in _asked(deep, features, _chain(deep, features, 3.0))


def test_a_drift_that_makes_a_threshold_of_several_layers_is_refused(deep: OpenRegion) -> None:
    features = _numbers(deep)
    model, steep, honest = (_chain(deep, features, weight) for weight in (1.0, 9.0, 0.5))
    assert "what the drift that came makes of it" in _asked(deep, features, model, steep)["error"]
    assert "arrays" in _asked(deep, features, model, honest)


def test_class_weights_that_mark_one_class_are_refused(people: PeopleRegion) -> None:
    opened = people.opened(*LINEAR, *ONE_STEP, "model.round.class_weights=[1.0,1000.0]", run="weights")
    try:
        features = _numbers(opened)
        assert "limits.class_weights=1000" in _asked(opened, features, _model(opened, features))["error"]
    finally:
        opened.close()


def test_a_model_that_people_s_rows_were_trained_into_is_far_from_the_limit(linear: OpenRegion) -> None:
    mean, spread = _income(linear)
    features = Features(numeric=(("income", mean, spread),), levels=(("ward", ("A", "B")),))
    model = _model(linear, features)
    for _ in range(5):
        model = _asked(linear, features, model)["arrays"]
    assert 0.0 < steepness(model, features, {"income": spread}) < 10.0


def test_a_trained_network_of_usual_size_is_far_from_the_limit(people: PeopleRegion) -> None:
    opened = people.opened("model.name=mlp", "model.hidden=[128,64,32]", run="usual")
    try:
        mean, spread = _income(opened)
        features = Features(numeric=(("income", mean, spread),), levels=(("ward", ("A", "B")),))
        model = {**initial(opened.start.job.recipe.network, features.inputs, 0)}
        for _ in range(5):
            model = _asked(opened, features, model)["arrays"]
        assert 0.0 < composed(model, features, {"income": spread}) < 10.0
    finally:
        opened.close()
