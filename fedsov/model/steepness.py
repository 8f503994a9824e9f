"""How steep a model that comes is: whether one of its units is a threshold that singles out a value.

A unit with a huge weight answers 0 below a value and 1 above it, and its gradients under two such values differ by
whoever lies between them. So what the weights of a unit add up to is bounded where people's rows are not hidden by
noise. A scale narrower than the region's own rows makes a unit as steep as a greater weight would. Layers that are each
dull are a threshold one after another: so what a stack of them moves by at most is bounded as well (`composed`).

This makes such questions many and inexact. It does not make them impossible: smooth models, too, can be solved for
people over many rounds. Noise does (`privacy.require: record`).

>>> features = Features(numeric=(("age", 50.0, 10.0),), levels=(("ward", ("A", "B")),))
>>> model = {"0.weight": np.array([[-3.0, 0.5, 0.5]]), "0.bias": np.array([2.0])}
>>> steepness(model, features, {"age": 10.0}), steepness(model, features, {"age": 20.0})
(4.0, 7.0)
>>> float(composed({"0.weight": np.array([[9.0, 0.0, 0.0]]), "2.weight": np.array([[9.0]])}, features, {}))
81.0
"""

from __future__ import annotations

import math
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
    factors, most = _factors(features, spreads), 0.0
    for array in parameters.values():
        sizes = np.abs(np.atleast_1d(np.asarray(array, np.float64)))
        if sizes.ndim == 2 and sizes.shape[1] == features.inputs and np.isfinite(sizes).all():
            sizes = sizes * factors
        units = sizes.sum(axis=tuple(range(1, sizes.ndim)))
        sums = np.nan_to_num(units, nan=np.inf, posinf=np.inf)
        most = max(most, float(sums.max(initial=0.0)))
    return most


def composed(
    parameters: Mapping[str, np.ndarray],
    features: Features,
    spreads: Mapping[str, float],
    drift: Mapping[str, np.ndarray] | None = None,
) -> float:
    """The most by which a stack of layers moves for one spread of its inputs, after any of its layers; 0 for none.

    The product of the layers' spectral norms, a Lipschitz constant where an activation has at most 1 (Szegedy et al.
    2014, https://arxiv.org/abs/1312.6199, section 4.3). A kernel counts for as many places as it covers.

    Args:
        parameters: of a stack, in the order of its layers; arrays of one dimension are biases.
        spreads: as `steepness` takes them.
        drift: what is added to parameters by their names, at most.
    """
    layers = [name for name, array in parameters.items() if np.ndim(array) > 1]
    norms, factors, added = [], _factors(features, spreads), drift or {}
    for name in layers:
        norms.append(_norm(parameters[name], factors) + (_norm(added[name], factors) if name in added else 0.0))
        factors = np.ones(1)
    products = np.cumprod(norms)
    return float(np.nan_to_num(products, nan=np.inf, posinf=np.inf).max(initial=0.0))


def _norm(array: np.ndarray, factors: np.ndarray) -> float:
    """The spectral norm of a layer, each input of which counts for a factor; infinity where it has none."""
    layer = np.asarray(array, np.float64)
    flat = layer.reshape(len(layer), -1)
    flat = flat * (factors if flat.shape[1] == len(factors) else factors.max(initial=0.0))
    if not np.isfinite(flat).all():
        return float(np.inf)
    return float(np.linalg.norm(flat, 2)) * math.sqrt(math.prod(layer.shape[2:])) if flat.size else 0.0


def _factors(features: Features, spreads: Mapping[str, float]) -> np.ndarray:
    """(inputs,) what a spread of the region's own rows moves each input by; nothing where it is held at one value."""
    factors = np.ones(features.inputs)
    for place, (name, _, spread) in enumerate(features.numeric):
        factors[place] = max(1.0, spreads.get(name, 0.0) / spread)
    factors[[place for place, _ in features.held.inputs]] = 0.0
    return factors
