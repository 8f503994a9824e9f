"""Parameters by name and as one vector; and which of them are shared, private or frozen.

A network's P numbers have one order, that of its state dict (`fedsov.model.network.shapes`). By name they travel and
rest; as a vector, or as a row of a (K, P) matrix of K clients, they are trained.

>>> from fedsov.model.network import initial, is_layered
>>> spec = NetworkSpec("mlp", (4,))
>>> sorted(private_names(spec, ("intercept",))), sorted(private_names(spec, ("first.bias", "head")))
(['2.bias'], ['0.bias', '2.bias', '2.weight'])
>>> sorted(shared(initial(spec, 3, seed=0), private_names(spec, ("head",))))
['0.bias', '0.weight']
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.network import NetworkSpec, Parameters, head, is_layered, names


def flat(arrays: Mapping[str, np.ndarray], names: Mapping[str, Any], dtype: type = np.float32) -> np.ndarray:
    """(P,) all parameters in the order of the names."""
    return np.concatenate([np.asarray(arrays[name], dtype=dtype).reshape(-1) for name in names])


def named(row: np.ndarray, shaped: Mapping[str, tuple[int, ...]]) -> Parameters:
    """The inverse of `flat`; copies."""
    ends = np.cumsum([math.prod(shape) for shape in shaped.values()])
    parts = np.split(row, ends[:-1])
    return {name: part.reshape(shape).copy() for part, (name, shape) in zip(parts, shaped.items(), strict=True)}


def places(shaped: Mapping[str, tuple[int, ...]], chosen: Collection[str]) -> np.ndarray:
    """(p,) places of the chosen parameters among the P."""
    return np.flatnonzero(np.concatenate([np.full(math.prod(shape), name in chosen) for name, shape in shaped.items()]))


def trained(names: Collection[str], frozen: Collection[str]) -> list[str]:
    """The names that are trained, in order.

    Raises:
        ConfigurationError: a frozen name is not among them, or none is left.
    """
    if odd := sorted(set(frozen) - set(names)):
        raise ConfigurationError(f"model.frozen: no shared parameter {odd[0]!r}; there are {', '.join(names)}")
    left = [name for name in names if name not in frozen]
    if not left:
        raise ConfigurationError("model.frozen lists every shared parameter; remove at least one")
    return left


def private_names(spec: NetworkSpec, private: Collection[str], inputs: int | None = None) -> frozenset[str]:
    """The parameters that these words mean.

    Args:
        inputs: of the network, where they are known; see `fedsov.model.network.names`.
        private: ``intercept`` (the last layer's bias), ``head`` (the last layer), ``first.bias`` (a shift of the first
            layer: what the region's name as an input would be), ``bias`` (every bias), or a parameter's own name.

    Raises:
        ConfigurationError: a word that means none of this network's parameters, or nothing would be left to share.
    """
    if not private:
        return frozenset()
    parameters = names(spec, inputs)
    words = {
        "intercept": {name for name in head(spec) if name.endswith("bias")},
        "head": set(head(spec)),
        "first.bias": {"0.bias"} & set(parameters),
        "bias": {name for name in parameters if name.endswith("bias")},
        **{name: {name} for name in parameters},
    }
    chosen: set[str] = set()
    for word in private:
        if not words.get(word):  # a head or an intercept that this network is not known to have
            known = ", ".join(name for name, meant in words.items() if meant)
            raise ConfigurationError(f"private={word!r} is no part of network {spec.name}; choose of {known}")
        chosen |= words[word]
    if chosen == set(parameters):
        raise ConfigurationError(f"private={', '.join(private)} leaves no parameter to share; train each region alone")
    return frozenset(chosen)


def shared(parameters: Parameters, private: Collection[str]) -> Parameters:
    """The parameters that may leave: all but the private ones."""
    return {name: value for name, value in parameters.items() if name not in private}


def private_part(parameters: Parameters, private: Collection[str]) -> Parameters:
    """The parameters that stay: the private ones."""
    return {name: value for name, value in parameters.items() if name in private}


def joined(incoming: Parameters, private: Parameters, spec: NetworkSpec) -> Parameters:
    """Shared and private parameters as one network's, in its order.

    Raises:
        TrainingFailed: a private parameter came in from outside, or a parameter is in neither.
    """
    twice = incoming.keys() & private.keys()
    if twice:
        raise TrainingFailed(f"parameter {min(twice)!r} is private, and came in from outside all the same")
    both = {**incoming, **private}
    if not is_layered(spec):  # whose names follow from the inputs; `fedsov.model.network.check` looks for each
        return both
    absent = set(names(spec)) - both.keys()
    if absent:
        raise TrainingFailed(f"parameter {min(absent)!r} is neither shared nor the region's own")
    return {name: both[name] for name in names(spec)}
