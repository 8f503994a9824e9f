"""Small models of every kind, for the tests of all that saves, loads, exports and serves one."""

from __future__ import annotations

from typing import Any

import numpy as np

from fedsov.label import Label
from fedsov.model.features import Features
from fedsov.model.network import NetworkSpec, Parameters, initial
from fedsov.model.packaging.saved import SavedModel
from fedsov.model.targets import TargetRule

MIXED = Features(
    numeric=(("age", 40.0, 10.0), ("salary", 5e4, 1e4)),
    levels=(("remote", ("no", "yes")), ("size", ("1", "20", "300"))),
    missing=("salary", "size"),
)
"""Two numbers and two texts, with indicators: 9 inputs."""
TARGETS = {
    "binary": TargetRule("ill", positive="yes"),
    "multiclass": TargetRule("mood", classes=("bad", "fair", "good")),
    "multilabel": TargetRule("tags", classes=("a", "b", "c"), separator=";"),
    "regression": TargetRule("income", scale=(20_000.0, 90_000.0)),
}
BOUND = Label(frozenset({"DE"}), frozenset({"personal"}))


def numbers(columns: int) -> Features:
    """Features of so many columns of numbers."""
    return Features(numeric=tuple((f"c{place}", float(place), 1.0 + place) for place in range(columns)))


def saved_model(
    network: str = "logistic",
    *,
    hidden: tuple[int, ...] = (),
    task: str = "binary",
    features: Features = MIXED,
    name: str = "people-de",
    **changed: Any,
) -> SavedModel:
    """What a model is, of this network, task and features."""
    target = TARGETS[task]
    spec = NetworkSpec(network, hidden, len(target.classes) or 1, changed.pop("activation", "relu"))
    return SavedModel(name, spec, features, target, BOUND, "r1", "DE", **changed)


def parameters_of(saved: SavedModel, *, seed: int = 0, spread: float = 0.5) -> Parameters:
    """Parameters that are none of the first ones: what a training might have ended with."""
    rng = np.random.default_rng(seed)
    first = initial(saved.network, saved.features.inputs, seed)
    return {
        name: (array + rng.normal(0.0, spread, array.shape)).astype(np.float32)
        for name, array in first.items()
        if name not in saved.absent
    }
