"""May these synthetic rows be offered to the border? Three questions, asked of every row, answered without
a sample.

1. *Copies.* The share of synthetic rows equal to a training row, above the share equal to a holdout row
   (people the generator never saw: what chance alone makes equal), less what chance alone makes of that difference
   where rows have few different values. Stadler et al. 2022 (https://arxiv.org/abs/2011.07018).
2. *Nearness.* The share of synthetic rows whose nearest real row is a training row. For rows made from the
   distribution alone, training and holdout rows are exchangeable and the share is T / (T + H); copying, even
   with noise, lifts it. Platzer & Reutterer 2021 (https://doi.org/10.3389/fdata.2021.679939). It is asked of
   all rows, and again of the tenth that lie closest to any real row, where a few copies show that are lost among
   many honest rows. Shares are given as for equally many training and holdout rows: 0.5 is chance.
3. *Use.* A logistic regression trained on the synthetic rows must rank holdout outcomes nearly as well as
   one trained on the real ones (TSTR, Esteban et al. 2017, https://arxiv.org/abs/1706.02633). Rows of no
   use have no business abroad.

Passing is evidence, not proof: a table that passes can still reveal a single person's row, and no epsilon is
promised. The limits are those that told copula tables and differentially private ones from full, partial and
jittered copies in trials; tests/privacy repeats them. Everything here is numpy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TIE = 1e-9  # squared distances closer than this are the same distance
CLOSEST = 0.1
BLOCK = 512  # synthetic rows compared at a time: 512 x 4000 distances are 16 MB
RIDGE = 1.0  # penalty of the logistic regression, in units of one row
STEPS = 25  # Newton steps; the regression converges in fewer than ten


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as numbers, scaled alike in all sets compared.

    `features` (N, D) is what a model would see and `target` (N, K) what it would predict: both count for
    nearness. `outcome` (N,) of 0.0 and 1.0 is the target as the question of use puts it.
    """

    features: Floats
    target: Floats
    outcome: Floats

    @property
    def rows(self) -> Floats:
        """(N, D + K): features and target side by side."""
        return np.concatenate([self.features, self.target], axis=1)


