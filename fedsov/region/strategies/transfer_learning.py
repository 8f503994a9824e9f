"""Fine-tuning, inside a region, of a start model trained elsewhere on rows whose label is public.

Three versions are tried: the start model as it is, with its last layer tuned, and with all of it tuned at a
low rate and pulled towards its start (L2-SP, Li et al. 2018, https://arxiv.org/abs/1802.01483); each on the
scale it was trained with and on the region's own. The validation rows choose. Tuning everything overfits
where rows are few, so the milder versions are always in the choice.
"""

from __future__ import annotations

from dataclasses import replace

from fedsov.algorithms.recipe import Recipe
from fedsov.errors import TrainingFailed
from fedsov.model.network import head, shapes
from fedsov.region.strategies.candidates import Candidate, StartingPoint, best, on_own_scale, tune
from fedsov.training.rows import DataSplit


def train(rows: DataSplit, start: StartingPoint, recipe: Recipe) -> Candidate:
    """The best version of `start`'s model on validation rows.

    Raises:
        TrainingFailed: no start model came, or tuning diverged.
    """
    if start.model is None:
        raise TrainingFailed("transfer learning needs a start model, and none came")
    as_trained = replace(start.model, name="transfer learning")
    scales = [as_trained, on_own_scale(as_trained, rows.train)]
    several = [version for model in scales for version in versions(model, rows, recipe)]
    return best(several, rows, recipe.fine_tune)


def versions(model: Candidate, rows: DataSplit, recipe: Recipe) -> list[Candidate]:
    """The model as it is, with its head tuned, and with all tuned (which for a single layer is the head)."""
    last = head(model.network)
    body = shapes(model.network, model.features.inputs).keys() - last if last else set[str]()
    frozen = {"head tuned": body, "all tuned": set()} if body else {"tuned": set[str]()}
    tuned = [
        replace(tune(model, rows.train, recipe.fine_tune, frozen=names), name=f"{model.name}, {how}")
        for how, names in frozen.items()
    ]
    return [replace(model, name=f"{model.name}, as received"), *tuned]
