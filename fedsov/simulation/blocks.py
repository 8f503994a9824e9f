"""Which virtual clients are stepped as one stack, and by which process.

The steps of a stack are taken together: each costs something once, and something for every client that still steps. So
clients of the same width and of similar numbers of steps belong together, and a stack pays as long as processes have
equal shares of the cost. Who is stacked with whom follows from the clients alone, never from the number of processes,
since on some processors the last bit of a client's result depends on who is stacked with it.

>>> blocks = blocks_of([Load(40, 64), Load(10, 64), Load(9, 64), Load(11, 64)], parameters=4_000, layers=3)
>>> [block.clients for block in blocks]
[(0,), (3, 1, 2)]
>>> shares(blocks, 2)
[[0], [1]]
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from itertools import accumulate, groupby
from typing import NamedTuple

_STACK, _FLOATS = 64, 2**23
"""The most clients of a stack, and the most numbers of all their parameters."""
_CACHED = 2**19
"""The same of more than eight clients, so that a core works on what is near it."""
_LAYER, _ALONE, _AUTOGRAD = 650_000.0, 2 / 3, 8_000_000.0
"""What a step of a stack costs for each layer beside its clients, as so many products of a row and a parameter; which
part of that for a lone client; and what a client's step by autograd costs. Measured, as is what follows, with networks
of 7 to 50,000 parameters."""
_ROWS, _CLIENT_STEP, _CLIENT, _BLOCK = 32, 40_000.0, 1_000_000.0, 4_000_000.0
"""A client's step costs so many rows more, and so much; then a client's round, and a block's round."""
_COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48)
"""Numbers of blocks that are tried."""
_MACHINES = {2: 0.7, 4: 0.15, 16: 0.15}
"""Processes that a division into blocks is to be good for, and how much each counts."""


class Load(NamedTuple):
    """A client's round: its steps, and the rows that each is padded to."""

    steps: int
    width: int


class Block(NamedTuple):
    """Clients that are stepped as one stack, those with most steps first, and what its round costs."""

    clients: tuple[int, ...]
    cost: float


def blocks_of(loads: Sequence[Load], parameters: int, *, layers: int | None) -> list[Block]:
    """Every client in one block, the costliest block first.

    Args:
        parameters: the network's number of them, P.
        layers: of a network whose clients step together; None where each steps alone, by autograd.
    """
    order = sorted(range(len(loads)), key=lambda client: (loads[client].width, loads[client].steps, -client))
    runs = groupby(order, key=lambda client: loads[client].width if layers else 0)
    groups = [_Group(list(clients), loads, parameters, layers) for _, clients in runs]
    divisions = [_divided(groups, math.inf)]
    for count in _COUNTS:
        if len(divisions[0]) < count <= len(loads):
            divisions.append(_divided(groups, _capacity(groups, count)))
    best = min(divisions, key=_time)
    return sorted(best, key=lambda block: (-block.cost, block.clients))


def shares(blocks: Sequence[Block], processes: int) -> list[list[int]]:
    """The blocks of each process: the costliest first, each to whoever has least so far (Graham 1969)."""
    dealt: list[list[int]] = [[] for _ in range(processes)]
    loads = [(0.0, process) for process in range(processes)]
    for place in sorted(range(len(blocks)), key=lambda place: -blocks[place].cost):
        load, process = heapq.heappop(loads)
        dealt[process].append(place)
        heapq.heappush(loads, (load + blocks[place].cost, process))
    return dealt


class _Group:
    """Clients that may be stacked with each other, those with fewest steps first."""

    def __init__(self, clients: list[int], loads: Sequence[Load], parameters: int, layers: int | None) -> None:
        self.clients, self._layers = clients, layers
        self._most = max(1, min(_STACK, _FLOATS // parameters, max(8, _CACHED // parameters)))
        self._steps = [loads[client].steps for client in clients]
        own = [
            _CLIENT + loads[client].steps * (parameters * (loads[client].width + _ROWS) + _CLIENT_STEP)
            for client in clients
        ]
        self._own = [0.0, *accumulate(own)]
        self.own = self._own[-1]

    def cost(self, start: int, end: int) -> float:
        """What a round of a block of these clients costs, in products of a row and a parameter."""
        own, steps = self._own[end] - self._own[start], self._steps
        if self._layers is None:
            return _BLOCK + own + _AUTOGRAD * sum(steps[start:end])
        longest, second = steps[end - 1], steps[end - 2] if end - start > 1 else 0
        return _BLOCK + own + _LAYER * self._layers * (second + _ALONE * (longest - second))

    def filled(self, capacity: float) -> list[tuple[int, int]]:
        """Starts and ends of blocks as large as may be that each cost at most so much, or have one client."""
        blocks, start = list[tuple[int, int]](), 0
        while start < len(self.clients):
            ends = range(start + 1, min(start + self._most, len(self.clients)) + 1)
            fitting = bisect_right(ends, capacity, key=partial(self.cost, start))
            blocks.append((start, ends[max(0, fitting - 1)]))
            start = blocks[-1][1]
        return blocks


def _capacity(groups: Sequence[_Group], count: int) -> float:
    """About the least that blocks may cost so that there are no more than this."""
    least = sum(group.own for group in groups) / count
    while sum(len(group.filled(2 * least)) for group in groups) > count:
        least *= 2
    most = 2 * least
    for _ in range(6):
        middle = (least + most) / 2
        enough = sum(len(group.filled(middle)) for group in groups) <= count
        least, most = (least, middle) if enough else (middle, most)
    return most


def _divided(groups: Sequence[_Group], capacity: float) -> list[Block]:
    return [
        Block(tuple(group.clients[start:end][::-1]), group.cost(start, end))
        for group in groups
        for start, end in group.filled(capacity)
    ]


def _time(blocks: Sequence[Block]) -> float:
    """The logarithm of a round's time, on average over machines."""
    return sum(weight * math.log(_makespan(blocks, processes)) for processes, weight in _MACHINES.items())


def _makespan(blocks: Sequence[Block], processes: int) -> float:
    return max(sum(blocks[place].cost for place in places) for places in shares(blocks, processes))
