"""How good a model's answers are, and how sure we are that one model is better than another.

Pure numpy. Classes are measured by AUC, numbers by R², the share of their variance that is explained. A region with
one class has no AUC, one whose numbers are all the same no R²: the answer is None, never a number that looks like one.
Scores of several classes or labels, (N, C), have the mean of each one's AUC against all others (macro, one-vs-rest), of
those that occur.

>>> import numpy as np
>>> auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
0.75
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


def auc(y: np.ndarray, score: np.ndarray) -> float | None:
    """Area under the receiver operating characteristic: P(score of a 1 > score of a 0), ties counting half.

    Args:
        y: (N,) of 0 and 1, or class numbers from 0; or (N, C) of 0 and 1, a column for each label.
        score: (N,) of any monotone scale, or (N, C), one for each class or label: then the mean of each one's AUC.

    Returns:
        None where y has one class, or none.
    """
    each = [_area(positive, scores) for positive, scores in _sides(y, score)]
    return float(np.mean(each)) if each else None


def auc_difference(y: np.ndarray, score_a: np.ndarray, score_b: np.ndarray) -> tuple[float, float] | None:
    """AUC of a less AUC of b on the same rows, and the standard error of that difference.

    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; placements by midranks as in Sun and Xu,
    IEEE Signal Processing Letters 21 (2014) 1389-1393.

    For several classes or labels the same over the mean of their AUCs: each row's deviations, of all classes, are added
    before they are squared.

    Returns:
        (gain, standard error), or None where a class that occurs, or all others, have fewer than two rows.
    """
    sides = list(zip(_sides(y, score_a), _sides(y, score_b), strict=True))
    if not sides or min(min(int(positive.sum()), int((~positive).sum())) for (positive, _), _ in sides) < 2:
        return None
    gains, deviations = zip(*(_deviations(positive, (a, b)) for (positive, a), (_, b) in sides), strict=True)
    variance = np.square(np.mean(deviations, axis=0)).sum()
    return float(np.mean(gains)), math.sqrt(float(variance))


def _sides(y: np.ndarray, score: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(N,) whether a row is of it, and (N,) scores, for each outcome, class or label that tells rows apart."""
    outcomes, scores = np.asarray(y), np.asarray(score)
    if scores.ndim == 1:
        sides = [(outcomes > 0.5, scores)]
    elif outcomes.ndim == 2:
        sides = [(outcomes[:, label] > 0.5, scores[:, label]) for label in range(outcomes.shape[1])]
    else:
        sides = [(outcomes == label, scores[:, int(label)]) for label in np.unique(outcomes)]
    return [(positive, side) for positive, side in sides if positive.any() and not positive.all()]


def _area(positive: np.ndarray, score: np.ndarray) -> float:
    ones, zeros = int(positive.sum()), int((~positive).sum())
    return float((_midranks(score)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _deviations(positive: np.ndarray, scores: tuple[np.ndarray, np.ndarray]) -> tuple[float, np.ndarray]:
    """The gain, and (N,) each row's share in its error: squared and added up they are DeLong's variance."""
    (ones_a, zeros_a), (ones_b, zeros_b) = (_placements(positive, each) for each in scores)
    deviations = np.zeros(len(positive))
    for rows, placed in ((positive, ones_a - ones_b), (~positive, zeros_a - zeros_b)):
        deviations[rows] = (placed - placed.mean()) / math.sqrt(len(placed) * (len(placed) - 1))
    return float((ones_a - ones_b).mean()), deviations


def log_loss(y: np.ndarray, logits: np.ndarray, class_weights: Sequence[float] = ()) -> float:
    """Mean negative log likelihood, in nats, of (N,) outcomes; NaN for no rows.

    Args:
        y: of 0 and 1, or class numbers from 0; or (N, C) of 0 and 1: then the mean over labels too.
        logits: (N,), or (N, C), one for each class or label.
        class_weights: how much rows of 0 and of 1, of each class, or a label where a row has it, count in the sum; it
            is divided by the number of rows all the same, as in training.
    """
    return float(np.mean(log_losses(y, logits, class_weights))) if len(y) else math.nan


def log_losses(y: np.ndarray, logits: np.ndarray, class_weights: Sequence[float] = ()) -> np.ndarray:
    """(N,) or (N, C) negative log likelihoods, of which `log_loss` is the mean."""
    z, chosen = np.asarray(logits, dtype=np.float64), np.asarray(y).astype(np.int64)
    if z.shape == chosen.shape:
        losses = np.logaddexp(0.0, z) - chosen * z
    else:
        losses = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), chosen]
    if chosen.ndim == 2:
        weighed = losses * np.where(chosen, class_weights, 1.0) if len(class_weights) else losses
    else:
        weighed = losses * np.asarray(class_weights)[chosen] if len(class_weights) else losses
    return np.asarray(weighed)


