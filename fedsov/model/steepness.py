"""How steep a model that comes is: whether one of its units is a threshold that singles out a value.

A unit with a huge weight answers 0 below a value and 1 above it, and its gradients under two such values differ by
whoever lies between them. So what the weights of a unit add up to is bounded where people's rows are not hidden by
noise. A scale narrower than the region's own rows makes a unit as steep as a greater weight would.

This makes such questions many and inexact. It does not make them impossible: smooth models, too, can be solved for
people over many rounds. Noise does (`privacy.require: record`).

>>> features = Features(numeric=(("age", 50.0, 10.0),), levels=(("ward", ("A", "B")),))
>>> model = {"0.weight": np.array([[-3.0, 0.5, 0.5]]), "0.bias": np.array([2.0])}
>>> steepness(model, features, {"age": 10.0}), steepness(model, features, {"age": 20.0})
(4.0, 7.0)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedsov.model.features import Features


def steepness(parameters: Mapping[str, np.ndarray], features: Features, spreads: Mapping[str, float]) -> float:
    """The greatest sum of a unit's absolute weights, over all arrays, whose first axis is of units; 0 for none.

    A weight on a number counts for what a spread of the region's own rows moves; one on an input held at one value
    counts for nothing. NaN and infinity count as infinity.

    Args:
        spreads: by column, the standard deviation of the region's own rows.
    """
    factors = np.ones(features.inputs)
    for place, (name, _, spread) in enumerate(features.numeric):
        factors[place] = max(1.0, spreads.get(name, 0.0) / spread)
    factors[[place for place, _ in features.held.inputs]] = 0.0
    most = 0.0
    for array in parameters.values():
        sizes = np.abs(np.atleast_1d(np.asarray(array, np.float64)))
        if sizes.ndim == 2 and sizes.shape[1] == features.inputs and np.isfinite(sizes).all():
            sizes = sizes * factors
        units = sizes.sum(axis=tuple(range(1, sizes.ndim)))
        sums = np.nan_to_num(units, nan=np.inf, posinf=np.inf)
        most = max(most, float(sums.max(initial=0.0)))
    return most
