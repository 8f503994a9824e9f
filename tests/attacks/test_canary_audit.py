"""The lower bound of epsilon, held against scipy, jax_privacy, and a mechanism whose epsilon is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from fedsov.attacks.canary_audit import audited, lower_bound


def test_the_lower_bound_is_the_logarithm_of_exact_bounds_on_the_rates() -> None:
    low, high = binomtest(90, 100).proportion_ci(0.95).low, binomtest(5, 120).proportion_ci(0.95).high
    assert lower_bound(90, 100, 5, 120, delta=1e-3) == pytest.approx(math.log((low - 1e-3) / high))
    assert lower_bound(50, 100, 50, 100, delta=0.0) == 0.0 == lower_bound(0, 100, 0, 100, delta=0.1)
    assert lower_bound(250, 250, 0, 250, delta=0.0) == pytest.approx(4.2, abs=0.02)


def test_the_lower_bound_is_that_of_jax_privacy() -> None:
    from jax_privacy import auditing

    rng = np.random.default_rng(0)
    inside, outside = rng.normal(2.0, 1.0, 200), rng.normal(0.0, 1.0, 150)
    for threshold, delta in ((1.0, 0.0), (2.5, 1e-3), (-1.0, 1e-5)):
        theirs = auditing.CanaryScoreAuditor(inside, outside).epsilon_clopper_pearson(
            0.05, delta, threshold_strategy=auditing.Explicit(threshold)
        )
        hits, wrong = int((inside > threshold).sum()), int((outside > threshold).sum())
        assert lower_bound(hits, 200, wrong, 150, delta=delta) == pytest.approx(theirs, abs=1e-9)


def test_an_audit_stays_below_the_true_epsilon_as_often_as_it_says() -> None:
    """Randomised response with a chance of e / (1 + e) has an epsilon of exactly 1."""
    rng, honest = np.random.default_rng(0), math.e / (1 + math.e)
    shown = [
        audited(
            (rng.random(300) < honest) + rng.normal(0, 1e-3, 300),
            (rng.random(300) > honest) + rng.normal(0, 1e-3, 300),
            delta=0.0,
            rng=rng,
        ).epsilon
        for _ in range(60)
    ]
    assert np.mean(np.array(shown) > 1.0) <= 0.05 and np.median(shown) > 0.3


def test_an_audit_of_perfect_scores_shows_the_most_that_as_many_runs_can_whichever_way_they_point() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(9.0, 1.0, 100), rng.normal(0.0, 1.0, 100)
    for sign in (1.0, -1.0):
        found = audited(sign * inside, sign * outside, delta=0.0, rng=np.random.default_rng(1))
        assert found.epsilon == found.most > 2.0 and found.above == (sign > 0)
    again = [audited(inside, outside, delta=0.0, rng=np.random.default_rng(2)) for _ in range(2)]
    assert again[0] == again[1]
    with pytest.raises(ValueError, match="4 runs or more"):
        audited(inside[:3], outside, delta=0.0, rng=rng)
