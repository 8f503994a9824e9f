"""Membership attacks and the canary find what is there to find: an overfit model's rows, a canary without noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedsov.attacks.membership import Target, canary_audit, membership, observe
from fedsov.attacks.shadow_models import AttackedTraining
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.network import NetworkSpec
from fedsov.privacy.accounting import epsilon
from tests.attacks.world import OVERFIT, OWN, PRIVATE, WIDE, N, mechanism_of, private, seeded


def test_an_overfit_model_s_rows_are_told_apart_the_same_each_time(rows: tuple) -> None:
    target = Target(*rows, AttackedTraining(WIDE, OVERFIT))
    found = membership(observe(target, 16), OWN)
    assert found["lira_online"].auc_interval.low > 0.6 and found["lira_offline"].auc_interval.low > 0.55
    assert found["lira_online"].tpr > 0.03 and found["lira_online"].auc > found["loss"].auc
    assert membership(observe(target, 16), OWN) == found


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
    plain = Target(*rows, AttackedTraining(NetworkSpec(), replace(OVERFIT, epochs=5)))
    bare, _ = canary_audit(plain, 200, delta=1e-5)
    assert bare.epsilon == bare.most > 2.0


def test_an_audit_finds_noise_that_is_less_than_was_claimed(rows: tuple) -> None:
    """Noise for epsilon 1 is claimed, a fiftieth of it is drawn."""
    honest = mechanism_of(1.0)
    broken = AttackedTraining(
        NetworkSpec(), PRIVATE, replace(honest, noise_multiplier=honest.noise_multiplier / 50), seeded()
    )
    shown, _ = canary_audit(Target(*rows, broken), 200, delta=1e-5)
    assert shown.epsilon > epsilon([honest.event], 1e-5)


def test_too_few_rows_one_outcome_and_impossible_numbers_are_refused(rows: tuple) -> None:
    X, y = rows
    with pytest.raises(InputError, match="40 rows or more, got 30"):
        Target(X[:30], y[:30], AttackedTraining())
    with pytest.raises(InputError, match="both outcomes"):
        Target(X, np.ones(N), AttackedTraining())
    target = Target(X, y, AttackedTraining())
    with pytest.raises(ConfigurationError, match="even number of 4 shadow models or more, got 7"):
        observe(target, 7)
    with pytest.raises(ConfigurationError, match="32 runs or more, got 8"):
        canary_audit(target, 8, delta=1e-5)
