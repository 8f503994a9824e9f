"""Federated training on arrays: it learns, it repeats, it refuses what it cannot use."""

from __future__ import annotations

import numpy as np
import pytest

import fedsov
from fedsov.control_plane.aggregate import ALGORITHMS, Algorithm
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from fedsov.model.network import NetworkSpec, initial
from fedsov.training.federated import update
from fedsov.training.local import LocalSteps
from fedsov.training.measure import auc

WEIGHTS = np.linspace(-1.0, 1.0, 6)
STEPS = LocalSteps(learning_rate=0.05, momentum=0.9, batch=32, epochs=2)


def _region(seed: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 6))
    return X, (X @ WEIGHTS + 0.5 * rng.normal(size=rows) > 0).astype(int)


REGIONS = {"DE": _region(0), "US": _region(1, 900), "GB": _region(2)}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_algorithm_learns_on_flower_s_messages(name: str) -> None:
    options = {"fedprox": {"proximal_mu": 0.1}, "fedadam": {"eta": 0.05}, "fedyogi": {"eta": 0.05}}.get(name, {})
    fitted = fedsov.federate("mlp", REGIONS, rounds=8, steps=STEPS, algorithm=Algorithm(name, options))
    X, y = _region(9)
    found = auc(y, fitted.logits(X))
    assert found is not None and found > 0.85
    assert len(fitted.rounds) == 8 and set(fitted.rounds[0]) == {"DE", "US", "GB"}


def test_one_round_of_fedavg_is_the_mean_weighted_by_rows() -> None:
    spec = NetworkSpec("logistic")
    start = initial(spec, 6, 0)
    alone = {
        name: update(start, X.astype(np.float32), y.astype(np.float32), STEPS, spec=spec, round=1)
        for name, (X, y) in REGIONS.items()
    }
    rows = {name: len(y) for name, (_, y) in REGIONS.items()}
    fitted = fedsov.federate("logistic", REGIONS, rounds=1, steps=STEPS)
    equal = fedsov.federate("logistic", REGIONS, rounds=1, steps=STEPS, weighting="equal")
    for key in start:
        mean = sum(alone[name][key] * rows[name] for name in alone) / sum(rows.values())
        np.testing.assert_allclose(fitted.parameters[key], mean, atol=1e-6)
        np.testing.assert_allclose(equal.parameters[key], sum(one[key] for one in alone.values()) / 3, atol=1e-6)


def test_equal_seeds_give_equal_parameters_and_others_do_not() -> None:
    first, again = (fedsov.federate("mlp", REGIONS, rounds=3, seed=4) for _ in range(2))
    other = fedsov.federate("mlp", REGIONS, rounds=3, seed=5)
    for key, value in first.parameters.items():
        assert np.array_equal(value, again.parameters[key])
    assert any(not np.array_equal(value, other.parameters[key]) for key, value in first.parameters.items())


def test_on_round_is_told_every_round_as_it_ends() -> None:
    heard: list[tuple[int, list[str]]] = []
    fedsov.federate("logistic", REGIONS, rounds=3, on_round=lambda n, metrics: heard.append((n, sorted(metrics))))
    assert heard == [(1, ["DE", "GB", "US"]), (2, ["DE", "GB", "US"]), (3, ["DE", "GB", "US"])]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"model": "forest"}, ConfigurationError, "forest"),
        ({"algorithm": "magic"}, ConfigurationError, "magic"),
        ({"weighting": "size"}, ConfigurationError, "size"),
        ({"regions": {}}, InputError, "no region"),
        ({"regions": {"DE": (np.ones((3, 2)), np.ones(4))}}, InputError, "DE"),
        ({"regions": {"DE": (np.full((3, 2), np.nan), np.ones(3))}}, InputError, "finite"),
        ({"regions": {"DE": (np.ones((3, 2)), np.full(3, 2))}}, InputError, "0 or 1"),
        ({"regions": {"DE": (np.ones((3, 2)), np.ones(3)), "US": (np.ones((3, 3)), np.ones(3))}}, InputError, "2, 3"),
        ({"steps": LocalSteps(learning_rate=1e30)}, TrainingFailed, "finite|RegionProcess|TrainingFailed"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(change: dict, error: type[Exception], says: str) -> None:
    given = {"model": "mlp", "regions": REGIONS, "rounds": 2, **change}
    with pytest.raises(error, match=says):
        fedsov.federate(given.pop("model"), given.pop("regions"), **given)
