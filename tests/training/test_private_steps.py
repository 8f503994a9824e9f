"""Private steps: bounded by the clip, and noisy by what was accounted; `test_engine` holds them equal to Opacus."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import TrainingFailed
from fedsov.model.network import NetworkSpec, Parameters, build, initial, load
from fedsov.privacy.mechanism import RecordMechanism
from tests.training.clients import noisy_round

LOGISTIC, MLP, DEEP = NetworkSpec(), NetworkSpec("mlp", (6,)), NetworkSpec("mlp", (7, 5))
SPECS = [LOGISTIC, MLP, DEEP]
PLAIN = LocalSteps(learning_rate=0.5, momentum=0.0, weight_decay=0.0)


def rows(n: int = 60, d: int = 4, *, seed: int = 0, scale: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * scale, rng.integers(0, 2, n).astype(float)


def start(spec: NetworkSpec, d: int = 4) -> Parameters:
    rng = np.random.default_rng(1)
    return {name: array + rng.normal(size=array.shape) for name, array in initial(spec, d, 0).items()}


def norm_of(arrays: Parameters) -> float:
    return math.sqrt(sum(float(np.square(array).sum()) for array in arrays.values()))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.name}{spec.hidden}")
def test_without_noise_one_step_moves_the_model_by_no_more_than_the_clip(spec: NetworkSpec) -> None:
    X, _ = rows(1, scale=100.0)
    mechanism = RecordMechanism(clip=0.05, noise_multiplier=1e-9, sampling_rate=1.0, steps=1)
    arrays = {name: array.astype(np.float32) for name, array in start(spec).items()}
    moved = []
    for outcome in (0.0, 1.0):  # one of them is a surprise, with a large gradient
        trained = noisy_round(arrays, X, np.array([outcome]), PLAIN, mechanism, spec=spec)
        moved.append(norm_of({name: trained[name] - arrays[name] for name in arrays}) / PLAIN.learning_rate)
    assert 0.049 < max(moved) <= 0.05 * 1.001


def test_an_empty_sample_is_a_step_of_noise_alone() -> None:
    X, y = rows()
    mechanism = RecordMechanism(clip=1.0, noise_multiplier=2.0, sampling_rate=1e-4, steps=3)
    arrays = initial(MLP, 4, 0)
    trained, other = (noisy_round(arrays, X, each, PLAIN, mechanism, spec=MLP) for each in (y, 1 - y))
    assert all(np.array_equal(trained[name], other[name]) for name in arrays)  # no row was looked at
    assert all(np.isfinite(array).all() for array in trained.values())
    assert not np.array_equal(trained["0.weight"], arrays["0.weight"])


def test_the_noise_of_a_step_is_the_one_that_was_accounted() -> None:
    X, y = np.zeros((50, 400)), np.zeros(50)
    mechanism = RecordMechanism(clip=0.5, noise_multiplier=3.0, sampling_rate=0.2, steps=1)
    still = replace(PLAIN, learning_rate=1.0)
    arrays = initial(LOGISTIC, 400, 0)
    moves = [noisy_round(arrays, X, y, still, mechanism, spec=LOGISTIC, seed=seed)["0.weight"] for seed in range(25)]
    expected = mechanism.event.noise_multiplier * mechanism.clip / mechanism.expected_batch(50)
    assert np.std(moves) == pytest.approx(expected, rel=0.03)  # 10,000 draws: a standard error of .7 %
    assert abs(np.mean(moves)) < 0.04 * expected


def test_samples_are_poisson_and_the_sum_is_divided_by_the_expected_batch() -> None:
    X, y = np.ones((400, 1)), np.ones(400)
    mechanism = RecordMechanism(clip=10.0, noise_multiplier=1e-9, sampling_rate=0.1, steps=1)
    moves = [
        float(
            noisy_round(
                initial(LOGISTIC, 1, 0),
                X,
                y,
                replace(PLAIN, learning_rate=1.0),
                mechanism,
                spec=LOGISTIC,
                seed=seed,
            )["0.bias"][0]
        )
        for seed in range(400)
    ]
    drawn = np.array(moves) * 40.0 / 0.5  # each record's derivative is 1/2 at the start
    assert drawn.mean() == pytest.approx(40.0, abs=1.0)
    assert drawn.var() == pytest.approx(400 * 0.1 * 0.9, rel=0.25)


def test_with_little_noise_it_learns_as_plain_steps_do() -> None:
    X, _ = rows(2000, scale=1.0)
    y = (X[:, 0] > 0).astype(float)
    mechanism = RecordMechanism(clip=1.0, noise_multiplier=0.5, sampling_rate=0.1, steps=100)
    trained = noisy_round(initial(MLP, 4, 0), X, y, PLAIN, mechanism, spec=MLP, seed=0)
    with torch.no_grad():
        logits = load(build(MLP, 4), trained)(torch.from_numpy(X.astype(np.float32))).squeeze(1).numpy()
    assert ((logits > 0) == (y > 0)).mean() > 0.95


def test_momentum_decay_and_pull_are_those_of_the_steps() -> None:
    X, y = np.zeros((10, 3)), np.array([0.0, 1.0] * 5)
    mechanism = RecordMechanism(clip=1.0, noise_multiplier=1e-9, sampling_rate=1.0, steps=2)
    arrays = {"0.weight": np.array([[1.0, -2.0, 0.5]], np.float32), "0.bias": np.zeros(1, np.float32)}
    steps = LocalSteps(learning_rate=0.1, momentum=0.5, weight_decay=0.2, proximal_mu=0.3)
    trained = noisy_round(arrays, X, y, steps, mechanism, spec=LOGISTIC, seed=0)
    w0 = arrays["0.weight"].astype(float)
    v1 = 0.2 * w0
    w1 = w0 - 0.1 * v1
    v2 = 0.5 * v1 + 0.2 * w1 + 0.3 * (w1 - w0)
    assert np.allclose(trained["0.weight"], w1 - 0.1 * v2, atol=1e-6)
    assert np.allclose(arrays["0.weight"], w0)


def test_an_update_that_is_not_finite_is_refused() -> None:
    """Of the steps that are too large, not of a row: a row without a finite gradient adds nothing."""
    X, y = rows()
    steps, mechanism = replace(PLAIN, learning_rate=1e38), RecordMechanism(1.0, 1e3, 0.5, 1)
    with pytest.raises(TrainingFailed, match="NaN, infinity"), np.errstate(all="ignore"):
        noisy_round(initial(MLP, 4, 0), X, y, steps, mechanism, spec=MLP)
    noisy_round(initial(MLP, 4, 0), X * 1e200, y, PLAIN, RecordMechanism(1.0, 1.0, 0.5, 1), spec=MLP)
