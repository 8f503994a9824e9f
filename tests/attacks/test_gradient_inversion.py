"""A row is found in its own gradient, and not under noise."""

from __future__ import annotations

import numpy as np
import pytest

from fedsov.attacks.gradient_inversion import Noise, errors, invert, observed
from fedsov.errors import ConfigurationError
from fedsov.model.network import NetworkSpec, initial
from tests.attacks.world import WIDE, seeded


@pytest.mark.parametrize("spec", [NetworkSpec(), WIDE, NetworkSpec("mlp", (16, 8))], ids=str)
def test_a_row_alone_in_its_step_is_found_to_the_last_digits_and_not_under_noise(
    rows: tuple, spec: NetworkSpec
) -> None:
    bare = invert(*rows, spec, batch=1, trials=10, seed=0)
    assert bare.error < 1e-4 and bare.recovered == 1.0 and bare.guess > 0.5
    assert invert(*rows, spec, batch=1, trials=10, seed=0) == bare
    noisy = invert(*rows, spec, batch=1, trials=10, seed=0, noise=Noise(1.0, 1.0, seeded()))
    assert noisy.recovered == 0.0 and noisy.error > 0.5


def test_two_rows_of_a_step_are_found_by_descent_and_not_under_noise(rows: tuple) -> None:
    bare = invert(*rows, WIDE, batch=2, trials=1, seed=0)
    assert bare.error < 0.1 < bare.guess
    noisy = invert(*rows, WIDE, batch=2, trials=1, seed=0, noise=Noise(1.0, 1.0, seeded()))
    assert noisy.recovered == 0.0


def test_found_rows_are_matched_to_real_ones_whatever_their_order() -> None:
    real = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert errors(real[::-1], real).tolist() == [0.0, 0.0]
    assert errors(real + np.array([[0.0, 0.5], [0.0, 0.0]]), real).tolist() == [0.5, 0.0]


def test_the_gradient_that_is_observed_is_that_of_the_mean_loss(rows: tuple) -> None:
    """Of a logistic regression: the mean over rows of (probability - outcome) times the row."""
    X, y = rows[0][:5], rows[1][:5]
    spec = NetworkSpec()
    start = {name: np.full_like(array, 0.1) for name, array in initial(spec, X.shape[1], 0).items()}
    seen = observed(start, X, y, spec, None)
    probability = 1 / (1 + np.exp(-(X @ start["0.weight"][0] + start["0.bias"][0])))
    np.testing.assert_allclose(seen["0.weight"][0], ((probability - y)[:, None] * X).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(seen["0.bias"][0], (probability - y).mean(), atol=1e-6)


@pytest.mark.parametrize("batch", [0, 9, 400])
def test_a_batch_that_cannot_be_is_refused(rows: tuple, batch: int) -> None:
    with pytest.raises(ConfigurationError, match="a batch of 1 to 8 rows, and twice as many"):
        invert(*rows, WIDE, batch=batch, trials=1, seed=0)
