"""Gradient steps in closed form, without autograd, for several clients at once.

A network that is a stack of linear layers and activations has a gradient that can be written down: the slope of the
loss in the logits, passed back through the layers, times what each layer was given. So the steps of K clients are
matrix products over (K, rows, width), and a record's own gradient is never formed: its norm follows from what layers
were given (a) and the slopes in what they gave (d), ``|g|^2 = sum over layers (|a|^2 + 1) |d|^2`` (Goodfellow 2015,
https://arxiv.org/abs/1510.01799), which is all that clipping needs.

Where inputs are codes, tables of numbers stand before the first layer: a record's gradient in a table is the slope in
what was looked up, in one row of it.

All parameters of a client are one row of a (K, P) tensor, in the order of the state dict. Equal stacks give equal bits
on one processor with one thread. Who is stacked with a client changes its result by rounding alone: the libraries below
multiply numbers of another shape, or that begin elsewhere, by other kernels (docs/decisions/0022-same-bits.md).
Batches are padded with rows of weight zero, to a width by which clients are stacked
(`fedsov.training.step_batches`). Large products are made one by one.

A step: ``v <- m v + g + decay w + mu (w - anchor) + drift``, then ``w <- w - rate v``, where g is the mean of the
weighted rows' gradients, or with clipping their clipped sum plus noise, over the expected batch (Abadi et al. 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsov.privacy.mechanism import Clipping
from fedsov.training.activations import LayerCache, activation
from fedsov.training.lone_client import LoneLayer, accumulate_alone, lone_layers, steps_alone
from fedsov.training.memory_layout import (
    Layer,
    Parts,
    Stack,
    Views,
    gather,
    spread,
    still,
    trained,
    views,
)
from fedsov.training.step_batches import Batches, ClientBatch, Step, gathered, stacked

if TYPE_CHECKING:
    import torch

Slope = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True, slots=True)
class SgdSettings:
    """How to step. `decay` is (P,) or None; `anchor` and `drift` are (K, P), (P,) or None; `seeds` are (K,) or none."""

    rate: float
    momentum: float
    slope: Slope
    batch: int
    decay: torch.Tensor | None = None
    anchor: torch.Tensor | None = None
    anchor_weight: float = 0.0
    drift: torch.Tensor | None = None
    clipping: Clipping | None = None
    seeds: Sequence[int] = ()


def descend(
    parameters: torch.Tensor,
    stack: Stack,
    rows: ClientBatch,
    batches: Batches,
    descent: SgdSettings,
) -> None:
    """Takes each client's steps, on its row of the (K, P) `parameters`, in place.

    Args:
        batches: for each client, the rows of each of its steps, counted from 0 among its own; empty ones only where
            gradients are clipped.
    """
    import torch

    with torch.inference_mode():
        for together in stacked(rows.sizes, batches, descent.batch, is_clipped=descent.clipping is not None):
            _descend(parameters, stack, rows, batches, descent, together)


def _descend(
    parameters: torch.Tensor,
    stack: Stack,
    rows: ClientBatch,
    batches: Batches,
    descent: SgdSettings,
    together: list[int],
) -> None:
    def own(term: torch.Tensor | None) -> torch.Tensor | None:
        return None if term is None else spread(term if term.ndim == 1 else term[together], stack)

    is_plain = not descent.clipping and steps_alone(stack)
    whole = together == list(range(len(parameters)))
    flat = parameters if whole else parameters[together]
    w = spread(flat, stack)
    speeds, momentum = still(w.shape, w.dtype, stack), 0.0  # what has no speed yet keeps none of it
    anchor, drift, decay = own(descent.anchor), own(descent.drift), own(descent.decay)
    noise = _Noise(descent.clipping, stack, together, w) if descent.clipping else None
    active, parts, moving, alone = 0, Parts([], []), Parts([], []), list[LoneLayer]()
    present, v = w, speeds
    for step in gathered(rows, batches, together, batch=descent.batch, clipping=descent.clipping):
        if step.clients != active:
            active = step.clients
            present, v = w[:active], speeds[:active]
            parts, moving = views(present, stack), views(v, stack)
            alone = lone_layers(stack.layers, parts.layers, moving.layers) if active == 1 and is_plain else []
        slowed = momentum if step.begins else 1.0
        if alone:
            accumulate_alone(step.X[0], step.targets[0], step.weights[0], descent.slope, alone, momentum=slowed)
        else:
            _accumulate_together(step, stack, descent, parts, moving, v, slowed)
        if not step.ends:
            continue
        momentum = descent.momentum
        if noise is not None:
            v.add_(noise.drawn(active))
        if decay is not None:
            v.addcmul_(present, decay)
        if descent.anchor_weight and anchor is not None:
            v.add_(present - (anchor if anchor.ndim == 1 else anchor[:active]), alpha=descent.anchor_weight)
        if drift is not None:
            v.add_(drift if drift.ndim == 1 else drift[:active])
        present.add_(v, alpha=-descent.rate)
    gather(w, flat, stack)
    if not whole:
        parameters[together] = flat


def _accumulate_together(
    step: Step, stack: Stack, descent: SgdSettings, parts: Parts, moving: Parts, v: torch.Tensor, momentum: float
) -> None:
    """Multiplies speeds by the momentum, and adds the gradients of a step's rows to them."""
    if step.begins:
        _slow(v, moving, stack, momentum)
    codes, given = _looked_up(step.X, stack, parts.tables)
    passed = _forward(given, stack.layers, parts.layers)
    slope = descent.slope(passed[-1].outputs, step.targets).mul_(step.weights)
    slopes = _backward(passed, stack.layers, parts.layers, slope)
    below = _below(slopes[0], stack, parts.layers)
    if descent.clipping:
        squares = _squares(slopes, passed, below, stack)
        passed = _without_boundless([*slopes, *below], passed, squares)
        _clip([*slopes, *below], squares, descent.clipping.clip, step.divisors)
    _accumulate(moving.layers, slopes, passed, stack.layers, momentum=momentum)
    _accumulate_tables(moving.tables, below, codes, stack)


