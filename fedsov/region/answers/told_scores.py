"""Scores over people's rows as they leave: so coarse that one person's row changes none of them but by luck.

A hub makes up the model that is scored. One that is a step at a threshold would tell, by two scores to their last
digit, whether the one person between two thresholds is ill. So each person counts once in a loss. The least and the
greatest losses, as many at each end as an answer stands for, are drawn in to the last of them, and the mean is rounded
to its standard error. AUC is rounded to the largest standard error that it can have with so many people.

>>> told_mean(np.arange(100.0), np.arange(100), 10)
48.0
"""

from __future__ import annotations

import math

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.model.disclosure import owners_of, people_in
from fedsov.model.metrics import MEASURES
from fedsov.training.rows import Rows


def told_scores(rows: Rows, logits: np.ndarray, steps: LocalSteps, least: int) -> dict[str, float]:
    """The loss and the score of (N,) or (N, C) answers on people's rows; NaN for what too few people stand behind.

    Args:
        least: people behind a number, at least; for an AUC those who have an outcome, and those who have it not.
    """
    measure, owners = MEASURES[steps.loss], owners_of(rows.persons, len(rows))
    if people_in(owners) < least:
        return {"loss": math.nan, "score": math.nan}
    with np.errstate(over="ignore", invalid="ignore"):
        losses = measure.losses(rows.y, logits, steps.class_weights)
        loss = told_mean(losses if losses.ndim == 1 else losses.mean(axis=1), owners, least)
    if steps.loss == "regression":
        return {"loss": loss, "score": _explained(rows.y, losses, owners, least)}
    score, error = measure.score(rows.y, logits), _largest_error(rows.y, logits.ndim > 1, owners, least)
    return {"loss": loss, "score": math.nan if score is None else _to(score, error)}


def told_mean(values: np.ndarray, owners: np.ndarray, least: int) -> float:
    """The mean over people of each one's mean of (N,) values, the extremes drawn in, to its standard error.

    With ten people at either end, one person's row moves the mean by less than half of the step that it is rounded to.
    NaN where no mean is finite.
    """
    mean, error = _mean_and_error(values, owners, least)
    return _to(mean, error)


def _mean_and_error(values: np.ndarray, owners: np.ndarray, least: int) -> tuple[float, float]:
    known = np.nan_to_num(
        values.astype(np.float64), nan=np.finfo(np.float64).max
    )  # that one has none tells of that one
    nobody = owners < 0
    each = np.where(nobody, owners.max() + np.cumsum(nobody), owners)  # rows of nobody count each
    people = np.bincount(each, weights=known) / np.maximum(np.bincount(each), 1)
    drawn_in = _drawn_in(people, least)
    return float(drawn_in.mean()), float(drawn_in.std(ddof=1)) / math.sqrt(len(drawn_in))


def _drawn_in(values: np.ndarray, least: int) -> np.ndarray:
    """(N,) values within the last of the least and of the greatest ones, as many as an answer stands for."""
    ends, ordered = min(least, max(len(values) // 4, 1)), np.sort(values)
    return np.asarray(np.clip(values, ordered[ends - 1], ordered[-ends]))


def _explained(y: np.ndarray, losses: np.ndarray, owners: np.ndarray, least: int) -> float:
    """R² from squared errors and squared deviations whose extremes are drawn in."""
    numbers = np.asarray(y, np.float64)
    deviations = np.square(numbers - _drawn_in(numbers, least).mean())
    spread, _ = _mean_and_error(deviations, owners, least)
    squares, error = _mean_and_error(losses, owners, least)
    return _to(1.0 - squares / spread, error / spread) if spread else math.nan


def _largest_error(y: np.ndarray, several: bool, owners: np.ndarray, least: int) -> float:
    """An upper bound of an AUC's standard error; NaN where fewer people have an outcome, or have it not.

    The variance of an AUC A over m and n people is at most A (1 - A) / min(m, n) (Birnbaum & Klose, Annals of
    Mathematical Statistics 28 (1957) 933-945). Of people with several rows fewer count, by the squares of their rows.
    """
    if not several:
        sides = [y > 0.5]
    elif y.ndim == 2:
        sides = [label > 0.5 for label in y.T]
    else:
        sides = [y == value for value in np.unique(y)]
    errors = []
    for side in sides:
        groups = [owners[chosen & (owners >= 0)] for chosen in (side, ~side)]
        if min(map(people_in, groups)) < least:
            return math.nan
        counts = [np.bincount(group).astype(np.float64) for group in groups]
        errors.append(0.5 * math.sqrt(max(float((each**2).sum() / each.sum() ** 2) for each in counts)))
    return max(errors)


def _to(value: float, error: float) -> float:
    """The number in whole steps of the least power of two that is not below its error."""
    if not (math.isfinite(value) and math.isfinite(error)):
        return math.nan
    if error == 0:
        return value
    step = 2.0 ** math.ceil(math.log2(error))
    return round(value / step) * step
