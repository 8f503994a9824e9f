"""Runs a region's planned strategy beside training alone, and keeps the better of the two.

Training rows fit, validation rows choose, test rows are looked at once, for the numbers in the `RegionModel`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.recipe import Recipe
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.features import Features
from fedsov.model.metrics import MEASURES
from fedsov.model.network import NetworkSpec, Parameters
from fedsov.region.strategies import federated, transfer_learning
from fedsov.region.strategies.candidates import Candidate, StartingPoint, train_alone, train_beside
from fedsov.training.rows import DataSplit, Rows

STRATEGIES: dict[str, Callable[[DataSplit, StartingPoint, Recipe], Candidate]] = {
    "federated": federated.train,
    "transfer_learning": transfer_learning.train,
    "synthetic": train_beside,
    "local": train_alone,
}
"""Every strategy, most private first: the region's rows and what it received become a model."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """(N,) or (N, C) answers that a region's last scores are of; `alone` is of the model trained alone, if any."""

    validation: np.ndarray
    test: np.ndarray
    alone: np.ndarray | None


@dataclass(frozen=True, slots=True)
class RegionModel:
    """What a region ended with.

    Attributes:
        selected: how the selected model came about ("federated, tuned", "local", ...).
        network, features, parameters: the selected model.
        score: AUC of the selected model on test rows (of several classes, the mean of each against the others), or R²
            of numbers; None where they have one class, or number.
        local_score: of training alone on the same rows; None also where training alone was not possible.
        gain, gain_se: score - local_score and its standard error; None where a class has fewer than 2 rows.
        validation_score: of the selected model on validation rows.
        test_rows: how many rows the scores stand on.
        predictions: what the scores are of.
        note: why the planned strategy was replaced, or what could not be compared; empty otherwise.
    """

    selected: str
    network: NetworkSpec
    features: Features
    parameters: Parameters
    score: float | None
    local_score: float | None
    gain: float | None
    gain_se: float | None
    validation_score: float | None
    test_rows: int
    predictions: Predictions
    note: str = ""


Loss = Callable[[Rows, np.ndarray], float]
"""A loss of (N,) or (N, C) answers on rows, by which the better of two models is chosen."""


def train(
    strategy: str, rows: DataSplit, start: StartingPoint, recipe: Recipe, *, loss: Loss | None = None
) -> RegionModel:
    """The strategy's model, or the one trained alone where that is better on the validation rows.

    Args:
        loss: by which the better one is chosen; the steps' own where none is given.

    Raises:
        ConfigurationError: a strategy that nobody knows.
        InputError, TrainingFailed: the strategy could not train.
    """
    if strategy not in STRATEGIES:
        raise ConfigurationError(f"unknown strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}")
    candidate = STRATEGIES[strategy](rows, start, recipe)
    if strategy == "local":
        return compare(candidate, candidate, rows, recipe.fine_tune, loss=loss)
    try:
        return compare(candidate, train_alone(rows, StartingPoint(), recipe), rows, recipe.fine_tune, loss=loss)
    except InputError as error:
        note = f"no comparison: training alone ended with {type(error).__name__}"
        return compare(candidate, None, rows, recipe.fine_tune, note=note)


def compare(
    candidate: Candidate,
    alone: Candidate | None,
    rows: DataSplit,
    steps: LocalSteps,
    *,
    note: str = "",
    loss: Loss | None = None,
) -> RegionModel:
    """Keeps the candidate unless its loss on validation rows, as `steps` have it, is above that of training alone."""
    selected, validated, measure = candidate, candidate.logits(rows.validation), MEASURES[steps.loss]
    if alone is not None and len(rows.validation):
        beside = alone.logits(rows.validation)
        of = loss or (lambda rows, logits: measure.loss(rows.y, logits, steps.class_weights))
        theirs, ours = (of(rows.validation, logits) for logits in (validated, beside))
        if theirs > ours:
            selected, validated = alone, beside
            note = f"{candidate.name} was worse on validation rows ({measure.loss_name} {theirs:.3f}, local {ours:.3f})"
    y, answers, others = rows.test.y, selected.logits(rows.test), None if alone is None else alone.logits(rows.test)
    difference = None if others is None else measure.difference(y, answers, others)
    return RegionModel(
        selected.name,
        selected.network,
        selected.features,
        selected.parameters,
        score=measure.score(y, answers),
        local_score=None if others is None else measure.score(y, others),
        gain=difference[0] if difference else None,
        gain_se=difference[1] if difference else None,
        validation_score=measure.score(rows.validation.y, validated),
        test_rows=len(rows.test),
        predictions=Predictions(validated, answers, others),
        note=note,
    )
