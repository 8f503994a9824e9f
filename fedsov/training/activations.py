"""Activations and their slopes in closed form, as torch computes them by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class LayerCache(NamedTuple):
    """What a layer was given, what it made of it, and what the next one is given."""

    taken: torch.Tensor
    made: torch.Tensor
    given: torch.Tensor


class Activation(NamedTuple):
    """An activation, and its slope from the slope above it and what passed."""

    forward: Callable[[torch.Tensor], torch.Tensor]
    backward: Callable[[torch.Tensor, LayerCache], torch.Tensor]


_known: dict[str, Activation] = {}


def activation(name: str) -> Activation:
    """The activation of that name, of those in `fedsov.model.network.ACTIVATIONS`."""
    return _known.get(name) or _known.setdefault(name, _activations()[name])


def _activations() -> Mapping[str, Activation]:
    import torch
    from torch.nn import functional

    aten = torch.ops.aten
    return {
        "relu": Activation(torch.relu_, lambda d, p: aten.threshold_backward(d, p.given, 0)),
        "leaky_relu": Activation(functional.leaky_relu, lambda d, p: aten.leaky_relu_backward(d, p.made, 0.01, False)),
        "tanh": Activation(torch.tanh, lambda d, p: aten.tanh_backward(d, p.given)),
        "sigmoid": Activation(torch.sigmoid, lambda d, p: aten.sigmoid_backward(d, p.given)),
        "gelu": Activation(functional.gelu, lambda d, p: aten.gelu_backward(d, p.made)),
        "silu": Activation(functional.silu, lambda d, p: aten.silu_backward(d, p.made)),
        "elu": Activation(functional.elu, lambda d, p: aten.elu_backward(d, 1.0, 1.0, 1.0, False, p.made)),
    }
