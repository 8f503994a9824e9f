"""The step of a client that is stacked with nobody: `closed_form`'s products as those of matrices, and fewer of them.

A stack of one has the same gradients, up to rounding, in half the time: a speed takes its momentum, its product and its
sum over rows in one turn each, and what never changes from step to step is found once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from fedsov.training.activations import LayerCache, activation
from fedsov.training.memory_layout import Layer, Stack, Views

if TYPE_CHECKING:
    import torch

    from fedsov.training.closed_form import Slope


class LoneLayer(NamedTuple):
    """One layer of one client: views of its parameters and speeds, and its activation.

    (out, into) `weight`, the same `transposed`, (out,) `bias`; of what is not trained there is no speed.
    """

    weight: torch.Tensor
    transposed: torch.Tensor
    bias: torch.Tensor
    weight_speed: torch.Tensor | None
    bias_speed: torch.Tensor | None
    forward: Callable[[torch.Tensor], torch.Tensor] | None
    backward: Callable[[torch.Tensor, LayerCache], torch.Tensor] | None


def steps_alone(stack: Stack) -> bool:
    """True where `accumulate_alone` does all that a step of one client needs: no tables, no large layers."""
    return not stack.tables and not stack.has_large


def lone_layers(layers: Sequence[Layer], parts: Sequence[Views], moving: Sequence[Views]) -> list[LoneLayer]:
    """The first client's, of the (K, ...) views of parameters and speeds."""
    functions = [activation(layer.activation) if layer.activation else None for layer in layers]
    return [
        LoneLayer(
            part.weight[0],
            part.transposed[0],
            part.bias[0, 0],
            speed.weight[0] if layer.trains_weight else None,
            speed.bias[0, 0] if layer.trains_bias else None,
            function and function.forward,
            function and function.backward,
        )
        for layer, part, speed, function in zip(layers, parts, moving, functions, strict=True)
    ]


def accumulate_alone(
    X: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, slope: Slope, layers: Sequence[LoneLayer],
    *, momentum: float,
) -> None:  # fmt: skip
    """Multiplies speeds by the momentum, and adds the gradient of the (B, D) rows' weighted losses to them."""
    passed, given = list[LayerCache](), X
    for layer in layers:
        linear = layer.bias.addmm(given, layer.transposed)
        onward = linear if layer.forward is None else layer.forward(linear)
        passed.append(LayerCache(given, linear, onward))
        given = onward
    down, ones = slope(given, targets).mul_(weights), _ones(len(X), X.dtype)
    for place in range(len(layers) - 1, -1, -1):
        layer, turned = layers[place], down.t()
        if place:
            down, backward = down.mm(layer.weight), layers[place - 1].backward
            if backward is not None:
                down = backward(down, passed[place - 1])
        if layer.weight_speed is not None:
            layer.weight_speed.addmm_(turned, passed[place].inputs, beta=momentum)
        if layer.bias_speed is not None:
            layer.bias_speed.addmv_(turned, ones, beta=momentum)


@lru_cache(maxsize=8)
def _ones(count: int, dtype: torch.dtype) -> torch.Tensor:
    import torch

    return torch.ones(count, dtype=dtype)
