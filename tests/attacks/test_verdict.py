"""The arithmetic of attacks (`attacks`, `lira`, `audit`), held against scipy, an exhaustive count and jax_privacy."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from fedsov.attacks import lira
from fedsov.attacks.canary_audit import audited, lower_bound
from fedsov.attacks.verdict import Figures, Interval, Limits, auc_interval, clopper_pearson, figures, verdict


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_shares_have_scipy_s_exact_intervals(counts: tuple[int, int], confidence: float) -> None:
    hits, trials = counts
    expected = binomtest(hits, trials).proportion_ci(confidence, method="exact")
    assert clopper_pearson(hits, trials, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("hits", "trials", "confidence"), [(1, 0, 0.9), (5, 4, 0.9), (-1, 4, 0.9), (1, 4, 1.0)])
def test_a_share_that_cannot_be_has_no_interval(hits: int, trials: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="expected 0 <= hits"):
        clopper_pearson(hits, trials, confidence)


def test_the_auc_is_the_share_of_pairs_in_order_and_ties_count_half() -> None:
    rng = np.random.default_rng(0)
    scores, members = rng.integers(0, 6, 80).astype(float), rng.random(80) < 0.4
    pairs = [(a > b) + (a == b) / 2 for a, b in product(scores[members], scores[~members])]
    assert figures(scores, members).auc == pytest.approx(np.mean(pairs))


def test_an_auc_s_interval_covers_it_as_often_as_it_says_and_never_collapses() -> None:
    rng, shift = np.random.default_rng(0), 1.0
    true = norm.cdf(shift / math.sqrt(2))
    covered = 0
    for _ in range(400):
        scores = np.concatenate([rng.normal(shift, 1, 40), rng.normal(0, 1, 60)])
        low, high = figures(scores, np.arange(100) < 40).auc_interval
        covered += low <= true <= high
    assert 0.92 <= covered / 400 <= 0.99
    perfect, hopeless = auc_interval(1.0, 20, 20), auc_interval(0.0, 20, 20)
    assert 0.8 < perfect.low < 1.0 == perfect.high
    assert hopeless.low == 0.0 and hopeless.high == pytest.approx(1.0 - perfect.low)
    assert auc_interval(0.5, 50, 50).low + auc_interval(0.5, 50, 50).high == pytest.approx(1.0)


def test_the_true_positive_rate_is_read_where_at_most_one_other_in_a_hundred_is_accused() -> None:
    others, members = np.arange(200.0), np.array([197.5, 197.0, 198.5, 500.0, 3.0])
    found = figures(np.concatenate([members, others]), np.arange(205) < 5)
    assert found.false_positives == 2 and found.tpr == pytest.approx(3 / 5)
    assert found.tpr_interval == clopper_pearson(3, 5)
    few = figures(np.array([9.0, 1.0, 5.0, 0.0]), np.array([True, True, False, False]))
    assert few.false_positives == 0 and few.tpr == 0.5  # of two others none may be accused
    assert figures(np.ones(300), np.arange(300) < 100).tpr == 0.0  # ties accuse nobody


def test_scores_that_are_not_finite_and_one_sided_sets_are_refused() -> None:
    for scores, members in (([1.0, math.nan], [True, False]), ([1.0, 2.0], [True, True]), ([1.0], [False])):
        with pytest.raises(ValueError, match="expected finite scores of members and of others"):
            figures(np.array(scores), np.array(members))


def _figures(auc: float, high: float, tpr: float = 0.01) -> Figures:
    return Figures(auc, Interval(0.4, high), tpr, Interval(0.0, tpr + 0.01), 0, 1000, 1000)


def test_a_test_passes_only_where_every_interval_ends_within_the_limits() -> None:
    limits = Limits()
    assert verdict({"a": _figures(0.51, 0.54)}, {}, limits).word == "pass"
    assert verdict({"a": _figures(0.51, 0.56)}, {}, limits).word == "undecided"
    failed = verdict({"a": _figures(0.51, 0.54), "b": _figures(0.56, 0.6)}, {}, limits)
    assert failed.word == "fail" and failed.reasons == ("b has AUC 0.560 (at most 0.55)",)
    assert verdict({"a": _figures(0.5, 0.54, tpr=0.031)}, {}, limits).word == "fail"
    assert verdict({"a": _figures(0.5, 0.54, tpr=0.025)}, {}, limits).word == "undecided"


def test_an_audit_can_fail_a_test_and_cannot_pass_one() -> None:
    assert verdict({"a": _figures(0.5, 0.54)}, {"canary": (3.2, 3.0)}, Limits()).word == "fail"
    assert verdict({"a": _figures(0.5, 0.54)}, {"canary": (0.1, 3.0)}, Limits()).word == "pass"
    assert verdict({}, {"canary": (0.1, 3.0)}, Limits()).word == "undecided"


def test_a_right_logit_is_that_of_the_outcome_that_came() -> None:
    assert lira.right_logits(np.array([[2.0, 2.0]]), np.array([1.0, 0.0])).tolist() == [[2.0, -2.0]]


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All scores, all members, and the shadows' scores, where having seen a row adds 1 to a normal of its own mean."""
    rng = np.random.default_rng(3)
    members = np.concatenate([rng.random((1, 400)) < 0.5, np.tile([True, False], (400, 100)).T])
    scores = rng.normal(0, 3, 400) + rng.normal(0, 1, members.shape) + members
    return scores, members, scores[1:]


@pytest.mark.parametrize("shadows", [40, 200])
def test_lira_is_the_ratio_of_two_normals_fitted_to_each_row(world: tuple, shadows: int) -> None:
    scores, members, _ = world
    S, M = scores[1 : shadows + 1], members[1 : shadows + 1]
    found, plain = lira.online(scores[0], S, M), []
    spreads = [
        np.sqrt(np.mean([S[M[:, row] == side, row].var(ddof=1) for row in range(400)])) for side in (True, False)
    ]
    for row in range(400):
        parts = [S[M[:, row] == side, row] for side in (True, False)]
        own = [part.std(ddof=1) if shadows == 200 else spread for part, spread in zip(parts, spreads, strict=True)]
        logs = [norm.logpdf(scores[0, row], part.mean(), s) for part, s in zip(parts, own, strict=True)]
        plain.append(logs[0] - logs[1])
    assert np.allclose(found, plain)


def test_lira_finds_what_a_row_s_own_mean_hides_and_offline_needs_no_model_that_saw_it(world: tuple) -> None:
    scores, members, shadows = world
    ideal = norm.cdf(1 / math.sqrt(2))
    assert figures(scores[0], members[0]).auc < 0.65
    assert figures(lira.online(scores[0], shadows, members[1:]), members[0]).auc == pytest.approx(ideal, abs=0.05)
    offline = lira.offline(scores[0], shadows, members[1:])
    assert figures(offline, members[0]).auc == pytest.approx(ideal, abs=0.05)
    altered = np.where(members[1:], shadows + 100.0, shadows)
    assert np.array_equal(offline, lira.offline(scores[0], altered, members[1:]))


def test_a_row_that_too_few_models_saw_is_refused() -> None:
    with pytest.raises(ValueError, match="2 shadow models or more"):
        lira.online(np.zeros(3), np.zeros((3, 3)), np.eye(3, dtype=bool))


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
