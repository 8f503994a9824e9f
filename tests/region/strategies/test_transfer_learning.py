"""Fine-tuning a public model."""

from __future__ import annotations

import numpy as np
import pytest

from fedsov.algorithms.recipe import Recipe
from fedsov.errors import TrainingFailed
from fedsov.model.metrics import log_loss
from fedsov.model.network import NetworkSpec, head
from fedsov.region.strategies import transfer_learning
from fedsov.region.strategies.candidates import StartingPoint, train_alone
from tests.region.strategies.world import RECIPE, SPEC, divided, received


def test_a_small_region_gains_from_a_public_model() -> None:
    small, wide = divided(60, seed=1), divided(2000, seed=4).test
    model = transfer_learning.train(small, StartingPoint(model=received()), RECIPE)
    alone = train_alone(small, StartingPoint(), RECIPE)
    assert log_loss(wide.y, model.logits(wide)) < log_loss(wide.y, alone.logits(wide))


def test_no_version_is_better_on_validation_rows_than_the_one_kept() -> None:
    rows, start = divided(400, seed=5, shift=3.0), received()
    kept = transfer_learning.train(rows, StartingPoint(model=start), RECIPE)
    losses = [
        log_loss(rows.validation.y, one.logits(rows.validation))
        for one in transfer_learning.versions(start, rows, RECIPE)
    ]
    assert log_loss(rows.validation.y, kept.logits(rows.validation)) <= min(losses)
    assert "local feature scaling" in kept.name


def test_the_head_version_leaves_the_body_as_it_came() -> None:
    rows, start = divided(200, seed=5), received()
    unchanged, last, whole = transfer_learning.versions(start, rows, RECIPE)
    body = start.parameters.keys() - head(SPEC)
    assert unchanged.parameters is start.parameters
    assert all(np.array_equal(last.parameters[name], start.parameters[name]) for name in body)
    assert not all(np.array_equal(whole.parameters[name], start.parameters[name]) for name in body)


def test_a_network_of_one_layer_has_two_versions() -> None:
    rows = divided(300, seed=5)
    recipe = Recipe(network=NetworkSpec())
    assert len(transfer_learning.versions(train_alone(rows, StartingPoint(), recipe), rows, recipe)) == 2


def test_without_a_start_model_there_is_nothing_to_tune() -> None:
    with pytest.raises(TrainingFailed, match="start model"):
        transfer_learning.train(divided(100), StartingPoint(), RECIPE)
