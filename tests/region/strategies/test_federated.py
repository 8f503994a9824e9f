"""A region's side of a round, and its own version afterwards."""

from dataclasses import replace

import numpy as np
import pytest

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.recipe import Recipe
from fedsov.errors import TrainingFailed
from fedsov.model.column_statistics import Statistics
from fedsov.model.features import Features
from fedsov.model.metrics import log_loss
from fedsov.model.network import NetworkSpec, initial
from fedsov.region.strategies import federated
from fedsov.region.strategies.candidates import Candidate, StartingPoint, train_alone
from fedsov.training.engine import train_locally
from tests.region.strategies.test_candidates import divided

SPEC = NetworkSpec("mlp", (4,))


def global_model_of(worlds, rounds=5):
    """Plain federated averaging over divided regions, as the hub would do it."""
    described = [Statistics.from_records(world.train.columns, world.train.kinds) for world in worlds]
    features = Features.fit(sum(described[1:], described[0]))
    parts = [(features.encode(world.train.columns), world.train.y) for world in worlds]
    global_model = initial(SPEC, features.inputs, 0)
    for number in range(rounds):
        updates = [train_locally(global_model, X, y, LocalSteps(seed=number), spec=SPEC) for X, y in parts]
        sizes = [len(y) for _, y in parts]
        global_model = {
            name: np.average([one[name] for one in updates], axis=0, weights=sizes) for name in global_model
        }
        global_model = {name: array.astype(np.float32) for name, array in global_model.items()}
    return Candidate("global_model", SPEC, features, global_model)


def test_a_small_region_gains_from_the_others():
    small = divided(60, seed=1)
    global_model = global_model_of([divided(1200, seed=2), divided(800, seed=3), small])
    wide = divided(2000, seed=4).test
    model = federated.train(small, StartingPoint(model=global_model), Recipe(network=SPEC))
    alone = train_alone(small, StartingPoint(), Recipe(network=SPEC))
    assert log_loss(wide.y, model.logits(wide)) < log_loss(wide.y, alone.logits(wide))


def test_a_region_on_another_scale_keeps_a_tuned_version():
    odd = divided(600, seed=5, shift=4.0)
    global_model = global_model_of([divided(1200, seed=2), divided(800, seed=3)])
    model = federated.train(odd, StartingPoint(model=global_model), Recipe(network=SPEC))
    assert "tuned" in model.name
    theirs = log_loss(odd.validation.y, global_model.logits(odd.validation))
    assert log_loss(odd.validation.y, model.logits(odd.validation)) < theirs


def test_the_global_model_stays_where_tuning_does_not_help():
    rows = divided(300, seed=6)
    global_model = global_model_of([divided(1200, seed=2), rows])
    recipe = Recipe(network=SPEC, fine_tune=LocalSteps(learning_rate=5.0, momentum=0.0, epochs=1))
    model = federated.train(rows, StartingPoint(model=global_model), recipe)
    assert model == replace(global_model, name="federated")


def test_without_a_global_model_there_is_nothing_to_train():
    with pytest.raises(TrainingFailed, match="global model"):
        federated.train(divided(100), StartingPoint(), Recipe())
