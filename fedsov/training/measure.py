"""How good a score is, and how sure we are that one is better than another.

Pure numpy. A region with one class has no AUC: the answer is None, never a number that looks like one.

>>> import numpy as np
>>> auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
0.75
"""

from __future__ import annotations

import math

import numpy as np


def auc(y: np.ndarray, score: np.ndarray) -> float | None:
    """Area under the receiver operating characteristic: P(score of a 1 > score of a 0), ties counting half.

    Args:
        y: (N,) of 0 and 1.
        score: (N,) of any monotone scale.

    Returns:
        None where y has one class, or none.
    """
    positive = np.asarray(y) > 0.5
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return None
    above = _midranks(np.asarray(score))[positive].sum() - ones * (ones + 1) / 2
    return float(above / (ones * zeros))


def auc_difference(y: np.ndarray, score_a: np.ndarray, score_b: np.ndarray) -> tuple[float, float] | None:
    """AUC of a less AUC of b on the same rows, and the standard error of that difference.

    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; placements by midranks as in Sun and Xu,
    IEEE Signal Processing Letters 21 (2014) 1389-1393.

    Returns:
        (gain, standard error), or None where a class has fewer than two rows.
    """
    positive = np.asarray(y) > 0.5
    if min(int(positive.sum()), int((~positive).sum())) < 2:
        return None
    ones_a, zeros_a = _placements(positive, np.asarray(score_a))
    ones_b, zeros_b = _placements(positive, np.asarray(score_b))
    of_ones, of_zeros = ones_a - ones_b, zeros_a - zeros_b
    variance = of_ones.var(ddof=1) / len(of_ones) + of_zeros.var(ddof=1) / len(of_zeros)
    return float(of_ones.mean()), math.sqrt(max(0.0, float(variance)))


def log_loss(y: np.ndarray, logits: np.ndarray) -> float:
    """Mean negative log likelihood, in nats, of (N,) outcomes under (N,) logits; NaN for no rows."""
    if not len(y):
        return math.nan
    z = np.asarray(logits, dtype=np.float64)
    return float(np.mean(np.logaddexp(0.0, z) - np.asarray(y) * z))


def _midranks(score: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal scores share the mean of their ranks."""
    _, place, repeats = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(repeats)
    return (last - (repeats - 1) / 2.0)[place]


def _placements(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each 1 the share of 0s it is above; for each 0 the share of 1s that are above it."""
    ones, zeros = int(positive.sum()), int((~positive).sum())
    together = _midranks(score)
    of_ones = (together[positive] - _midranks(score[positive])) / zeros
    of_zeros = 1.0 - (together[~positive] - _midranks(score[~positive])) / ones
    return of_ones, of_zeros
