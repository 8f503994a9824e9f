"""How the parameters of tables and a stack of linear layers lie in one row, and where each array begins in it.

A row in the order of the state dict has P numbers. For products it is spread out, so that every array begins at an even
place, where vector registers do. A large layer's rows whose length is a multiple of `PAGE` have a gap after each, or
their columns would share a few places of the cache: a product of 2,048 by 2,048 takes three quarters of the time.
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
"""Floats that torch computes in one turn: two vectors of AVX-512."""
PAGE = 1024
"""Floats of one page of memory: numbers so far apart, or a multiple of it, take turns in the same places of a cache."""


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


def _in_rows(row: torch.Tensor, rows: int) -> torch.Tensor:
    """(..., rows * width) as a (..., rows, width) view."""
    import torch

    return torch.unflatten(row, -1, (rows, -1))


class Array(NamedTuple):
    """(rows, width) numbers, trained or not, with a gap after each row; a product may overwrite their speed."""

    rows: int
    width: int
    trains: bool
    gap: int = 0
    overwritten: bool = False

    @property
    def length(self) -> int:
        """How many places it takes in a row that is spread out."""
        return evened(self.rows * (self.width + self.gap))

    def within(self, row: torch.Tensor, at: int) -> torch.Tensor:
        """(..., rows, width) view of it in a (..., `places`) row that is spread out, where it begins at this place."""
        whole = row[..., at : at + self.rows * (self.width + self.gap)]
        return _in_rows(whole, self.rows)[..., : self.width]


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
        arrays = [Array(table.levels, table.width, table.trains) for table in self.tables]
        for layer in self.layers:
            gap, trains = EVEN if layer.is_large and layer.into % PAGE == 0 else 0, layer.trains_weight
            arrays.append(Array(layer.out, layer.into, trains, gap, overwritten=trains and layer.is_large))
            arrays.append(Array(1, layer.out, layer.trains_bias))
        return arrays


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


def places(stack: Stack) -> tuple[list[tuple[Array, slice, int]], int]:
    """Each array, its place among the P, its even start in a row that is spread out; and that row's length."""
    arrays, at, even = [], 0, 0
    for array in stack.arrays():
        size = array.rows * array.width
        arrays.append((array, slice(at, at + size), even))
        at, even = at + size, even + array.length
    return arrays, even


def empty(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """A tensor of any values that begins at an even place of numpy's memory, which has huge pages where it is large."""
    import torch

    kind = np.dtype(np.float32 if dtype == torch.float32 else np.float64)
    size, line = math.prod(shape), EVEN * kind.itemsize
    whole = np.empty(size + EVEN, kind)
    first = -whole.ctypes.data % line // kind.itemsize
    return torch.from_numpy(whole[first : first + size].reshape(shape))


def spread(flat: torch.Tensor, stack: Stack) -> torch.Tensor:
    """(..., P) values as (..., `places`) ones; a copy."""
    where, length = places(stack)
    laid = empty((*flat.shape[:-1], length), flat.dtype)
    for array, place, even in where:
        _clear_gaps(laid, array, even)
        array.within(laid, even).copy_(_in_rows(flat[..., place], array.rows))
    return laid


def gather(laid: torch.Tensor, into: torch.Tensor, stack: Stack) -> None:
    """Writes (..., `places`) values to the (..., P) tensor `into`."""
    for array, flat, even in places(stack)[0]:
        _in_rows(into[..., flat], array.rows).copy_(array.within(laid, even))


def still(shape: Sequence[int], dtype: torch.dtype, stack: Stack) -> torch.Tensor:
    """(K, `places`) zeros; what is overwritten anyway has any value."""
    laid = empty(shape, dtype)
    for array, _, even in places(stack)[0]:
        if array.overwritten:
            _clear_gaps(laid, array, even)
        else:
            laid[..., even : even + array.length] = 0
    return laid


def _clear_gaps(row: torch.Tensor, array: Array, at: int) -> None:
    """Sets to 0 what lies between an array's rows and behind them."""
    size = array.rows * (array.width + array.gap)
    row[..., at + size : at + array.length] = 0
    if array.gap:
        _in_rows(row[..., at : at + size], array.rows)[..., array.width :] = 0


def views(stacked: torch.Tensor, stack: Stack) -> Parts:
    """The parts of (K, `places`) parameters; views, not copies."""
    arrays = [array.within(stacked, even) for array, _, even in places(stack)[0]]
    tables, rest = arrays[: len(stack.tables)], arrays[len(stack.tables) :]
    layers = [Views(weight, weight.transpose(1, 2), bias) for weight, bias in zip(rest[::2], rest[1::2], strict=True)]
    return Parts(tables, layers)


def trained(stack: Stack) -> np.ndarray:
    """(P,) ones where a parameter is trained, zeros where it is not."""
    return np.concatenate([np.full(array.rows * array.width, float(array.trains)) for array in stack.arrays()])
