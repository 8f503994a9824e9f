"""Which updates are refused, and why; the same for a virtual client, a region and the hub."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from fedsov.algorithms.update_checks import DIVERGED, LARGEST, update_fault


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, LARGEST, -LARGEST, 3e38])
@pytest.mark.parametrize("place", [0, 4])
def test_a_number_that_no_training_ends_in_is_found_wherever_it_is(value: float, place: int) -> None:
    update = np.zeros(5, np.float32)
    update[place] = value
    assert update_fault(update) == DIVERGED
    assert update_fault(np.zeros(5, np.float32), private=update) == DIVERGED


@given(arrays(np.float32, 6, elements=some.floats(-(2.0**19), 2.0**19, width=32)))
def test_other_numbers_are_accepted_up_to_the_norm_that_is_set(update: np.ndarray) -> None:
    assert not update_fault(update) and not update_fault(np.zeros(1, np.float32), private=update)
    norm = float(np.linalg.norm(update.astype(np.float64)))
    assert not update_fault(update, norm * 1.001 + 1e-9)
    if norm > 1e-3:
        assert "at most" in update_fault(update, norm * 0.999)


def test_the_reason_says_the_norm_its_limit_and_the_setting() -> None:
    why = "its update has norm 5; at most 1 is accepted (federation.max_update_norm)"
    assert update_fault(np.array([3.0, 4.0]), 1.0) == why
    assert not update_fault(np.array([3.0, 4.0]), 5.0) and not update_fault(np.array([3.0, 4.0]), math.inf)


def test_what_is_private_is_under_no_norm() -> None:
    assert not update_fault(np.zeros(2), 1.0, private=np.array([100.0]))
    assert not update_fault(np.zeros(2), 1.0, private=np.zeros(0))
