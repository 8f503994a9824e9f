"""The figures of an attack and the verdict on them, held against scipy and an exhaustive count."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from fedsov.attacks.verdict import AttackLimits, Figures, Interval, auc_interval, clopper_pearson, figures, verdict


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
    limits = AttackLimits()
    assert verdict({"a": _figures(0.51, 0.54)}, {}, limits).word == "pass"
    assert verdict({"a": _figures(0.51, 0.56)}, {}, limits).word == "undecided"
    failed = verdict({"a": _figures(0.51, 0.54), "b": _figures(0.56, 0.6)}, {}, limits)
    assert failed.word == "fail" and failed.reasons == ("b has AUC 0.560 (at most 0.55)",)
    assert verdict({"a": _figures(0.5, 0.54, tpr=0.031)}, {}, limits).word == "fail"
    assert verdict({"a": _figures(0.5, 0.54, tpr=0.025)}, {}, limits).word == "undecided"


def test_an_audit_can_fail_a_test_and_cannot_pass_one() -> None:
    assert verdict({"a": _figures(0.5, 0.54)}, {"canary": (3.2, 3.0)}, AttackLimits()).word == "fail"
    assert verdict({"a": _figures(0.5, 0.54)}, {"canary": (0.1, 3.0)}, AttackLimits()).word == "pass"
    assert verdict({}, {"canary": (0.1, 3.0)}, AttackLimits()).word == "undecided"
