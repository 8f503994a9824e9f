"""Scores over people's rows as they leave: so coarse that one person's row changes none of them but by luck.

A hub makes up the model that is scored. One that is a step at a threshold would tell, by two scores to their last
digit, whether the one person between two thresholds is ill; so of the scores of a run's end as of a round's. So each
person counts once in a loss. The least and the
greatest losses, as many at each end as an answer stands for, are drawn in to the last of them, and the mean is rounded
to its standard error. AUC is rounded to the largest standard error that it can have with so many people. What is added
before a number is rounded follows from the region's secret and the very answers: else bisecting a model's scale would
find where the rounding turns, and so the number.

>>> told_mean(np.arange(100.0), np.arange(100), 10)
48.0
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.model.disclosure import owners_of, people_in
from fedsov.model.metrics import MEASURES
from fedsov.training.rows import DataSplit, Rows

if TYPE_CHECKING:
    from fedsov.region.strategies.selection import RegionModel


@dataclass(frozen=True, slots=True)
class Telling:
    """How scores are told.

    Attributes:
        least: people behind a number, at least; for an AUC those who have an outcome, and those who have it not.
        key: the region's secret, 32 bytes.
    """

    least: int
    key: bytes

    def offset(self, name: str, *answers: np.ndarray) -> float:
        """What is added to a number before it is rounded, in [-0.5, 0.5) of a step; the same for the same answers."""
        digest = hashlib.blake2b(name.encode(), key=self.key, digest_size=8)
        for each in answers:
            digest.update(np.ascontiguousarray(each, np.float64).tobytes())
        return int.from_bytes(digest.digest(), "big") / 2.0**64 - 0.5


def told_scores(rows: Rows, logits: np.ndarray, steps: LocalSteps, telling: Telling) -> dict[str, float]:
    """The loss and the score of (N,) or (N, C) answers on people's rows; NaN for what too few people stand behind."""
    least = telling.least
    measure, owners = MEASURES[steps.loss], owners_of(rows.persons, len(rows))
    if people_in(owners) < least:
        return {"loss": math.nan, "score": math.nan}
    with np.errstate(over="ignore", invalid="ignore"):
        losses = measure.losses(rows.y, logits, steps.class_weights)
        each = losses if losses.ndim == 1 else losses.mean(axis=1)
        loss = told_mean(each, owners, least, telling.offset("loss", logits))
    if steps.loss == "regression":
        score, error = _explained(rows.y, losses, owners, least)
    else:
        exact, error = measure.score(rows.y, logits), _largest_error(rows.y, logits.ndim > 1, owners, least)
        score = math.nan if exact is None else exact
    return {"loss": loss, "score": _to(score, error, telling.offset("score", logits))}


def told_result(result: RegionModel, rows: DataSplit, steps: LocalSteps, telling: Telling) -> dict[str, float | None]:
    """The scores of a region's end, by their names in its answer; None for what too few people stand behind.

    A gain is as coarse as its own standard error, and at least so that one person's row moves it by half a step; the
    error told with it is that step, which is no smaller.
    """
    test, validation, beside = result.predictions.test, result.predictions.validation, result.predictions.alone
    scores = {
        "score": told_scores(rows.test, test, steps, telling)["score"],
        "local_score": math.nan if beside is None else told_scores(rows.test, beside, steps, telling)["score"],
        "validation_score": told_scores(rows.validation, validation, steps, telling)["score"],
    }
    gain, error, offset = math.nan, math.nan, 0.0
    if beside is not None and math.isfinite(scores["score"]) and math.isfinite(scores["local_score"]):
        gain, error = _gain(rows.test, test, beside, steps, telling.least)
        offset = telling.offset("gain", test, beside)
    scores |= {"gain": _to(gain, error, offset), "gain_se": _step(error)}
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}


def _gain(rows: Rows, answers: np.ndarray, beside: np.ndarray, steps: LocalSteps, least: int) -> tuple[float, float]:
    """How much better the first answers are, and the error that it is told to; NaN where there is none."""
    if np.array_equal(answers, beside):  # one model twice: which one was selected is told by name
        return 0.0, 0.0
    measure, owners = MEASURES[steps.loss], owners_of(rows.persons, len(rows))
    if steps.loss == "regression":
        less = measure.losses(rows.y, beside, ()) - measure.losses(rows.y, answers, ())
        (gain, error), spread = _mean_and_error(less, owners, least), _spread(rows.y, owners, least)
        return (gain / spread, error / spread) if spread else (math.nan, math.nan)
    difference = measure.difference(rows.y, answers, beside)
    if difference is None:
        return math.nan, math.nan
    largest = _largest_error(rows.y, answers.ndim > 1, owners, least)
    one_person = 4.0 * largest**2  # an AUC's largest error over n people is 1 / (2 √n), and one of them moves it by 1/n
    return difference[0], max(difference[1], 2.0 * one_person)


def told_mean(values: np.ndarray, owners: np.ndarray, least: int, offset: float = 0.0) -> float:
    """The mean over people of each one's mean of (N,) values, the extremes drawn in, to its standard error.

    With ten people at either end, one person's row moves the mean by less than half of the step that it is rounded to.
    NaN where no mean is finite.
    """
    mean, error = _mean_and_error(values, owners, least)
    return _to(mean, error, offset)


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


def _explained(y: np.ndarray, losses: np.ndarray, owners: np.ndarray, least: int) -> tuple[float, float]:
    """R² from squared errors and squared deviations whose extremes are drawn in, and the error that it is told to."""
    spread, (squares, error) = _spread(y, owners, least), _mean_and_error(losses, owners, least)
    return (1.0 - squares / spread, error / spread) if spread else (math.nan, math.nan)


def _spread(y: np.ndarray, owners: np.ndarray, least: int) -> float:
    """The mean squared deviation of numbers from their mean, the extremes drawn in."""
    numbers = np.asarray(y, np.float64)
    return _mean_and_error(np.square(numbers - _drawn_in(numbers, least).mean()), owners, least)[0]


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


def _to(value: float, error: float, offset: float) -> float:
    """The number in whole steps of the least power of two that is not below its error; `offset` of a step is added."""
    if not (math.isfinite(value) and math.isfinite(error)):
        return math.nan
    if error == 0:
        return value
    step = _step(error)
    return round(value / step + offset) * step


def _step(error: float) -> float:
    return 2.0 ** math.ceil(math.log2(error)) if error and math.isfinite(error) else error
