"""How the parameters of a stack of linear layers lie in one row, and where each array begins in it.

A row in the order of the state dict has P numbers. For products it is spread out, so that every array begins at an even
place: what lies astride two vector registers is rounded differently from what fills one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch

LARGE = 16_384
"""Weights of a layer from which its products are made client by client; a batched product gains nothing there."""
EVEN = 32
"""Floats that torch computes in one turn: two vectors of AVX-512; the rest of an array it rounds differently."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A linear layer of (out, into) weights and (out,) biases, and the activation after it, by name or none."""

    into: int
    out: int
    activation: str | None = None
    trains_weight: bool = True
    trains_bias: bool = True

    @property
    def size(self) -> int:
        """Number of its parameters."""
        return self.into * self.out + self.out

    @property
    def is_large(self) -> bool:
        """True where its products are made client by client."""
        return self.into * self.out >= LARGE


class Views(NamedTuple):
    """One layer's part of a (K, P) tensor: (K, out, into) weights, the same transposed, and (K, 1, out) biases."""

    weight: torch.Tensor
    transposed: torch.Tensor
    bias: torch.Tensor


def evened(count: int) -> int:
    """The count, rounded up."""
    return -(-count // EVEN) * EVEN


def places(layers: Sequence[Layer]) -> tuple[list[tuple[slice, slice]], int]:
    """For each array its place among the P, and in a row that gives every array an even start; that row's length."""
    found, at, even = [], 0, 0
    for size in (size for layer in layers for size in (layer.into * layer.out, layer.out)):
        found.append((slice(at, at + size), slice(even, even + size)))
        at, even = at + size, even + evened(size)
    return found, even


def empty(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """A tensor of any values that begins at an even place of numpy's memory, which has huge pages where it is large."""
    import torch

    kind = np.dtype(np.float32 if dtype == torch.float32 else np.float64)
    size, line = math.prod(shape), EVEN * kind.itemsize
    whole = np.empty(size + EVEN, kind)
    first = -whole.ctypes.data % line // kind.itemsize
    return torch.from_numpy(whole[first : first + size].reshape(shape))


def spread(given: torch.Tensor, layers: Sequence[Layer]) -> torch.Tensor:
    """(..., P) values as (..., `places`) ones; a copy."""
    where, length = places(layers)
    found = empty((*given.shape[:-1], length), given.dtype)
    ends = [even.start for _, even in where[1:]] + [length]
    for (flat, even), end in zip(where, ends, strict=True):
        found[..., even] = given[..., flat]
        found[..., even.stop : end] = 0
    return found


def still(shape: Sequence[int], dtype: torch.dtype, layers: Sequence[Layer]) -> torch.Tensor:
    """(K, `places`) zeros; large trained weights have any value yet, for their first product to overwrite."""
    found, (where, length) = empty(shape, dtype), places(layers)
    ends = [even.start for _, even in where[1:]] + [length]
    for place, ((_, even), end) in enumerate(zip(where, ends, strict=True)):
        layer, is_weight = layers[place // 2], place % 2 == 0
        written = is_weight and layer.is_large and layer.trains_weight
        found[..., even.stop if written else even.start : end] = 0
    return found


def views(stacked: torch.Tensor, layers: Sequence[Layer]) -> list[Views]:
    """Each layer's part of (K, `places`) parameters; views, not copies."""
    found, at, count = [], 0, stacked.shape[0]
    for layer in layers:
        weight = stacked[:, at : at + layer.into * layer.out].view(count, layer.out, layer.into)
        at += evened(layer.into * layer.out)
        bias = stacked[:, at : at + layer.out].view(count, 1, layer.out)
        at += evened(layer.out)
        found.append(Views(weight, weight.transpose(1, 2), bias))
    return found


def trained(layers: Sequence[Layer]) -> np.ndarray:
    """(P,) ones where a parameter is trained, zeros where it is not."""
    flags = [
        flag
        for layer in layers
        for flag in ([layer.trains_weight] * (layer.into * layer.out), [layer.trains_bias] * layer.out)
    ]
    return np.concatenate(flags).astype(np.float64)
