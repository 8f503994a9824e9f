"""Values as words: no sum within the bounds overflows, and the error is what is stated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.privacy.secure_aggregation.fixed_point import COARSEST, FixedPoint

VALUES = st.floats(-64.0, 64.0)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.lists(VALUES, min_size=3, max_size=3), st.integers(1, 2**24)), min_size=1, max_size=9))
def test_the_decoded_mean_is_the_weighted_mean_within_the_stated_error(parts: list[tuple[list[float], int]]) -> None:
    fixed = FixedPoint.finest(clip=64.0, largest_weight=2**24, regions=9)
    total = np.sum([fixed.encoded(np.array(values), weight) for values, weight in parts], axis=0, dtype=np.uint64)
    mean, weight = fixed.decoded(total)
    assert weight == sum(one for _, one in parts)
    for place in range(3):
        exact = math.fsum(values[place] * one for values, one in parts) / weight
        assert abs(mean[place] - exact) <= fixed.worst_error + 2.0**-51 * (abs(exact) + 1e-300) + 2.0**-52 * 64


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("clip", "weight", "regions"), [(64.0, 2**24, 4), (1.0, 10_000, 256), (0.3, 7, 3), (1e6, 9, 5)]
)
def test_at_the_very_edge_of_the_bounds_nothing_overflows(sign: float, clip: float, weight: int, regions: int) -> None:
    fixed = FixedPoint.finest(clip=clip, largest_weight=weight, regions=regions)
    one = fixed.encoded(np.array([sign * clip]), weight)
    exact = int(one.view(np.int64)[0]) * regions
    assert abs(exact) < 2**63
    total = np.sum([one] * regions, axis=0, dtype=np.uint64)
    assert int(total.view(np.int64)[0]) == exact
    mean, weights = fixed.decoded(total)
    assert weights == weight * regions and abs(mean[0] - sign * clip) <= fixed.worst_error + 2**-52 * clip


@pytest.mark.parametrize(("clip", "weight", "regions"), [(64.0, 2**24, 4), (1.0, 10_000, 2**20), (1.5, 7, 3)])
def test_one_bit_more_than_the_finest_is_refused_for_it_could_overflow(clip: float, weight: int, regions: int) -> None:
    fixed = FixedPoint.finest(clip=clip, largest_weight=weight, regions=regions)
    assert fixed.fraction > COARSEST
    largest = math.ceil(math.ldexp(clip, fixed.fraction + 1))
    assert regions * weight * largest >= 2**63 or largest > 2**53
    with pytest.raises(ConfigurationError, match="could overflow"):
        FixedPoint(clip, fixed.fraction + 1, weight, regions)


def test_the_inequality_is_strict() -> None:
    assert FixedPoint(1.0, 20, 2**20, 2**22).fraction == 20  # 2^62
    with pytest.raises(ConfigurationError, match="could overflow"):
        FixedPoint(1.0, 20, 2**20, 2**23)  # 2^63


def test_bounds_that_leave_no_fine_step_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="leave no step"):
        FixedPoint.finest(clip=1e9, largest_weight=2**24, regions=100)
    for wrong in (math.nan, math.inf, 0.0, -1.0):
        with pytest.raises(ConfigurationError):
            FixedPoint.finest(clip=wrong, largest_weight=10, regions=3)
        with pytest.raises(ConfigurationError):
            FixedPoint(wrong, 20, 10, 3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 64.00001, -65.0])
def test_a_value_that_is_not_finite_or_beyond_the_clip_is_refused_and_not_cut(value: float) -> None:
    fixed = FixedPoint.finest(clip=64.0, largest_weight=100, regions=3)
    with pytest.raises(TrainingFailed, match="not finite or moved by more than 64"):
        fixed.encoded(np.array([0.0, value, 1.0]), 5)


@pytest.mark.parametrize("weight", [0, -1, 101])
def test_a_weight_out_of_its_bounds_is_refused(weight: int) -> None:
    with pytest.raises(TrainingFailed, match="weight"):
        FixedPoint.finest(clip=64.0, largest_weight=100, regions=3).encoded(np.zeros(2), weight)


def test_a_sum_with_an_impossible_weight_is_refused() -> None:
    fixed = FixedPoint.finest(clip=64.0, largest_weight=100, regions=3)
    for weight in (0, 301, 2**64 - 1):
        with pytest.raises(TrainingFailed, match="impossible"):
            fixed.decoded(np.array([1, weight], dtype=np.uint64))
