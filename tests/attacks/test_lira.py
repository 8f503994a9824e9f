"""The likelihood ratio attack, held against one that fits two normals row by row with scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from fedsov.attacks import lira
from fedsov.attacks.verdict import figures


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
