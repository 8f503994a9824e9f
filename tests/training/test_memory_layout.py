"""Parameters spread out for products: every array where registers begin, gaps of zeros, and back without a change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedsov.training.memory_layout import (
    EVEN,
    PAGE,
    Layer,
    Stack,
    Table,
    empty,
    evened,
    gather,
    places,
    spread,
    still,
    views,
)
from fedsov.training.memory_layout import trained as trained_mask

SMALL = Stack((Layer(9, 5, "relu"), Layer(5, 1)))
TABLES = Stack(
    (Layer(9, 3, "tanh", trains_bias=False), Layer(3, 2)), (Table(1, 7, 3, trains=False), Table(3, 2, 4)), (0, 2)
)
GAPPED = Stack((Layer(4, PAGE, "relu"), Layer(PAGE, 20, "relu"), Layer(20, 1)))
STACKS = [SMALL, TABLES, GAPPED]


def size_of(stack: Stack) -> int:
    return sum(array.rows * array.width for array in stack.arrays())


@pytest.mark.parametrize("stack", STACKS)
def test_every_array_of_every_client_begins_where_vector_registers_do(stack):
    laid = spread(torch.zeros(3, size_of(stack)), stack)
    starts = [array.within(laid, even).data_ptr() for array, _, even in places(stack)[0]]
    assert laid.data_ptr() % (4 * EVEN) == 0 and laid.stride(0) % EVEN == 0
    assert all(start % (4 * EVEN) == 0 for start in starts)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("stack", STACKS)
def test_what_is_spread_out_is_gathered_as_it_was_and_lies_among_zeros(stack, dtype):
    flat = torch.randn(3, size_of(stack), dtype=dtype, generator=torch.Generator().manual_seed(0))
    laid, back = spread(flat, stack), torch.empty(3, size_of(stack), dtype=dtype)
    gather(laid, back, stack)
    assert torch.equal(back, flat)
    assert int((laid != 0).sum()) == int((flat != 0).sum())


@pytest.mark.parametrize("stack", STACKS)
def test_views_are_the_state_dict_s_arrays(stack):
    flat = torch.arange(float(size_of(stack)))[None]
    parts, at = views(spread(flat, stack), stack), 0
    for table, view in zip(stack.tables, parts.tables, strict=True):
        assert view.shape == (1, table.levels, table.width) and float(view[0, 0, 0]) == at
        at += table.levels * table.width
    for layer, view in zip(stack.layers, parts.layers, strict=True):
        assert view.weight.shape == (1, layer.out, layer.into) and view.bias.shape == (1, 1, layer.out)
        assert torch.equal(view.transposed, view.weight.transpose(1, 2))
        assert torch.equal(view.weight.reshape(-1), torch.arange(float(at), float(at + layer.out * layer.into)))
        at += layer.out * layer.into
        assert float(view.bias[0, 0, 0]) == at
        at += layer.out


def test_rows_of_a_page_have_gaps_only_in_a_large_layer():
    assert [array.gap for array in GAPPED.arrays()] == [0, 0, EVEN, 0, 0, 0]
    assert [array.gap for array in Stack((Layer(PAGE, 2),)).arrays()] == [0, 0]


def test_speeds_begin_at_zero_but_for_what_a_product_overwrites():
    laid = still((2, places(GAPPED)[1]), torch.float32, GAPPED)
    (array, _, even) = places(GAPPED)[0][2]
    assert array.overwritten
    laid[:, even : even + array.length] = 0
    assert not laid.any()


@pytest.mark.parametrize("stack", STACKS)
def test_the_mask_has_ones_where_a_parameter_is_trained(stack):
    mask = trained_mask(stack)
    assert mask.shape == (size_of(stack),) and set(np.unique(mask)) <= {0.0, 1.0}
    if stack is TABLES:
        assert mask.sum() == size_of(stack) - 7 * 3 - 3


@given(st.integers(0, 10**6))
def test_a_count_is_rounded_up_to_the_next_even_one(count):
    assert evened(count) % EVEN == 0 and 0 <= evened(count) - count < EVEN


def test_memory_begins_at_an_even_place_whatever_its_size():
    assert all(empty((size,), torch.float64).data_ptr() % (8 * EVEN) == 0 for size in range(1, 40))
