"""Regions of two columns, and a model that another region's rows made."""

from __future__ import annotations

import numpy as np

from fedsov.algorithms.recipe import Recipe
from fedsov.model.network import NetworkSpec
from fedsov.region.strategies.candidates import Candidate, StartingPoint, train_alone
from fedsov.training.rows import DataSplit, Rows, seed_key, split

SPEC = NetworkSpec("mlp", (4,))
RECIPE = Recipe(network=SPEC)


def rows_of(n: int, seed: int = 0, shift: float = 0.0) -> Rows:
    """A region whose outcome depends on years above its own mean, and on working remotely."""
    rng = np.random.default_rng(seed)
    years, remote = rng.normal(size=n), rng.random(n) < 0.5
    y = (years + 0.8 * remote + rng.normal(size=n) > 0.4).astype(np.float32)
    columns = {"years": years + shift, "remote": np.where(remote, "yes", "no").astype(object)}
    return Rows(columns, {"years": "numeric", "remote": "categorical"}, y)


def divided(n: int, seed: int = 0, shift: float = 0.0) -> DataSplit:
    """The same rows in their three parts."""
    subjects = np.array([f"{seed}/{i}" for i in range(n)], dtype=object)
    whole = rows_of(n, seed, shift)
    return DataSplit(*(whole.select(mask) for mask in split(subjects, seed_key(0))))


def received(n: int = 900, seed: int = 2) -> Candidate:
    """The model of so many rows elsewhere."""
    return train_alone(divided(n, seed), StartingPoint(), RECIPE)
