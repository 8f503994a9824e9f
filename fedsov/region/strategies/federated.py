"""Federated training as a region's strategy: the global model, or the region's own version of it.

Pure: the rounds themselves, messages, the gate and the aggregation are elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

from fedsov.algorithms.recipe import Recipe
from fedsov.errors import TrainingFailed
from fedsov.region.strategies.candidates import Candidate, StartingPoint, best, on_own_scale, tune
from fedsov.training.rows import DataSplit


def train(rows: DataSplit, start: StartingPoint, recipe: Recipe) -> Candidate:
    """The global model of `start`, or the region's own version of it where that is better on validation rows.

    Its own versions are tuned on the training rows, with the regions' shared feature scaling and with local feature
    scaling. The personal copy is a candidate too, where one was trained beside the global model.

    Raises:
        TrainingFailed: no global model came, or tuning diverged.
    """
    if start.model is None:
        raise TrainingFailed("federated training needs the global model of the last round, and none came")
    received = replace(start.model, name="federated")
    tuned = replace(tune(received, rows.train, recipe.fine_tune), name="federated, tuned")
    own = replace(on_own_scale(received, rows.train), name="federated, tuned, local feature scaling")
    beside = [] if start.personal is None else [replace(start.personal, name="federated, personal")]
    several = [received, tuned, tune(own, rows.train, recipe.fine_tune), *beside]
    return best(several, rows, recipe.fine_tune)
