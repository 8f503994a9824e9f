"""Small populations with a known law: fresh rows must pass, copies in every disguise must fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.privacy import synthetic_check
from fedsov.privacy.synthetic_check import Encoded, SyntheticLimits, assess, nearer_share

WIDTH = 12


def people(rng: np.random.Generator, rows: int) -> Encoded:
    """Correlated columns, half of them coarse, and an outcome that depends on them."""
    latent = rng.normal(size=(rows, 3))
    features = latent @ np.array([[1.0] * WIDTH, [0.5, -1.0] * (WIDTH // 2), [0.3] * WIDTH])
    features += rng.normal(size=features.shape)
    features[:, ::2] = np.round(features[:, ::2])
    outcome = (features[:, 0] + latent[:, 1] + rng.normal(size=rows) > 0).astype(float)
    return Encoded(features, outcome[:, None], outcome)


def joined(a: Encoded, b: Encoded) -> Encoded:
    parts = ((getattr(a, name), getattr(b, name)) for name in ("features", "target", "outcome"))
    return Encoded(*(np.concatenate(pair) for pair in parts))


def first(each: Encoded, rows: int) -> Encoded:
    return Encoded(each.features[:rows], each.target[:rows], each.outcome[:rows])


def jittered(each: Encoded, rng: np.random.Generator, size: float) -> Encoded:
    return replace(each, features=each.features + rng.normal(0, size, each.features.shape))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_fresh_rows_of_the_same_law_pass(rng):
    found = assess(people(rng, 800), training=people(rng, 800), holdout=people(rng, 800))
    assert found.passed
    assert found.reasons == ()
    assert abs(found.exact_excess) < 0.01
    assert 0.45 < found.nearer_share < 0.55
    assert found.tstr_auc > found.trtr_auc - 0.05


def test_a_copy_fails_for_being_equal_and_for_being_near(rng):
    training = people(rng, 800)
    found = assess(training, training=training, holdout=people(rng, 800))
    assert not found.passed
    assert (found.exact_excess, found.nearer_share, found.closest_share) == pytest.approx((1.0, 1.0, 1.0))
    assert len(found.reasons) == 3
    assert found.tstr_auc == found.trtr_auc


@pytest.mark.parametrize("size", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("sizes", [(1000, 1000), (1600, 800), (800, 1600)])
def test_one_row_in_five_copied_fails_whatever_the_noise_and_the_sizes(rng, size, sizes):
    training = people(rng, sizes[0])
    copies = jittered(first(training, 200), rng, size)
    found = assess(joined(people(rng, 800), copies), training=training, holdout=people(rng, sizes[1]))
    assert not found.passed
    assert found.closest_share > 0.9


@pytest.mark.parametrize("size", [0.0, 0.05])
def test_one_row_in_twenty_copied_fails(rng, size):
    training = people(rng, 800)
    copies = jittered(first(training, 50), rng, size)
    found = assess(joined(people(rng, 950), copies), training=training, holdout=people(rng, 800))
    assert "of those closest to real rows" in found.reasons[-1]


def test_jittered_copies_fail_although_none_is_equal(rng):
    training = people(rng, 800)
    found = assess(jittered(training, rng, 0.2), training=training, holdout=people(rng, 800))
    assert found.exact_excess == 0.0
    assert "nearer to training rows" in found.reasons[0]


def test_noise_fails_for_being_of_no_use(rng):
    training = people(rng, 800)
    shuffled = rng.permutation(training.outcome)
    noise = Encoded(rng.normal(0, 2, (800, WIDTH)), shuffled[:, None], shuffled)
    found = assess(noise, training=training, holdout=people(rng, 800))
    assert not found.passed
    assert len(found.reasons) == 1
    assert "AUC" in found.reasons[0]


def test_fresh_rows_are_hardly_ever_refused():
    refused = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = assess(people(rng, 300), training=people(rng, 300), holdout=people(rng, 200))
        refused += not found.passed
    assert refused <= 3


def test_one_class_is_refused_not_guessed(rng):
    one = people(rng, 100)
    one = replace(one, outcome=np.ones(100))
    found = assess(one, training=people(rng, 100), holdout=people(rng, 100))
    assert found.tstr_auc is None
    assert not found.passed
    assert "one class only" in found.reasons[-1]


def test_limits_are_the_caller_s(rng):
    sets = people(rng, 400), people(rng, 400), people(rng, 400)
    strict = SyntheticLimits(nearer_share=0.0, tolerance=0.0)
    assert assess(sets[0], training=sets[1], holdout=sets[2]).passed
    assert not assess(sets[0], training=sets[1], holdout=sets[2], limits=strict).passed


@pytest.mark.parametrize(
    "broken",
    [
        Encoded(np.zeros((0, WIDTH)), np.zeros((0, 1)), np.zeros(0)),
        Encoded(np.zeros((3, WIDTH - 1)), np.zeros((3, 1)), np.zeros(3)),
        Encoded(np.zeros((3, WIDTH)), np.zeros((3, 1)), np.zeros(4)),
        Encoded(np.full((3, WIDTH), np.nan), np.zeros((3, 1)), np.zeros(3)),
        Encoded(np.zeros((3, WIDTH)), np.zeros((3, 1)), np.full(3, 0.5)),
    ],
)
def test_what_cannot_be_compared_is_an_error(rng, broken):
    with pytest.raises(ValueError, match="expected"):
        assess(broken, training=people(rng, 50), holdout=people(rng, 50))


def test_the_nearer_share_s_error_is_that_of_dealing_the_labels_at_random(rng):
    rows, real = people(rng, 150).rows, people(rng, 120).rows
    weights = synthetic_check._nearest_weights(rows, real)
    dealt = [weights[rng.permutation(120)[:80]].sum() for _ in range(4000)]
    share, error = nearer_share(rows, training=real[:80], holdout=real[80:])
    assert np.mean(dealt) == pytest.approx(80 / 120, abs=0.005)
    assert error == pytest.approx(np.std(dealt) * 0.25 / (2 / 9), rel=0.05)
    raw = weights[:80].sum()
    assert share / (1 - share) == pytest.approx(raw / (1 - raw) * 40 / 80)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_nearest_rows_agree_with_brute_force(seed, s, t, h):
    rng = np.random.default_rng(seed)
    rows, real = rng.integers(0, 3, (s, 2)).astype(float), rng.integers(0, 3, (t + h, 2)).astype(float)
    distances = ((rows[:, None] - real[None]) ** 2).sum(axis=2)
    nearest = distances == distances.min(axis=1, keepdims=True)
    expected = (nearest / nearest.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(synthetic_check._nearest_weights(rows, real), expected, atol=1e-12)
    share, error = nearer_share(rows, training=real[:t], holdout=real[t:])
    swapped, _ = nearer_share(rows, training=real[t:], holdout=real[:t])
    assert share + swapped == pytest.approx(1.0)
    assert error >= 0


def test_the_regression_and_the_auc_agree_with_scikit_learn(rng):
    from sklearn import linear_model, metrics  # comes with the extra synthetic

    seen, unseen = people(rng, 300), people(rng, 200)
    theirs = linear_model.LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(seen.features, seen.outcome)
    ours = synthetic_check._fit(seen)
    np.testing.assert_allclose(ours, [*theirs.intercept_, *theirs.coef_[0]], atol=1e-4)
    coarse = replace(unseen, features=np.round(unseen.features))
    scores = coarse.features @ ours[1:]
    expected = metrics.roc_auc_score(coarse.outcome, scores)
    assert synthetic_check._rank(ours, coarse) == pytest.approx(expected)


def test_separable_outcomes_do_not_overflow(rng):
    x = np.linspace(-1e4, 1e4, 100)[:, None]
    y = (x[:, 0] > 0).astype(float)
    each = Encoded(x, y[:, None], y)
    with np.errstate(all="raise", under="ignore"):
        assert assess(each, training=each, holdout=each).trtr_auc == 1.0
