"""Clients are divided by what they cost, by nothing else; processes have equal shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.simulation.blocks import Block, Load, blocks_of, shares

SMALL = {"parameters": 4225, "layers": 3}
LOADS = st.lists(st.builds(Load, st.integers(0, 500), st.sampled_from([32, 64, 96])), min_size=1, max_size=300)


def _unequal(clients: int, seed: int = 0) -> list[Load]:
    steps = np.ceil(np.random.default_rng(seed).dirichlet(np.full(clients, 0.5)) * 625)
    return [Load(int(count), 64) for count in steps]


def _makespan(blocks: list[Block], processes: int) -> float:
    return max(sum(blocks[place].cost for place in places) for places in shares(blocks, processes))


@given(LOADS, st.sampled_from([7, 4225, 300_000, 2**23 + 1]), st.sampled_from([None, 1, 4]))
def test_every_client_is_in_one_block_of_its_width_and_no_block_is_too_large(
    loads: list[Load], parameters: int, layers: int | None
) -> None:
    blocks = blocks_of(loads, parameters, layers=layers)
    assert sorted(client for block in blocks for client in block.clients) == list(range(len(loads)))
    assert all(len(block.clients) <= max(1, min(64, 2**23 // parameters)) for block in blocks)
    assert [block.cost for block in blocks] == sorted((block.cost for block in blocks), reverse=True)
    if layers:
        assert all(len({loads[client].width for client in block.clients}) == 1 for block in blocks)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=60), st.integers(1, 9))
def test_no_process_has_more_than_its_part_and_one_block(costs: list[float], processes: int) -> None:
    blocks = [Block((place,), cost) for place, cost in enumerate(costs)]
    dealt = shares(blocks, processes)
    assert sorted(place for places in dealt for place in places) == list(range(len(costs)))
    bound = sum(costs) / processes + max(costs) * (1 - 1 / processes)  # Graham 1966
    assert _makespan(blocks, processes) <= bound + 1e-9


def test_the_costliest_blocks_are_dealt_first() -> None:
    blocks = [Block((place,), cost) for place, cost in enumerate((1.0, 1.0, 2.0, 3.0, 3.0))]
    assert _makespan(blocks, 2) == 5.0  # in the order that they are given: 6


@pytest.mark.parametrize("clients", [64, 256])
@pytest.mark.parametrize("seed", range(4))
def test_two_processes_have_nearly_equal_shares_of_unequal_clients(clients: int, seed: int) -> None:
    loads = _unequal(clients, seed)
    blocks = blocks_of(loads, **SMALL)
    longest = blocks_of([max(loads)], **SMALL)[0].cost
    assert _makespan(blocks, 2) < 1.1 * max(longest, sum(block.cost for block in blocks) / 2)


def test_a_client_that_is_longer_than_all_others_together_steps_alone_and_they_beside_it() -> None:
    blocks = blocks_of([Load(20, 64), Load(400, 64), Load(30, 64), Load(25, 64)], **SMALL)
    assert [block.clients for block in blocks] == [(1,), (2, 3, 0)]


def test_clients_of_similar_numbers_of_steps_are_stacked() -> None:
    loads = _unequal(64)
    for block in blocks_of(loads, **SMALL):
        steps = [loads[client].steps for client in block.clients]
        between = [load.steps for load in loads if min(steps) < load.steps < max(steps)]
        assert steps == sorted(steps, reverse=True)
        assert len(between) <= len(steps)  # nobody else has so many


def test_networks_that_step_by_autograd_are_divided_evenly() -> None:
    blocks = blocks_of([Load(steps, 32) for steps in range(1, 65)], 5000, layers=None)
    assert _makespan(blocks, 4) < 1.1 * sum(block.cost for block in blocks) / 4


def test_ten_thousand_clients_are_divided_at_once() -> None:
    blocks = blocks_of([Load(1, 32)] * 10_000, 257, layers=2)
    assert len(blocks) == 157 and {len(block.clients) for block in blocks} == {64, 16}
