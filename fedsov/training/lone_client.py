"""The step of a client that is stacked with nobody: the products of `stacked` as those of matrices, and fewer of them.

A stack of one has the same gradients, up to rounding, in two thirds of the time: a speed takes its momentum, its
product and its sum over rows in one turn each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fedsov.training.activations import LayerCache, activation
from fedsov.training.memory_layout import Layer, Stack, Views

if TYPE_CHECKING:
    import torch

    from fedsov.training.closed_form import Slope


class Matrices(NamedTuple):
    """One layer's (out, into) weights, the same transposed, and (out,) biases, and the speeds of both; views."""

    weight: torch.Tensor
    transposed: torch.Tensor
    bias: torch.Tensor
    weight_speed: torch.Tensor
    bias_speed: torch.Tensor


def steps_alone(stack: Stack) -> bool:
    """True where `accumulate_alone` does all that a step of one client needs: no tables, no large layers."""
    return not stack.tables and not stack.has_large


def matrices(parts: Sequence[Views], moving: Sequence[Views]) -> list[Matrices]:
    """The first client's, of the (K, ...) views of parameters and speeds."""
    return [
        Matrices(part.weight[0], part.transposed[0], part.bias[0, 0], speed.weight[0], speed.bias[0, 0])
        for part, speed in zip(parts, moving, strict=True)
    ]


def accumulate_alone(
    X: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, slope: Slope,
    layers: Sequence[Layer], own: Sequence[Matrices], *, momentum: float,
) -> None:  # fmt: skip
    """Multiplies speeds by the momentum, and adds the gradient of the (B, D) rows' weighted losses to them."""
    passed, given = list[LayerCache](), X
    for layer, part in zip(layers, own, strict=True):
        made = part.bias.addmm(given, part.transposed)
        onward = made if layer.activation is None else activation(layer.activation).forward(made)
        passed.append(LayerCache(given, made, onward))
        given = onward
    down, ones = slope(given, targets).mul_(weights), X.new_ones(len(X))
    for place in range(len(layers) - 1, -1, -1):
        layer, part, turned = layers[place], own[place], down.t()
        if place:
            below, name = passed[place - 1], layers[place - 1].activation
            lower = down.mm(part.weight)
            down = lower if name is None else activation(name).backward(lower, below)
        if layer.trains_weight:
            part.weight_speed.addmm_(turned, passed[place].inputs, beta=momentum)
        if layer.trains_bias:
            part.bias_speed.addmv_(turned, ones, beta=momentum)