def r_squared(y: np.ndarray, answers: np.ndarray) -> float | None:
    """1 less the answers' squared error over that of the mean of (N,) outcomes; None where all are the same number."""
    spread = _spread(y)
    return 1.0 - float(squared_errors(y, answers).sum()) / spread if spread else None


def r_squared_difference(y: np.ndarray, answers_a: np.ndarray, answers_b: np.ndarray) -> tuple[float, float] | None:
    """R² of a less R² of b on the same rows, and its standard error, the outcomes' variance taken as given.

    The gain is a mean over rows of how much less b's squared error a has, so that its error is that of a mean of paired
    differences (as Diebold and Mariano, Journal of Business & Economic Statistics 13 (1995) 253-263, of single steps).

    Returns:
        (gain, standard error), or None for fewer than two different outcomes.
    """
    spread = _spread(y)
    if not spread:
        return None
    less = (squared_errors(y, answers_b) - squared_errors(y, answers_a)) / spread
    return float(less.sum()), math.sqrt(len(less)) * float(np.std(less, ddof=1))


def squared_errors(y: np.ndarray, answers: np.ndarray, class_weights: Sequence[float] = ()) -> np.ndarray:
    """(N,) squared errors of (N,) answers. Numbers have no classes, and no `class_weights`."""
    del class_weights
    return np.square(np.asarray(y, dtype=np.float64) - np.asarray(answers, dtype=np.float64))


def _spread(y: np.ndarray) -> float:
    """The sum of squared distances of (N,) numbers from their mean; 0.0 where all are the same."""
    numbers = np.asarray(y, dtype=np.float64)
    return float(np.square(numbers - numbers.mean()).sum()) if len(np.unique(numbers)) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Measure:
    """How models are told apart: one is chosen by its `loss`, and `score` is for people.

    Attributes:
        name: of the score in records, "auc" or "r2".
        title: the same in a table.
        losses: (N,) outcomes, (N,) or (N, C) answers and class weights to what each row has, (N,) or (N, C).
        loss_name: what the loss is called in a sentence.
        score: outcomes and answers to a number, more is better; or None.
        difference: outcomes and two models' answers to the gain of the first and its standard error; or None.
    """

    name: str
    title: str
    losses: Callable[[np.ndarray, np.ndarray, Sequence[float]], np.ndarray]
    loss_name: str
    score: Callable[[np.ndarray, np.ndarray], float | None]
    difference: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, float] | None]

    def loss(self, y: np.ndarray, answers: np.ndarray, class_weights: Sequence[float] = ()) -> float:
        """The mean of the `losses`, less is better; NaN for no rows."""
        return float(np.mean(self.losses(y, answers, class_weights))) if len(y) else math.nan

    def called(self, key: str) -> str:
        """A figure's key as records have it: "local_score" is "local_auc"."""
        return key.replace("score", self.name)


_AUC = Measure("auc", "AUC", log_losses, "log loss", auc, auc_difference)
MEASURES: Mapping[str, Measure] = {
    "binary": _AUC,
    "multiclass": _AUC,
    "multilabel": _AUC,
    "regression": Measure("r2", "R²", squared_errors, "squared error", r_squared, r_squared_difference),
}
"""By what a run learns (`fedsov.model.targets.TargetRule.task`)."""


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
