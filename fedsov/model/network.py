"""Networks by name: a specification, its first parameters, and the torch module that runs them.

Parameters travel and rest as plain numpy arrays under the names of ``torch.nn.Sequential.state_dict()``
(``"0.weight"``, ``"0.bias"``, ...), in that order. `shapes`, `initial` and `check` need no torch, so that the
hub can make the first model and check an incoming one; `build` imports torch when it is called, in a region.
Every network here ends in one logit, for an outcome of 0 or 1.

>>> {name: array.shape for name, array in initial(NetworkSpec("mlp", (4,)), 3, seed=0).items()}
{'0.weight': (4, 3), '0.bias': (4,), '2.weight': (1, 4), '2.bias': (1,)}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fedsov.errors import ConfigurationError, TrainingFailed

if TYPE_CHECKING:
    from torch import nn

Parameters = dict[str, np.ndarray]
NETWORKS = ("logistic", "mlp")


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """``logistic`` is one linear layer; ``mlp`` has a ReLU layer of each width in `hidden` before it.

    Raises:
        ConfigurationError: for an unknown name, or widths that do not fit it.
    """

    name: str = "logistic"
    hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in NETWORKS:
            raise ConfigurationError(f"unknown network {self.name!r}; choose one of {', '.join(NETWORKS)}")
        if self.name == "logistic" and self.hidden:
            raise ConfigurationError(f"network logistic has no hidden layers, got {self.hidden}; choose mlp")
        if self.name == "mlp" and not (self.hidden and all(width >= 1 for width in self.hidden)):
            raise ConfigurationError(f"network mlp needs hidden widths of 1 or more, got {self.hidden}")


def _widths(spec: NetworkSpec, inputs: int) -> tuple[int, ...]:
    if inputs < 1:
        raise ConfigurationError(f"a network needs at least one input, got {inputs}; no column can be a feature")
    return (inputs, *spec.hidden, 1)


def shapes(spec: NetworkSpec, inputs: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter, in the state dict's order (ReLU layers take the odd numbers)."""
    found: dict[str, tuple[int, ...]] = {}
    for layer, (into, out) in enumerate(pairwise(_widths(spec, inputs))):
        found[f"{2 * layer}.weight"] = (out, into)
        found[f"{2 * layer}.bias"] = (out,)
    return found


def head(spec: NetworkSpec) -> frozenset[str]:
    """The names of the last layer's parameters."""
    last = 2 * len(spec.hidden)
    return frozenset({f"{last}.weight", f"{last}.bias"})


def initial(spec: NetworkSpec, inputs: int, seed: int) -> Parameters:
    """First parameters, float32, the same for the same seed; no torch.

    A logistic regression starts at zero. The layers of an mlp start uniform in ±1/sqrt(fan in), torch's own
    default for ``nn.Linear`` (He et al. 2015 with a = sqrt(5)).
    """
    rng = np.random.default_rng(seed)
    bound = 0.0
    found: Parameters = {}
    for name, shape in shapes(spec, inputs).items():
        if spec.hidden and name.endswith("weight"):
            bound = 1.0 / math.sqrt(shape[1])
        found[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return found


def check(spec: NetworkSpec, inputs: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses parameters that are not this network's: names, shapes, or a number that is not finite.

    Raises:
        TrainingFailed: names the first parameter at fault.
    """
    expected = shapes(spec, inputs)
    if set(arrays) != set(expected):
        odd = sorted(set(arrays) ^ set(expected))[0]
        raise TrainingFailed(f"parameter {odd!r} is not as in network {spec.name}; expected {', '.join(expected)}")
    for name, shape in expected.items():
        if np.shape(arrays[name]) != shape:
            raise TrainingFailed(f"parameter {name!r} has shape {np.shape(arrays[name])}; expected {shape}")
        if not np.isfinite(arrays[name]).all():
            raise TrainingFailed(f"parameter {name!r} is not finite; lower the learning rate")


def build(spec: NetworkSpec, inputs: int) -> nn.Module:
    """The torch module: (N, inputs) float32 to (N, 1) logits; its parameters are torch's own random ones."""
    from torch import nn

    layers: list[nn.Module] = []
    for into, out in pairwise(_widths(spec, inputs)):
        layers += [nn.Linear(into, out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def parameters(module: nn.Module) -> Parameters:
    """Copies of the module's parameters, float32, by state-dict name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in module.state_dict().items()}


def load(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """The same module, now with copies of these arrays. Raises RuntimeError where names or shapes differ."""
    import torch

    module.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return module
