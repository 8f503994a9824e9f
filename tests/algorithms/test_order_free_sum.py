"""Sums that are the same bits in any order, and as good as their step."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from fedsov.algorithms.order_free_sum import COLUMNS, STEP, add_updates, mean_of, moved_by


@given(some.integers(0, 2**32), some.integers(1, 9), some.sampled_from([1, 7, COLUMNS - 1, COLUMNS + 3]))
def test_a_sum_is_the_same_bits_in_any_order_and_any_parts(seed: int, clients: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    updates = rng.normal(size=(clients, size)).astype(np.float32)
    shares, order = rng.dirichlet(np.ones(clients)), rng.permutation(clients)
    whole, other = np.zeros(size, np.int64), np.zeros((2, size), np.int64)
    add_updates(updates, shares, whole)
    for client in order:
        add_updates(updates[[client]], shares[[client]], other[client % 2])
    assert np.array_equal(whole, other.sum(axis=0))
    incoming = rng.normal(size=size).astype(np.float32)
    assert np.array_equal(moved_by(incoming, whole[None]), moved_by(incoming, other))


def test_a_mean_is_as_good_as_its_step() -> None:
    rng = np.random.default_rng(0)
    incoming, updates = rng.normal(size=50).astype(np.float32), rng.normal(size=(5, 50)).astype(np.float32)
    weights = np.array([1.0, 2.0, 3.0, 5.0, 8.0])
    mean = incoming + np.average(updates.astype(np.float64), axis=0, weights=weights)
    found = mean_of(incoming, updates, weights)
    assert found.dtype == np.float32
    assert np.abs(found - mean).max() <= 5 * STEP + np.spacing(np.float32(np.abs(mean).max()))
