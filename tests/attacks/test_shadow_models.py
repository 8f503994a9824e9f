"""Shadow models are the models that their rows alone would give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedsov.attacks.shadow_models import AttackedTraining, halves, logits_of, parameters_of, train_many
from fedsov.errors import TrainingFailed
from fedsov.model.network import initial
from fedsov.training.engine import train_one
from tests.attacks.world import OVERFIT, WIDE


def test_a_shadow_model_is_the_model_that_its_rows_alone_would_give(rows: tuple) -> None:
    X, y = rows
    members = [np.arange(0, 100), np.arange(50, 120)]
    steps = replace(OVERFIT, epochs=2)
    both = train_many(X, y, members, AttackedTraining(WIDE, steps), expected_rows=100, seed=3)
    for number, places in enumerate(members):
        order = np.random.default_rng([3, number])
        batches = [one for _ in range(2) for one in np.split(*_cuts(order.permutation(len(places))))]
        alone = train_one(initial(WIDE, 12, 3), X[places], y[places], steps, spec=WIDE, batches=batches)
        found = parameters_of(both[number], WIDE, 12)
        assert all(np.allclose(found[name], alone[name], rtol=0, atol=1e-5) for name in alone)


def _cuts(order: np.ndarray) -> tuple[np.ndarray, list[int]]:
    return order, list(range(32, len(order), 32))


def test_of_an_even_number_of_halves_exactly_half_hold_each_row() -> None:
    assert set(halves(31, 8, np.random.default_rng(0)).sum(axis=0)) == {4}


def test_every_model_begins_at_the_same_parameters_and_sees_its_own_rows_alone(rows: tuple) -> None:
    X, y = rows
    training = AttackedTraining(WIDE, replace(OVERFIT, epochs=0))
    untrained = train_many(X, y, [np.arange(10), np.arange(200)], training, expected_rows=10, seed=3)
    assert np.array_equal(untrained[0], untrained[1])
    other = np.concatenate([X[:50], X[50:] + 1.0])
    steps = AttackedTraining(WIDE, replace(OVERFIT, epochs=1))
    first, same = (train_many(inputs, y, [np.arange(50)], steps, expected_rows=50, seed=3) for inputs in (X, other))
    assert np.array_equal(first, same)


def test_logits_are_one_row_for_each_model(rows: tuple) -> None:
    X, y = rows
    trained = train_many(X, y, [np.arange(50)] * 3, AttackedTraining(WIDE), expected_rows=50, seed=3)
    assert logits_of(trained, X[:7], WIDE).shape == (3, 7)


def test_a_model_without_rows_or_with_steps_that_diverge_is_refused(rows: tuple) -> None:
    X, y = rows
    with pytest.raises(TrainingFailed, match="has no rows; give more rows"):
        train_many(X, y, [np.arange(5), np.arange(0)], AttackedTraining(WIDE), expected_rows=5, seed=3)
    steep = AttackedTraining(WIDE, replace(OVERFIT, learning_rate=1e6))
    with pytest.raises(TrainingFailed, match="not finite; lower the learning rate"):
        train_many(X, y, [np.arange(200)], steep, expected_rows=200, seed=3)
