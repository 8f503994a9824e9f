"""AUC and its differences, against direct counts and the bootstrap."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.model.metrics import MEASURES, auc, auc_difference, log_loss, r_squared, r_squared_difference

PAIRS = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_auc_is_the_share_of_pairs_in_order_with_ties_counting_half(rows):
    y, score = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows], float)
    ones, zeros = score[y == 1], score[y == 0]
    if not len(ones) or not len(zeros):
        assert auc(y, score) is None
        return
    pairs = np.sign(ones[:, None] - zeros[None, :]) / 2 + 0.5
    assert auc(y, score) == pytest.approx(pairs.mean())
    assert auc(y, 3 * score + 1) == pytest.approx(auc(y, score))
    assert auc(y, -score) == pytest.approx(1 - auc(y, score))


def test_nothing_has_no_auc():
    assert auc(np.array([]), np.array([])) is None
    assert auc_difference(np.array([1, 0, 0]), np.zeros(3), np.zeros(3)) is None


def correlated(seed=0, n=300):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(float)
    shared = rng.normal(size=n)
    return y, y + shared + rng.normal(size=n), 0.6 * y + shared + rng.normal(size=n)


def test_the_gain_is_the_difference_of_the_two_aucs_and_changes_sign_with_their_order():
    y, a, b = correlated()
    gain, error = auc_difference(y, a, b)
    assert gain == pytest.approx(auc(y, a) - auc(y, b))
    assert auc_difference(y, b, a) == pytest.approx((-gain, error))
    assert auc_difference(y, a, a) == (0.0, 0.0)


def test_the_standard_error_agrees_with_the_bootstrap():
    y, a, b = correlated()
    rng, draws = np.random.default_rng(1), []
    for _ in range(1500):
        rows = rng.integers(0, len(y), len(y))
        draws.append(auc(y[rows], a[rows]) - auc(y[rows], b[rows]))
    assert auc_difference(y, a, b)[1] == pytest.approx(np.std(draws), rel=0.1)


def test_the_standard_error_covers_the_true_difference_nineteen_times_in_twenty():
    truth = np.mean([auc_difference(*correlated(s, 2000))[0] for s in range(1000, 1050)])
    found = [auc_difference(*correlated(s)) for s in range(400)]
    covered = np.mean([abs(gain - truth) < 1.96 * error for gain, error in found])
    assert 0.92 < covered < 0.98


def test_log_loss_is_finite_for_extreme_logits_and_nan_for_no_rows():
    assert log_loss(np.array([1.0, 0.0]), np.array([0.0, 0.0])) == pytest.approx(math.log(2))
    assert log_loss(np.array([1.0, 0.0]), np.array([1e4, 1e4])) == pytest.approx(5e3)
    assert math.isnan(log_loss(np.array([]), np.array([])))


def several(seed, rows=90):
    """Scores of three classes by two models, the second worse, and the classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    sure = rng.normal(size=(rows, 3)) + 1.5 * np.eye(3)[y]
    return y, sure, sure + rng.normal(size=(rows, 3))


def test_the_auc_of_several_classes_is_the_mean_of_each_against_the_others():
    from sklearn.metrics import roc_auc_score

    y, scores, _ = several(0)
    expected = np.mean([roc_auc_score(y == label, scores[:, label]) for label in range(3)])
    assert auc(y, scores) == pytest.approx(expected)
    some = y < 2
    expected = np.mean([roc_auc_score(y[some] == label, scores[some, label]) for label in range(2)])
    assert auc(y[some], scores[some]) == pytest.approx(expected)  # a class that does not occur has no say
    assert auc(np.zeros(4), scores[:4]) is None and auc(np.zeros(0), scores[:0]) is None


def test_two_classes_are_compared_as_one_outcome_is():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    a, b = y + rng.normal(size=80), y + 2 * rng.normal(size=80)
    both = [np.column_stack([-score, score]) for score in (a, b)]
    assert auc(y, both[0]) == pytest.approx(auc(y, a))
    assert auc_difference(y, *both) == pytest.approx(auc_difference(y, a, b))


