"""How well an attack tells the rows a model was trained on from others: figures with intervals, and a verdict.

An attack gives each row a score, higher where it takes the row for a member. What counts is less the average (AUC) than
how many members it names while it accuses hardly anybody falsely: the true positive rate at a false positive rate of
1 % (Carlini et al. 2022, https://arxiv.org/abs/2112.03570). Both come with 95 % intervals that do not collapse where a
score is perfect.

A verdict is about the attacks that were made, on these rows, and about no other: another attack may succeed where these
fail. `pass` needs the upper ends of all intervals within the limits; `fail` is any estimate above its limit; between
them there are too few rows to tell, and the verdict is `undecided`.

>>> made = figures(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, True, False, False]))
>>> made.auc, made.tpr
(1.0, 1.0)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

CONFIDENCE = 0.95
FALSE_POSITIVES = 0.01
"""The share of others that may be taken for members where the true positive rate is read."""


class Interval(NamedTuple):
    """A two-sided confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What an attack's scores come to.

    Attributes:
        auc: chance that a member's score is above another's, ties counting half; 0.5 is a guess.
        tpr: share of members above the threshold that at most 1 % of the others are above.
        false_positives: how many others are above it; with fewer than 100 others it is none.
        members, others: rows of each.
    """

    auc: float
    auc_interval: Interval
    tpr: float
    tpr_interval: Interval
    false_positives: int
    members: int
    others: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "auc_interval": [*self.auc_interval], "tpr_interval": [*self.tpr_interval]}


@dataclass(frozen=True, slots=True)
class AttackLimits:
    """What a passed test may not exceed; the same whatever is tested, so that a verdict means one thing."""

    auc: float = 0.55
    tpr: float = 0.03


@dataclass(frozen=True, slots=True)
class Verdict:
    """`pass`, `fail` or `undecided`, and why, in full sentences."""

    word: str
    reasons: tuple[str, ...]


def clopper_pearson(hits: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """The exact interval of a share, two-sided: each end is wrong with a chance of at most (1 - confidence) / 2.

    Clopper and Pearson, Biometrika 26 (1934) 404-413. One-sided bounds at a confidence c are the ends at 2c - 1.

    Raises:
        ValueError: no trials, more hits than trials, or a confidence outside (0, 1).
    """
    from scipy.special import betaincinv

    if not 0 <= hits <= trials or trials < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"expected 0 <= hits <= trials and 0 < confidence < 1, got {hits}, {trials}, {confidence}")
    tail = (1.0 - confidence) / 2.0
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1.0 - tail)) if hits < trials else 1.0
    return Interval(low, high)


def auc_interval(auc: float, members: int, others: int, confidence: float = CONFIDENCE) -> Interval:
    """An interval of an AUC that stays in [0, 1], also where the AUC is 0 or 1.

    The values theta from which `auc` is no further than z standard errors of theta, with the variance of Hanley and
    McNeil's exponential model in its symmetric form: Newcombe, Statistics in Medicine 25 (2006) 559-573, method 5.
    """
    from scipy.optimize import brentq

    z, beside = NormalDist().inv_cdf(0.5 + confidence / 2.0), (members + others) / 2.0 - 1.0

    def excess(theta: float) -> float:
        spread = 1.0 + beside * (1.0 - theta) / (2.0 - theta) + beside * theta / (1.0 + theta)
        return (auc - theta) ** 2 - z**2 * theta * (1.0 - theta) * spread / (members * others)

    low = brentq(excess, 0.0, auc) if 0.0 < auc < 1.0 else 0.0 if auc <= 0.0 else brentq(excess, 0.0, 1.0 - 1e-12)
    high = brentq(excess, auc, 1.0) if 0.0 < auc < 1.0 else 1.0 if auc >= 1.0 else brentq(excess, 1e-12, 1.0)
    return Interval(float(low), float(high))


def figures(scores: np.ndarray, members: np.ndarray) -> Figures:
    """The figures of (N,) scores, where (N,) bool `members` says who was trained on.

    Raises:
        ValueError: scores that are not finite, or no members, or nobody else.
    """
    scores, members = np.asarray(scores, np.float64), np.asarray(members, bool)
    ones, zeros = int(members.sum()), int((~members).sum())
    if scores.shape != members.shape or not ones or not zeros or not np.isfinite(scores).all():
        raise ValueError(f"expected finite scores of members and of others, got {ones} and {zeros} of them")
    auc = _auc(scores[members], scores[~members])
    allowed = math.floor(FALSE_POSITIVES * zeros + 1e-9)
    threshold = np.sort(scores[~members])[::-1][allowed]  # strictly above it are at most `allowed` others
    hits, wrong = int((scores[members] > threshold).sum()), int((scores[~members] > threshold).sum())
    return Figures(auc, auc_interval(auc, ones, zeros), hits / ones, clopper_pearson(hits, ones), wrong, ones, zeros)


def _auc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Mann-Whitney: the share of pairs in which the member's score is higher, ties counting half."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, "left") + np.searchsorted(ordered, inside, "right")
    return float(below.sum() / (2.0 * len(inside) * len(outside)))


def verdict(attacks: Mapping[str, Figures], audits: Mapping[str, tuple[float, float]], limits: AttackLimits) -> Verdict:
    """The verdict on attacks by name, and on audits by name as (lower bound, claimed epsilon).

    An audit can only fail a test: a lower bound far below the claim is what weak canaries give, too.
    """
    failed, unclear = [], []
    for name, shown in attacks.items():
        for what, estimate, high, limit in (
            ("AUC", shown.auc, shown.auc_interval.high, limits.auc),
            ("TPR at 1% FPR", shown.tpr, shown.tpr_interval.high, limits.tpr),
        ):
            if estimate > limit:
                failed.append(f"{name} has {what} {estimate:.3f} (at most {limit:g})")
            elif high > limit:
                unclear.append(f"{name} may have {what} up to {high:.3f} (at most {limit:g}): too few rows to tell")
    failed += [
        f"{name} shows an epsilon of {low:.3f} or more, and {claimed:.3f} is claimed"
        for name, (low, claimed) in audits.items()
        if low > claimed
    ]
    if failed:
        return Verdict("fail", tuple(failed))
    if not attacks:
        return Verdict("undecided", ("no membership attack was made",))
    return Verdict("undecided", tuple(unclear)) if unclear else Verdict("pass", ())