def _looked_up(
    X: torch.Tensor, stack: Stack, tables: Sequence[torch.Tensor]
) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], torch.Tensor]:
    """For each table (k, 1) clients and (k, B) codes, and the (k, B, D) that the first layer is given."""
    import torch

    if not tables:
        return [], X
    client = torch.arange(len(X))[:, None]
    codes = [(client, X[:, :, table.column].long()) for table in stack.tables]
    looked_up = [numbers[code] for numbers, code in zip(tables, codes, strict=True)]
    return codes, torch.cat([X[:, :, list(stack.plain)], *looked_up], 2)


def _below(slope: torch.Tensor, stack: Stack, parts: Sequence[Views]) -> list[torch.Tensor]:
    """The loss's slope in what each table gave, (k, B, width) each."""
    import torch

    if not stack.tables:
        return []
    down = _product(None, slope, parts[0].weight, large=stack.layers[0].is_large)
    widths = [len(stack.plain), *(table.width for table in stack.tables)]
    return list(torch.split(down, widths, 2)[1:])


def _accumulate_tables(
    moving: Sequence[torch.Tensor],
    below: Sequence[torch.Tensor],
    codes: Sequence[tuple[torch.Tensor, torch.Tensor]],
    stack: Stack,
) -> None:
    for part, slope, code, table in zip(moving, below, codes, stack.tables, strict=True):
        if table.trains:
            part.index_put_(code, slope, accumulate=True)


def _forward(X: torch.Tensor, layers: Sequence[Layer], parts: Sequence[Views]) -> list[LayerCache]:
    passed, taken = list[LayerCache](), X
    for layer, part in zip(layers, parts, strict=True):
        linear = _product(part.bias, taken, part.transposed, large=layer.is_large)
        onward = linear if layer.activation is None else activation(layer.activation).forward(linear)
        passed.append(LayerCache(taken, linear, onward))
        taken = onward
    return passed


def _product(added: torch.Tensor | None, left: torch.Tensor, right: torch.Tensor, *, large: bool) -> torch.Tensor:
    """(K, ...) added + left @ right; a large one is made client by client."""
    import torch

    if large:
        factors = zip(left, right, strict=True) if added is None else zip(added, left, right, strict=True)
        products = [torch.mm(*each) if added is None else torch.addmm(*each) for each in factors]
        return torch.stack(products) if products[1:] else products[0][None]
    return torch.bmm(left, right) if added is None else torch.baddbmm(added, left, right)


def _add_product(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor, slowed: float | None) -> None:
    """Adds left @ right to (K, ...) `total`, in place; to `slowed` times it, client by client, for a large layer."""
    if slowed is None:  # never into `total` itself: torch multiplies otherwise where its rows have gaps between them
        total.add_(_product(None, left, right, large=False))
        return
    for own, mine, other in zip(total, left, right, strict=True):
        own.addmm_(mine, other, beta=slowed)


