"""Runs a region's planned strategy beside training alone, and keeps the better of the two.

Training rows fit, validation rows choose, test rows are looked at once, for the numbers in the `RegionModel`.

The models are made, and answer the rows, on the region's bench (`Contest`); which one is kept is decided here, from
their answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.recipe import Recipe
from fedsov.errors import BenchFailed, ConfigurationError, InputError
from fedsov.model.features import Features
from fedsov.model.metrics import MEASURES
from fedsov.model.network import NetworkSpec, Parameters
from fedsov.region.bench.tasks import THIS_PROCESS, Bench, Written, answers_shape, array_of, name_of
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


class Answered(NamedTuple):
    """A candidate, and its (N,) or (N, C) answers to validation and to test rows."""

    candidate: Candidate
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """Asks for a strategy's model and for one trained alone, each with its answers.

    Which people rows are of is left out: no model needs it.
    """

    strategy: str
    rows: DataSplit
    start: StartingPoint
    recipe: Recipe

    @staticmethod
    def of(strategy: str, rows: DataSplit, start: StartingPoint, recipe: Recipe) -> Contest:
        """The contest over these rows."""
        parts = (replace(part, persons=None) for part in (rows.train, rows.validation, rows.test))
        return Contest(strategy, DataSplit(*parts), start, recipe)

    def run(self) -> Written:
        """Raises InputError, TrainingFailed: the strategy could not train."""
        several: dict[str, Candidate | None] = {
            "candidate": STRATEGIES[self.strategy](self.rows, self.start, self.recipe)
        }
        if self.strategy != "local":
            try:
                several["alone"] = train_alone(self.rows, StartingPoint(), self.recipe)
            except InputError:
                several["alone"] = None
        plain, arrays = dict[str, Any](), dict[str, np.ndarray]()
        for which, candidate in several.items():
            if candidate is not None:
                plain[which] = {"name": candidate.name, "features": candidate.features.to_json()}
                arrays |= {f"{which}/{name}": array for name, array in candidate.parameters.items()}
                arrays[f"{which}:validation"] = candidate.logits(self.rows.validation)
                arrays[f"{which}:test"] = candidate.logits(self.rows.test)
        return Written(plain, arrays)

    def read(self, answer: Written) -> tuple[Answered, Answered | None]:
        """The strategy's model and the one trained alone, which is None where that was not possible."""
        candidate = self._answered(answer, "candidate")
        if candidate is None:
            raise BenchFailed("model code answered with no model")
        return candidate, candidate if self.strategy == "local" else self._answered(answer, "alone")

    def _answered(self, answer: Written, which: str) -> Answered | None:
        told = answer.plain.get(which)
        if told is None:
            return None
        if not isinstance(told, Mapping):
            raise BenchFailed("model code answered with something in the place of a model")
        parameters = {
            name.removeprefix(f"{which}/"): array_of(answer, name, shape=array.shape, dtype=_real(array.dtype))
            for name, array in answer.arrays.items()
            if name.startswith(f"{which}/")
        }
        candidate = Candidate(name_of(told.get("name")), self.recipe.network, self._features(told, which), parameters)
        shapes = [
            answers_shape(len(part), self.recipe.network.outputs) for part in (self.rows.validation, self.rows.test)
        ]
        answers = [array_of(answer, f"{which}:{part}", shape=shape) for part, shape in zip(PARTS, shapes, strict=True)]
        return Answered(candidate, *answers)

    def _features(self, told: Mapping[str, Any], which: str) -> Features:
        """The model's features, with what the region does not look at of those that came."""
        try:
            features = Features.from_json(told["features"])
        except (LookupError, TypeError, ValueError, AttributeError):
            raise BenchFailed("model code answered with features that are none") from None
        came = self.start.model
        return features if came is None or which == "alone" else replace(features, held=came.features.held)


def _real(dtype: np.dtype[Any]) -> type:
    """The type itself where it is of floats; else the one that parameters have."""
    return dtype.type if dtype.kind == "f" else np.float32


PARTS = ("validation", "test")
"""The rows that a model answers."""


def answered(candidate: Candidate, rows: DataSplit) -> Answered:
    """The candidate with its answers."""
    return Answered(candidate, candidate.logits(rows.validation), candidate.logits(rows.test))


def train(
    strategy: str,
    rows: DataSplit,
    start: StartingPoint,
    recipe: Recipe,
    *,
    loss: Loss | None = None,
    bench: Bench = THIS_PROCESS,
) -> RegionModel:
    """The strategy's model, or the one trained alone where that is better on the validation rows.

    Args:
        loss: by which the better one is chosen; the steps' own where none is given.
        bench: where the models are made.

    Raises:
        ConfigurationError: a strategy that nobody knows.
        InputError, TrainingFailed: the strategy could not train.
        BenchFailed: the bench did not answer.
    """
    if strategy not in STRATEGIES:
        raise ConfigurationError(f"unknown strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}")
    candidate, alone = bench.do(Contest.of(strategy, rows, start, recipe))
    note = "" if alone else f"no comparison: training alone ended with {InputError.__name__}"
    return compare(candidate, alone, rows, recipe.fine_tune, note=note, loss=loss)


def compare(
    candidate: Answered,
    alone: Answered | None,
    rows: DataSplit,
    steps: LocalSteps,
    *,
    note: str = "",
    loss: Loss | None = None,
) -> RegionModel:
    """Keeps the candidate unless its loss on validation rows, as `steps` have it, is above that of training alone."""
    selected, measure = candidate, MEASURES[steps.loss]
    if alone is not None and len(rows.validation):
        of = loss or (lambda rows, logits: measure.loss(rows.y, logits, steps.class_weights))
        theirs, ours = (of(rows.validation, each.validation) for each in (candidate, alone))
        if theirs > ours:
            selected, name = alone, candidate.candidate.name
            note = f"{name} was worse on validation rows ({measure.loss_name} {theirs:.3f}, local {ours:.3f})"
    y, answers, others = rows.test.y, selected.test, None if alone is None else alone.test
    difference = None if others is None else measure.difference(y, answers, others)
    model = selected.candidate
    return RegionModel(
        model.name,
        model.network,
        model.features,
        model.parameters,
        score=measure.score(y, answers),
        local_score=None if others is None else measure.score(y, others),
        gain=difference[0] if difference else None,
        gain_se=difference[1] if difference else None,
        validation_score=measure.score(rows.validation.y, selected.validation),
        test_rows=len(rows.test),
        predictions=Predictions(selected.validation, answers, others),
        note=note,
    )