@dataclass(frozen=True, slots=True)
class SyntheticLimits:
    """What is tolerated: shares of rows, a loss of AUC; `tolerance` is in standard errors of a share."""

    exact_excess: float = 0.02
    nearer_share: float = 0.53
    use_loss: float = 0.10
    tolerance: float = 2.0


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answers. An AUC is None where one class is missing; `reasons` says what failed, in full
    sentences."""

    exact_excess: float
    nearer_share: float
    closest_share: float
    tstr_auc: float | None
    trtr_auc: float | None
    passed: bool
    reasons: tuple[str, ...]


def assess(
    synthetic: Encoded, *, training: Encoded, holdout: Encoded, limits: SyntheticLimits | None = None
) -> Assessment:
    """Compare synthetic rows with the rows they were made from and with rows of other people, all encoded
    alike.

    Args:
        synthetic: S rows that would leave.
        training: the T rows the generator was fitted on, all of them.
        holdout: H rows of people it never saw; best H = T.

    Raises ValueError for an empty set, unequal widths or values that are not finite.
    """
    limits = limits or SyntheticLimits()
    _check(synthetic, training, holdout)
    drawn, seen, unseen = synthetic.rows, training.rows, holdout.rows
    excess = exact_excess(drawn, training=seen, holdout=unseen)
    nearer = nearer_share(drawn, training=seen, holdout=unseen)
    closest = nearer_share(_closest(drawn, np.concatenate([seen, unseen])), training=seen, holdout=unseen)
    tstr, trtr = _rank(_fit(synthetic), holdout), _rank(_fit(training), holdout)
    reasons = (
        *_copies(excess, limits),
        *_nearness("of the rows", nearer, limits),
        *_nearness("of those closest to real rows", closest, limits),
        *_use(tstr, trtr, limits.use_loss),
    )
    return Assessment(excess[0], nearer[0], closest[0], tstr, trtr, not reasons, reasons)


def _copies(measured: tuple[float, float], limits: SyntheticLimits) -> tuple[str, ...]:
    excess, allowed = measured[0], limits.exact_excess + limits.tolerance * measured[1]
    reason = f"{excess:.1%} more rows equal a training row than chance explains (at most {allowed:.1%})"
    return (reason,) if excess > allowed else ()


def _nearness(which: str, measured: tuple[float, float], limits: SyntheticLimits) -> tuple[str, ...]:
    share, allowed = measured[0], limits.nearer_share + limits.tolerance * measured[1]
    reason = f"{share:.1%} {which} are nearer to training rows than to other people's (at most {allowed:.1%})"
    return (reason,) if share > allowed else ()


def _use(tstr: float | None, trtr: float | None, allowed: float) -> tuple[str, ...]:
    if tstr is None or trtr is None:
        return ("their use cannot be measured: an outcome has one class only",)
    reason = f"a model trained on them has AUC {tstr:.3f}, on real rows {trtr:.3f} (at most {allowed:.2f} less)"
    return (reason,) if trtr - tstr > allowed else ()


def _check(*sets: Encoded) -> None:
    shapes = [(each.features.shape, each.target.shape, each.outcome.shape) for each in sets]
    if any(each.features.ndim != 2 or each.target.ndim != 2 or not len(each.outcome) for each in sets):
        raise ValueError(f"expected (N, D) features, (N, K) target and (N,) outcome, got {shapes}")
    if any(not len(each.features) == len(each.target) == len(each.outcome) for each in sets):
        raise ValueError(f"expected as many features as targets and outcomes, got {shapes}")
    if len({(each.features.shape[1], each.target.shape[1]) for each in sets}) > 1:
        raise ValueError(f"expected three sets of the same width, got {shapes}")
    if not all(np.isfinite(each.rows).all() and np.isin(each.outcome, (0.0, 1.0)).all() for each in sets):
        raise ValueError("expected finite rows and outcomes of 0 or 1; encode missing values first")


def exact_excess(rows: Floats, *, training: Floats, holdout: Floats) -> tuple[float, float]:
    """Share of `rows` equal, bit for bit (-0.0 counted as 0.0), to a training row less the share equal to a holdout
    row, and its standard error under chance.

    What both sets hold cancels. Were the sets dealt at random, a value that one set alone holds would as likely be
    the other's, so the variance is the sum of the squared shares of `rows` with each such value (McNemar 1947,
    https://doi.org/10.1007/BF02295996).
    """
    seen, unseen = ({row.tobytes() for row in real + 0.0} for real in (training, holdout))
    drawn = Counter(row.tobytes() for row in rows + 0.0)
    excess = sum(drawn[value] for value in seen) - sum(drawn[value] for value in unseen)
    variance = sum(drawn[value] ** 2 for value in seen ^ unseen)
    return excess / len(rows), math.sqrt(variance) / len(rows)


def nearer_share(rows: Floats, *, training: Floats, holdout: Floats) -> tuple[float, float]:
    """Balanced share of `rows` whose nearest real row is a training row, and its standard error under chance.

    Distances are Euclidean. A row equally near to several real rows counts in equal parts for each. With
    w_i the share of rows whose nearest is real row i, the raw share is the sum of w_i over training rows;
    were the T training labels dealt at random over all N = T + H real rows, its mean would be p = T / N
    and its variance p (1 - p) N / (N - 1) * sum (w_i - 1/N)^2 (sampling without replacement). Odds are
    divided by T / H, so that 0.5 is chance whatever T and H; the error is carried along to first order.
    """
    weights = _nearest_weights(rows, np.concatenate([training, holdout]))
    total, p = len(weights), len(training) / len(weights)
    share = min(float(weights[: len(training)].sum()), 1.0)
    spread = float(((weights - 1 / total) ** 2).sum())
    error = math.sqrt(p * (1 - p) * total / (total - 1) * spread)
    balanced = share * (1 - p) / (share * (1 - p) + (1 - share) * p)
    return balanced, error * 0.25 / (p * (1 - p))


def _closest(rows: Floats, real: Floats) -> Floats:
    """The tenth of `rows` (more, where distances are equal) whose nearest real row is closest.

    Training and holdout rows take part alike in the choice, so they stay exchangeable among the chosen.
    """
    squared = np.concatenate([block.min(axis=1) for block in _squared_distances(rows, real)])
    closest: Floats = rows[squared <= np.quantile(squared, CLOSEST) + TIE]
    return closest


def _nearest_weights(rows: Floats, real: Floats) -> Floats:
    """For each of the real rows, the share of `rows` nearest to it; sums to 1."""
    weights = np.zeros(len(real))
    for squared in _squared_distances(rows, real):
        nearest = squared <= squared.min(axis=1, keepdims=True) + TIE
        weights += (nearest / nearest.sum(axis=1, keepdims=True)).sum(axis=0)
    return weights / float(weights.sum())


def _squared_distances(rows: Floats, real: Floats) -> Iterator[Floats]:
    """Squared Euclidean distances of `BLOCK` rows at a time to all real rows, (B, N), in float64."""
    lengths = (real**2).sum(axis=1)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        yield (block**2).sum(axis=1, keepdims=True) - 2 * block @ real.T + lengths


def _fit(encoded: Encoded) -> Floats | None:
    """Coefficients (D + 1,) of a ridge logistic regression by Newton's method; None where one class is
    missing."""
    y = encoded.outcome
    if len(set(y.tolist())) < 2:
        return None
    X = _with_intercept(encoded.features)
    penalty = np.full(X.shape[1], RIDGE)
    penalty[0] = 1e-6
    weights = np.zeros(X.shape[1])
    for _ in range(STEPS):
        p = _sigmoid(X @ weights)
        gradient = X.T @ (p - y) + penalty * weights
        curvature = (X * (p * (1 - p))[:, None]).T @ X + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _rank(weights: Floats | None, encoded: Encoded) -> float | None:
    """AUC of the regression's scores, ties counted half (Mann-Whitney); None where either lacks a class."""
    positive = encoded.outcome == 1.0
    if weights is None or positive.all() or not positive.any():
        return None
    scores = _with_intercept(encoded.features) @ weights
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def _with_intercept(rows: Floats) -> Floats:
    return np.concatenate([np.ones((len(rows), 1)), rows], axis=1)


def _sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -35.0, 35.0)))
