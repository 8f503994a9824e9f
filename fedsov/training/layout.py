"""How the parameters of tables and a stack of linear layers lie in one row, and where each array begins in it.

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
    def is_large(self) -> bool:
        """True where its products are made client by client."""
        return self.into * self.out >= LARGE


@dataclass(frozen=True, slots=True)
class Table:
    """A table of (levels, width) numbers: those of the level that the input of this column names."""

    column: int
    levels: int
    width: int
    trains: bool = True


class Array(NamedTuple):
    """How many numbers, whether they are trained, and whether a first product overwrites their speed."""

    size: int
    trains: bool
    overwritten: bool = False


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers one after the other; before them tables, where there are any: the numbers follow on the `plain` inputs."""

    layers: tuple[Layer, ...]
    tables: tuple[Table, ...] = ()
    plain: tuple[int, ...] = ()

    @property
    def has_large(self) -> bool:
        """True where products of a layer are made client by client."""
        return any(layer.is_large for layer in self.layers)

    def arrays(self) -> list[Array]:
        """In the order of the state dict."""
        found = [Array(table.levels * table.width, table.trains) for table in self.tables]
        for layer in self.layers:
            weights, trains = layer.into * layer.out, layer.trains_weight
            found += [Array(weights, trains, trains and layer.is_large), Array(layer.out, layer.trains_bias)]
        return found


class Views(NamedTuple):
    """One layer's part of a (K, P) tensor: (K, out, into) weights, the same transposed, and (K, 1, out) biases."""

    weight: torch.Tensor
    transposed: torch.Tensor
    bias: torch.Tensor


class Parts(NamedTuple):
    """The (K, levels, width) tables of a (K, P) tensor, and its layers."""

    tables: list[torch.Tensor]
    layers: list[Views]


def evened(count: int) -> int:
    """The count, rounded up."""
    return -(-count // EVEN) * EVEN


def places(stack: Stack) -> tuple[list[tuple[slice, slice]], int]:
    """For each array its place among the P, and in a row that gives every array an even start; that row's length."""
    found, at, even = [], 0, 0
    for size, *_ in stack.arrays():
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


def spread(given: torch.Tensor, stack: Stack) -> torch.Tensor:
    """(..., P) values as (..., `places`) ones; a copy."""
    where, length = places(stack)
    found = empty((*given.shape[:-1], length), given.dtype)
    for flat, even in where:
        found[..., even] = given[..., flat]
        found[..., even.stop : even.start + evened(even.stop - even.start)] = 0
    return found


def still(shape: Sequence[int], dtype: torch.dtype, stack: Stack) -> torch.Tensor:
    """(K, `places`) zeros; what is overwritten anyway has any value."""
    found = empty(shape, dtype)
    for (_, even), array in zip(places(stack)[0], stack.arrays(), strict=True):
        found[..., even.stop if array.overwritten else even.start : even.start + evened(array.size)] = 0
    return found


def views(stacked: torch.Tensor, stack: Stack) -> Parts:
    """The parts of (K, `places`) parameters; views, not copies."""
    count, arrays = stacked.shape[0], [stacked[:, even] for _, even in places(stack)[0]]
    tables = [one.view(count, table.levels, -1) for one, table in zip(arrays, stack.tables, strict=False)]
    layers, rest = list[Views](), arrays[len(tables) :]
    for layer, flat, bias in zip(stack.layers, rest[::2], rest[1::2], strict=True):
        weight = flat.view(count, layer.out, layer.into)
        layers.append(Views(weight, weight.transpose(1, 2), bias.view(count, 1, layer.out)))
    return Parts(tables, layers)


def trained(stack: Stack) -> np.ndarray:
    """(P,) ones where a parameter is trained, zeros where it is not."""
    return np.concatenate([np.full(array.size, float(array.trains)) for array in stack.arrays()])
