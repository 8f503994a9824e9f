"""Attacks find what is there to find: an overfit model's rows, a canary without noise, a row in its own gradient."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from fedsov.attacks.gradient_inversion import Noise, errors, invert
from fedsov.attacks.membership import Target, canary_audit, membership, observe
from fedsov.attacks.shadow_models import Trained, halves, parameters_of, train_many
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.network import NetworkSpec, initial
from fedsov.privacy.accounting import calibrated, epsilon
from fedsov.privacy.mechanism import RecordMechanism, unsafe_noise_generator
from fedsov.training.engine import train_one
from fedsov.training.steps import LocalSteps

WIDE, N = NetworkSpec("mlp", (48,)), 600
OVERFIT = LocalSteps(learning_rate=0.1, momentum=0.9, batch=32, epochs=40, weight_decay=0.0)
PRIVATE = LocalSteps(learning_rate=0.5, momentum=0.0, weight_decay=0.0)
OWN = ("loss", "lira_online", "lira_offline")


def seeded(first: int = 0) -> Callable[[], np.random.Generator]:
    numbers = count(first)
    logging.getLogger("fedsov.privacy.mechanism").setLevel(logging.ERROR)
    return lambda: unsafe_noise_generator(next(numbers))


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 12)).astype(np.float32)
    return X, (X[:, 0] + rng.normal(size=N) > 0).astype(float)


def mechanism_of(budget: float, *, rate: float = 0.1, steps: int = 60) -> RecordMechanism:
    return calibrated((), budget, 1e-5, sampling_rate=rate, steps=steps, clip=1.0)


def private(rows: tuple[np.ndarray, np.ndarray], budget: float, network: NetworkSpec = WIDE) -> Target:
    return Target(*rows, Trained(network, PRIVATE, mechanism_of(budget), seeded()))


def test_a_shadow_model_is_the_model_that_its_rows_alone_would_give(rows: tuple) -> None:
    X, y = rows
    members = [np.arange(0, 100), np.arange(50, 120)]
    steps = replace(OVERFIT, epochs=2)
    both = train_many(X, y, members, Trained(WIDE, steps), expected_rows=100, seed=3)
    for number, places in enumerate(members):
        order = np.random.default_rng([3, number])
        batches = [one for _ in range(2) for one in np.split(*_cuts(order.permutation(len(places))))]
        alone = train_one(initial(WIDE, 12, 3), X[places], y[places], steps, spec=WIDE, batches=batches)
        found = parameters_of(both[number], WIDE, 12)
        assert all(np.array_equal(found[name], alone[name]) for name in alone)


def _cuts(order: np.ndarray) -> tuple[np.ndarray, list[int]]:
    return order, list(range(32, len(order), 32))


def test_of_an_even_number_of_halves_exactly_half_hold_each_row() -> None:
    assert set(halves(31, 8, np.random.default_rng(0)).sum(axis=0)) == {4}


def test_an_overfit_model_s_rows_are_told_apart_the_same_each_time(rows: tuple) -> None:
    target = Target(*rows, Trained(WIDE, OVERFIT))
    found = membership(observe(target, 16), OWN)
    assert found["lira_online"].auc_interval.low > 0.6 and found["lira_offline"].auc_interval.low > 0.55
    assert found["lira_online"].tpr > 0.03 and found["lira_online"].auc > found["loss"].auc
    assert membership(observe(target, 16), OWN) == found


def test_art_s_black_box_attack_tells_them_apart_too_the_same_each_time(rows: tuple) -> None:
    seen = observe(Target(*rows, Trained(WIDE, OVERFIT)), 8)
    found = membership(seen, ("art",))
    assert found["art"].auc_interval.low > 0.55 and membership(seen, ("art",)) == found


def test_under_epsilon_one_attacks_stay_near_a_guess(rows: tuple) -> None:
    """Three targets: one in twenty intervals misses the truth anyway, and epsilon 1 permits a little more than 0.5."""
    found = [membership(observe(replace(private(rows, 1.0), seed=seed), 16), OWN) for seed in range(3)]
    for name in OWN:
        mine = [one[name] for one in found]
        assert np.mean([one.auc for one in mine]) < 0.55 and np.mean([one.tpr for one in mine]) <= 0.03
        assert sum(one.auc_interval.low <= 0.5 <= one.auc_interval.high for one in mine) >= 2


def test_an_audit_stays_below_the_claim_under_noise_and_shows_much_without(rows: tuple) -> None:
    logistic = private(rows, 2.0, NetworkSpec())
    mechanism = logistic.training.mechanism
    assert mechanism is not None
    shown, other = canary_audit(logistic, 200, delta=1e-5)
    assert 0.0 <= shown.epsilon <= epsilon([mechanism.event], 1e-5) <= 2.0
    assert other is None or other <= 2.0
    plain = Target(*rows, Trained(NetworkSpec(), replace(OVERFIT, epochs=5)))
    bare, _ = canary_audit(plain, 200, delta=1e-5)
    assert bare.epsilon == bare.most > 2.0


def test_an_audit_finds_noise_that_is_less_than_was_claimed(rows: tuple) -> None:
    """Noise for epsilon 1 is claimed, a fiftieth of it is drawn."""
    honest = mechanism_of(1.0)
    broken = Trained(NetworkSpec(), PRIVATE, replace(honest, noise_multiplier=honest.noise_multiplier / 50), seeded())
    shown, _ = canary_audit(Target(*rows, broken), 200, delta=1e-5)
    assert shown.epsilon > epsilon([honest.event], 1e-5)


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


def test_too_few_rows_one_outcome_and_impossible_numbers_are_refused(rows: tuple) -> None:
    X, y = rows
    with pytest.raises(InputError, match="40 rows or more, got 30"):
        Target(X[:30], y[:30], Trained())
    with pytest.raises(InputError, match="both outcomes"):
        Target(X, np.ones(N), Trained())
    target = Target(X, y, Trained())
    with pytest.raises(ConfigurationError, match="even number of 4 shadow models or more, got 7"):
        observe(target, 7)
    with pytest.raises(ConfigurationError, match="32 runs or more, got 8"):
        canary_audit(target, 8, delta=1e-5)
    with pytest.raises(ConfigurationError, match="1 to 8 rows"):
        invert(X, y, WIDE, batch=9, trials=1, seed=0)
