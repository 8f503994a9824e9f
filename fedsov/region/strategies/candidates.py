"""Candidate models of a region: alone, beside synthetic rows, tuned, locally scaled; the best by validation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.recipe import Recipe
from fedsov.model.column_statistics import Statistics
from fedsov.model.features import Features
from fedsov.model.metrics import MEASURES
from fedsov.model.network import NetworkSpec, Parameters, initial
from fedsov.training.engine import predict, train_locally
from fedsov.training.rows import DataSplit, Rows


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can score rows: network, features and parameters, and how it came about."""

    name: str
    network: NetworkSpec
    features: Features
    parameters: Parameters

    def logits(self, rows: Rows) -> np.ndarray:
        """(N,) logits of these rows' outcomes, or numbers on their scale; (N, C) logits of several classes."""
        return predict(self.parameters, self.features.encode(rows.columns), self.network)


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """What a region has to start from: a global or public model, or a donor's synthetic rows, or none.

    `personal` is its own copy of the global model, where it trained one beside it (Ditto).
    """

    model: Candidate | None = None
    rows: Rows | None = None
    personal: Candidate | None = None


def train_alone(rows: DataSplit, start: StartingPoint, recipe: Recipe) -> Candidate:
    """The last resort, and everybody's comparison: own rows, from nothing; `start` is not used.

    Raises:
        InputError: too few rows differ in any column to make a feature of it.
        TrainingFailed: the parameters diverged.
    """
    del start
    return train_beside(rows, StartingPoint(), recipe)


def train_beside(rows: DataSplit, start: StartingPoint, recipe: Recipe) -> Candidate:
    """Own training rows, with the synthetic rows of `start` beside them, each on its own region's scale.

    Raises:
        InputError, TrainingFailed: as `train_alone`.
    """
    parts = [rows.train] if start.rows is None else [rows.train, start.rows]
    described = [Statistics.from_records(part.columns, part.kinds) for part in parts]
    features = Features.fit(sum(described[1:], described[0]))
    scaled = [features.scaled_as(own) for own in described]
    X = np.concatenate([scale.encode(part.columns) for scale, part in zip(scaled, parts, strict=True)])
    y = np.concatenate([part.y for part in parts])
    first = initial(recipe.network, features.inputs, recipe.from_scratch.seed)
    trained = train_locally(first, X, y, recipe.from_scratch, spec=recipe.network)
    return Candidate("local" if start.rows is None else "synthetic", recipe.network, scaled[0], trained)


def on_own_scale(model: Candidate, rows: Rows) -> Candidate:
    """The same parameters behind inputs standardised by these rows; see `Features.scaled_as`."""
    own = Statistics.from_records(rows.columns, rows.kinds)
    return replace(model, name=f"{model.name}, local feature scaling", features=model.features.scaled_as(own))


def tune(model: Candidate, rows: Rows, steps: LocalSteps, *, frozen: Collection[str] = ()) -> Candidate:
    """The model after these steps on own rows; only its parameters change."""
    X = model.features.encode(rows.columns)
    tuned = train_locally(model.parameters, X, rows.y, steps, spec=model.network, frozen=frozen)
    return replace(model, parameters=tuned)


def best(candidates: Sequence[Candidate], rows: DataSplit, steps: LocalSteps) -> Candidate:
    """The one with the least loss on the validation rows, as `steps` have it; the first of equals, or of no rows.

    Log loss and not AUC, because on a hundred rows it tells candidates apart with far less noise.
    """
    if not len(rows.validation):
        return candidates[0]
    y, loss = rows.validation.y, MEASURES[steps.loss].loss
    return min(candidates, key=lambda one: loss(y, one.logits(rows.validation), steps.class_weights))
