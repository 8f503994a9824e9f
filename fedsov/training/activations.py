"""Activations and their slopes in closed form, as torch computes them by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class LayerCache(NamedTuple):
    """What a layer keeps of a forward pass: its inputs, what it made of them before its activation, and after."""

    inputs: torch.Tensor
    linear: torch.Tensor
    outputs: torch.Tensor


class Activation(NamedTuple):
    """An activation, and its slope from the slope above it and what passed."""

    forward: Callable[[torch.Tensor], torch.Tensor]
    backward: Callable[[torch.Tensor, LayerCache], torch.Tensor]


_remembered: dict[str, Activation] = {}


def activation(name: str) -> Activation:
    """The activation of that name, of those in `fedsov.model.network.ACTIVATIONS`."""
    return _remembered.get(name) or _remembered.setdefault(name, _activations()[name])


def _activations() -> Mapping[str, Activation]:
    import torch
    from torch.nn import functional

    aten = torch.ops.aten
    return {
        "relu": Activation(torch.relu_, lambda d, cache: aten.threshold_backward(d, cache.outputs, 0)),
        "leaky_relu": Activation(
            functional.leaky_relu, lambda d, cache: aten.leaky_relu_backward(d, cache.linear, 0.01, False)
        ),
        "tanh": Activation(torch.tanh, lambda d, cache: aten.tanh_backward(d, cache.outputs)),
        "sigmoid": Activation(torch.sigmoid, lambda d, cache: aten.sigmoid_backward(d, cache.outputs)),
        "gelu": Activation(functional.gelu, lambda d, cache: aten.gelu_backward(d, cache.linear)),
        "silu": Activation(functional.silu, lambda d, cache: aten.silu_backward(d, cache.linear)),
        "elu": Activation(functional.elu, lambda d, cache: aten.elu_backward(d, 1.0, 1.0, 1.0, False, cache.linear)),
    }