def _backward(
    passed: Sequence[LayerCache], layers: Sequence[Layer], parts: Sequence[Views], slope: torch.Tensor
) -> list[torch.Tensor]:
    """The loss's slope in what each layer made, (k, B, out) each."""
    slopes = [slope]
    for below, layer, above, part in zip(passed[-2::-1], layers[-2::-1], layers[:0:-1], parts[:0:-1], strict=True):
        down = _product(None, slopes[0], part.weight, large=above.is_large)
        slopes.insert(0, down if layer.activation is None else activation(layer.activation).backward(down, below))
    return slopes


def _slow(v: torch.Tensor, moving: Parts, stack: Stack, momentum: float) -> None:
    """Multiplies speeds by the momentum: at once, or where a layer is large all but that, which its product does."""
    if not stack.has_large:
        v.mul_(momentum)
        return
    for table in moving.tables:
        table.mul_(momentum)
    for part, layer in zip(moving.layers, stack.layers, strict=True):
        part.bias.mul_(momentum)
        if not (layer.is_large and layer.trains_weight):
            part.weight.mul_(momentum)


def _accumulate(
    moving: Sequence[Views], slopes: Sequence[torch.Tensor], passed: Sequence[LayerCache], layers: Sequence[Layer],
    *, momentum: float,
) -> None:  # fmt: skip
    for part, slope, through, layer in zip(moving, slopes, passed, layers, strict=True):
        if layer.trains_weight:
            _add_product(part.weight, slope.transpose(1, 2), through.inputs, momentum if layer.is_large else None)
        if layer.trains_bias:
            part.bias.add_(slope.sum(1, keepdim=True))


def _squares(
    slopes: Sequence[torch.Tensor], passed: Sequence[LayerCache], below: Sequence[torch.Tensor], stack: Stack
) -> Any:
    """(k, B, 1) squared length of each record's gradient, in float64: in float32 a short one's square is 0."""
    total: Any = 0.0
    for slope, through, layer in zip(slopes, passed, stack.layers, strict=True):
        own = _squared(through.inputs) if layer.trains_weight else 0.0
        total = total + (own + float(layer.trains_bias)) * _squared(slope)
    for slope, table in zip(below, stack.tables, strict=True):
        total = total + float(table.trains) * _squared(slope)
    return total


def _squared(values: torch.Tensor) -> torch.Tensor:
    return values.double().square().sum(2, keepdim=True)


def _without_boundless(slopes: Sequence[torch.Tensor], passed: list[LayerCache], squares: Any) -> list[LayerCache]:
    """Records whose gradient has no finite length add nothing: an answer that they spoilt would tell of each alone."""
    import torch

    boundless = ~torch.isfinite(squares)
    if not boundless.any():
        return passed
    squares.masked_fill_(boundless, 1.0)
    for slope in slopes:
        slope.masked_fill_(boundless, 0.0)
    return [each._replace(inputs=each.inputs.masked_fill(boundless, 0.0)) for each in passed]


def _clip(slopes: Sequence[torch.Tensor], squares: Any, clip: float, divisors: torch.Tensor) -> None:
    """Scales each record's slopes so that its gradient is at most `clip` long, and divides by the expected batch."""
    scale = (clip / squares.sqrt()).clamp_(max=1.0).mul_(divisors)  # a norm of 0 gives infinity, hence 1
    for slope in slopes:
        slope.mul_(scale.to(slope.dtype))


class _Noise:
    """Fresh normal noise for the clients of a stack, nothing on what is not trained."""

    def __init__(self, clipping: Clipping, stack: Stack, together: Sequence[int], like: torch.Tensor) -> None:
        import torch

        mask = trained(stack)
        self._generators = [clipping.generators[client] for client in together]
        self._drawn = np.zeros((len(together), len(mask)), dtype=np.float32 if like.dtype == torch.float32 else float)
        scale = np.array([clipping.noise[client] / clipping.expected[client] for client in together])[:, None] * mask
        self._scale, self._stack = torch.from_numpy(scale).to(like.dtype), stack

    def drawn(self, active: int) -> torch.Tensor:
        """(active, places) noise, already divided by each client's expected batch."""
        import torch

        for generator, row in zip(self._generators[:active], self._drawn, strict=False):
            generator.standard_normal(out=row, dtype=row.dtype)
        return spread(torch.from_numpy(self._drawn[:active]) * self._scale[:active], self._stack)
