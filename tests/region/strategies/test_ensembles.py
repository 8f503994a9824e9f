"""The mixture that a region weighs on its own rows."""

from __future__ import annotations

import numpy as np
import pytest

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import ConfigurationError
from fedsov.model.metrics import log_loss
from fedsov.model.network import NetworkSpec, initial
from fedsov.region.strategies import ensembles
from fedsov.training.engine import predict

SPEC = NetworkSpec("mlp", (4,))
STEPS = LocalSteps(learning_rate=0.05, batch=32, epochs=1)
FIRST = LocalSteps(learning_rate=0.5, momentum=0.0, batch=1000, epochs=5)


def _region(seed: int, rows: int = 200, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    return X, (X @ np.array([1.0, -1.0, 0.5]) + shift + 0.5 * rng.normal(size=rows) > 0).astype(np.float32)


REGIONS = {"DE": _region(0, shift=2.0)}


def test_a_mixture_is_no_worse_than_its_best_member_on_the_rows_it_was_weighed_on() -> None:
    X, y = REGIONS["DE"]
    members = ensembles.variants(
        initial(SPEC, 3, 0), initial(SPEC, 3, 1), X[:100], y[:100], spec=SPEC, tune=(STEPS,), train=(STEPS, FIRST)
    )
    assert list(members) == ["global", "tuned 1", "alone 1", "alone 2"]
    mixed = ensembles.mixture(members, X[100:], y[100:], spec=SPEC)
    losses = [log_loss(y[100:], predict(one, X[100:], SPEC)) for one in members.values()]
    assert log_loss(y[100:], mixed.logits(X[100:])) <= min(losses) + 1e-6
    assert sum(mixed.weights.values()) == pytest.approx(1.0) and all(mixed.weights.values())


def test_weights_worked_by_hand() -> None:
    y = np.array([0.0, 1.0])
    right, wrong, half = np.array([-1.0, 1.0]), np.array([1.0, -1.0]), np.array([-3.0, -1.0])
    assert ensembles.greedy_weights([wrong, right], y, picks=4) == (0.0, 1.0)
    assert ensembles.greedy_weights([half, -half[::-1]], y, picks=4) == (0.5, 0.5)


def test_without_rows_to_weigh_on_the_global_model_stays_and_without_models_there_is_none() -> None:
    members = {"global": initial(SPEC, 3, 0), "tuned 1": initial(SPEC, 3, 1)}
    none = np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.float32)
    assert ensembles.mixture(members, *none, spec=SPEC).weights == {"global": 1.0}
    with pytest.raises(ConfigurationError, match="at least one model"):
        ensembles.mixture({}, *none, spec=SPEC)


def test_a_model_weighs_as_much_as_it_made_rows_likely_that_it_was_not_fitted_to():
    weights = ensembles.likelihood_weights([0.5, 0.5, 0.5 + np.log(2) / 40], 40)
    assert weights == pytest.approx((0.4, 0.4, 0.2))
    assert ensembles.likelihood_weights([0.9, 0.1], 100_000) == (0.0, 1.0)
