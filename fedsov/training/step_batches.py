"""The rows of each step of several clients, gathered into tensors of one shape.

Clients whose batches are padded to the same width (`width_of`) are stacked, and take their steps together; padding has
weight 0. Rows are gathered for some steps at a time, and a step of many rows in parts, so that memory does not grow
with the number of steps or the length of one.

>>> [width_of(rows, 64) for rows in (1, 33, 1000)]
[32, 64, 64]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fedsov.privacy.mechanism import Clipping
from fedsov.training.memory_layout import EVEN, evened

if TYPE_CHECKING:
    import torch

CHUNK = 16_384
"""Rows gathered at once, of all clients together; a stack's memory beside its rows grows with it.

A step of more rows than this of one client passes the layers in parts, whose gradients are added up.
"""
TOGETHER = 4 * CHUNK
"""Rows of one step of all clients that are stacked; more are taken in stacks one after the other."""

Batches = Sequence[Sequence[np.ndarray]]
"""For each client, the rows of each of its steps, counted from 0 among its own."""


@dataclass(frozen=True, slots=True)
class ClientBatch:
    """The rows of K clients one after the other, as tensors.

    Attributes:
        X: (N, D) inputs.
        targets: (N, O), as the loss has them.
        weights: (N, 1) or (N, O), or None where every row weighs 1.
        starts: (K,) where each client's rows begin.
        sizes: (K,) how many it has.
    """

    X: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor | None
    starts: np.ndarray
    sizes: np.ndarray


class Step(NamedTuple):
    """The first `clients` of a stack at one step: (k, B, D) inputs, (k, B, O) targets, (k, B, 1 or O) weights.

    With clipping the weights are not divided by the batch; `divisors` (k, 1, 1) does that after clipping. A part of a
    step `begins` it, or `ends` it; a whole one does both.
    """

    clients: int
    X: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    divisors: torch.Tensor
    begins: bool
    ends: bool


def width_of(rows: int, batch: int) -> int:
    """The width that a client's batches are padded to: the batch, or its own rows where these are fewer, rounded up."""
    return evened(min(rows, batch))


def stacked(sizes: Sequence[int] | np.ndarray, batches: Batches, batch: int, *, is_clipped: bool) -> list[list[int]]:
    """Stacks of clients whose batches have the same width, those with most steps first.

    Args:
        sizes: (K,) rows of each client.
        batch: rows of a step; ignored where gradients are clipped, for then batches have any length.
    """
    groups: dict[int, list[int]] = {}
    for client, size in enumerate(sizes):
        groups.setdefault(0 if is_clipped else width_of(int(size), batch), []).append(client)
    stacks = []
    for width, group in groups.items():
        most = max(1, TOGETHER // (width or _widest(batches, group)))
        ordered = sorted(group, key=lambda client: -len(batches[client]))
        stacks += [ordered[first : first + most] for first in range(0, len(ordered), most)]
    return stacks


def _widest(batches: Batches, clients: Sequence[int]) -> int:
    """The width that the longest of these clients' batches is padded to."""
    return max(EVEN, evened(max((len(step) for client in clients for step in batches[client]), default=0)))


def gathered(
    rows: ClientBatch, batches: Batches, together: Sequence[int], *, batch: int, clipping: Clipping | None
) -> Iterator[Step]:
    """The steps of a stack, gathered some at a time, or a part at a time where one is long.

    Args:
        together: the clients of the stack, those with most steps first.
    """
    counts = [len(batches[client]) for client in together]
    width, first = 0 if clipping else width_of(int(rows.sizes[together[0]]), batch), 0
    while first < counts[0]:
        active = sum(count > first for count in counts)
        last = counts[active - 1]  # so far the same clients take part
        each = max(1, CHUNK // (active * (max(width, batch) if width else _widest(batches, together))))
        for begin in range(first, last, each):
            steps = [batches[client][begin : min(begin + each, last)] for client in together[:active]]
            yield from _padded(rows, steps, together[:active], width, clipping)
        first = last


def _padded(
    rows: ClientBatch, steps: Batches, clients: Sequence[int], width: int, clipping: Clipping | None
) -> Iterator[Step]:
    """Steps of these clients, as many of each, padded to the width; to that of the longest where it is 0."""
    lengths = np.array([[len(step) for step in own] for own in steps]).T
    wide = width or max(EVEN, evened(int(lengths.max())))
    chosen = np.zeros((*lengths.shape, wide), dtype=np.int64)
    real = np.arange(wide) < lengths[:, :, None]
    for place, (client, own) in enumerate(zip(clients, steps, strict=True)):
        chosen[:, place][real[:, place]] = np.concatenate(own) + rows.starts[client]
        chosen[:, place][~real[:, place]] = rows.starts[client]
    shares = real.astype(np.float64)[..., None]
    if clipping is None:
        shares /= lengths[:, :, None, None]
    expected = [clipping.expected[client] for client in clients] if clipping else [1.0] * len(clients)
    for at in range(0, wide, CHUNK):  # more than one part only where one step is gathered
        part = np.s_[:, :, at : at + CHUNK]
        yield from _taken(rows, chosen[part], shares[part], expected, begins=at == 0, ends=at + CHUNK >= wide)


def _taken(
    rows: ClientBatch, chosen: np.ndarray, shares: np.ndarray, expected: Sequence[float], *, begins: bool, ends: bool
) -> Iterator[Step]:
    """The rows at `chosen` (steps, k, B), each step's (k, B, 1) shares times the rows' own weights."""
    import torch

    steps, active, wide = chosen.shape
    flat = torch.from_numpy(chosen.reshape(-1))
    inputs = rows.X.index_select(0, flat).view(steps, active, wide, -1)
    targets = rows.targets.index_select(0, flat).view(steps, active, wide, -1)
    weights = torch.from_numpy(shares).to(inputs.dtype)
    if rows.weights is not None:
        weights = weights * rows.weights.index_select(0, flat).view(steps, active, wide, -1)
    divisors = torch.tensor([1.0 / size for size in expected], dtype=inputs.dtype).view(active, 1, 1)
    for X, y, share in zip(inputs.unbind(0), targets.unbind(0), weights.unbind(0), strict=True):
        yield Step(active, X, y, share, divisors, begins, ends)