def test_the_error_of_several_classes_is_the_spread_over_other_rows():
    gains, errors = zip(*(auc_difference(*several(seed)) for seed in range(400)), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.1)
    y, a, b = several(0)
    assert auc_difference(y, a, a) == (0.0, 0.0)
    assert auc_difference(np.append(y[y > 0][:40], 0), a[:41], b[:41]) is None  # one row of class 0


def test_log_loss_of_classes_and_weights_is_torch_s():
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

    y, scores, _ = several(1)
    weights = (1.0, 3.0, 0.5)
    each = cross_entropy(torch.from_numpy(scores), torch.from_numpy(y), reduction="none").numpy()
    assert log_loss(y, scores) == pytest.approx(each.mean())
    assert log_loss(y, scores, weights) == pytest.approx((each * np.array(weights)[y]).mean())
    ones = (y > 0).astype(float)
    each = binary_cross_entropy_with_logits(*map(torch.from_numpy, (scores[:, 0], ones)), reduction="none").numpy()
    assert log_loss(ones, scores[:, 0], (2.0, 5.0)) == pytest.approx((each * np.where(ones > 0, 5.0, 2.0)).mean())
    assert log_loss(ones, scores[:, 0], (1.0, 1.0)) == log_loss(ones, scores[:, 0])
    assert math.isfinite(log_loss(y, 1e5 * scores))


def numbers(seed, rows=90):
    """Numbers, and two models' answers to them, the second worse."""
    rng = np.random.default_rng(seed)
    y = 3.0 + rng.normal(size=rows)
    near = y + 0.5 * rng.normal(size=rows)
    return y, near, near + 0.5 * rng.normal(size=rows)


def test_r_squared_is_scikit_learn_s_and_squared_error_its_numerator():
    from sklearn.metrics import mean_squared_error, r2_score

    (y, near, _), squared_error = numbers(0), MEASURES["regression"].loss
    assert r_squared(y, near) == pytest.approx(r2_score(y, near))
    assert squared_error(y, near) == pytest.approx(mean_squared_error(y, near))
    assert r_squared(y, np.full(len(y), y.mean())) == pytest.approx(0.0)
    assert r_squared(7 * y + 1, 7 * near + 1) == pytest.approx(r_squared(y, near))
    assert r_squared(np.full(5, 0.1), np.zeros(5)) is None and r_squared(np.zeros(0), np.zeros(0)) is None
    assert r_squared_difference(np.full(5, 0.1), np.zeros(5), np.ones(5)) is None
    assert math.isnan(squared_error(np.zeros(0), np.zeros(0)))


def test_the_gain_in_r_squared_is_the_difference_and_its_error_the_spread_over_other_rows():
    y, a, b = numbers(0)
    gain, error = r_squared_difference(y, a, b)
    assert gain == pytest.approx(r_squared(y, a) - r_squared(y, b))
    assert r_squared_difference(y, b, a) == pytest.approx((-gain, error))
    assert r_squared_difference(y, a, a) == (0.0, 0.0)
    gains, errors = zip(*(r_squared_difference(*numbers(seed)) for seed in range(400)), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.15)


def test_labels_are_measured_one_by_one_and_their_loss_is_torch_s():
    import torch
    from sklearn.metrics import roc_auc_score
    from torch.nn.functional import binary_cross_entropy_with_logits

    rng = np.random.default_rng(0)
    y = (rng.random((90, 3)) < (0.2, 0.5, 0.7)).astype(float)
    a = y + rng.normal(size=y.shape)
    b = a + rng.normal(size=y.shape)
    assert auc(y, a) == pytest.approx(roc_auc_score(y, a, average="macro"))
    gain, error = auc_difference(y, a, b)
    assert gain == pytest.approx(auc(y, a) - auc(y, b)) and 0 < error < 0.1
    lacking = np.column_stack([y[:, :2], np.zeros(90)])
    assert auc(lacking, a) == pytest.approx(auc(y[:, :2], a[:, :2]))  # a label that no row has says nothing
    weights = (4.0, 1.0, 0.5)
    targets, logits = torch.from_numpy(y), torch.from_numpy(a)
    each = binary_cross_entropy_with_logits(logits, targets, reduction="none").numpy()
    assert log_loss(y, a) == pytest.approx(each.mean())
    assert log_loss(y, a, weights) == pytest.approx((each * (1 + (np.array(weights) - 1) * y)).mean())
