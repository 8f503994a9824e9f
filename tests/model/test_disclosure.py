"""Floors, dominance and bounded values: what a number about rows may not tell of one person."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.model.column_statistics import Statistics
from fedsov.model.disclosure import Disclosure, fewest_apart, owners_of, robust_range, rows_of_people

KINDS = {"income": "numeric", "ward": "categorical"}


def test_a_robust_range_is_that_of_most_values_and_a_few_extreme_ones_do_not_move_it():
    values = np.arange(100.0)
    low, high = robust_range(values)
    assert (low, high) == (49.5 - 250.0, 49.5 + 250.0)
    assert robust_range(np.append(values, [1e12, -1e12])) == pytest.approx((low, high), abs=10)


def test_a_range_of_values_that_are_mostly_one_is_that_of_the_others():
    values = np.array([0.0] * 90 + [5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 1e9])
    assert robust_range(values) == (-95.0, 95.0)
    assert robust_range(np.zeros(5)) == (0.0, 0.0)
    assert robust_range(np.array([-1.7e308, 1.7e308, 1.7e308, 1.7e308])) == (-math.inf, math.inf)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=60), st.floats(-1e12, 1e12))
def test_one_value_among_many_never_decides_the_range(values, extreme):
    several = np.array(sorted(values) * 3)
    low, high = robust_range(np.append(several, extreme))
    assert high - low <= 2 * 10.0 * 2 * (several.max() - several.min()) or not np.ptp(several)


def _described(columns, persons=None, **rules):
    lines = []
    kinds = {name: KINDS[name] for name in columns}
    disclosure = Disclosure(10, log=lines.append, **rules)
    return Statistics.from_records(columns, kinds, persons=persons, disclosure=disclosure), lines


def test_values_are_drawn_in_to_a_robust_range_before_they_are_summed():
    income = np.append(np.arange(99.0), 1e9)
    free, _ = _described({"income": income})
    robust, _ = _described({"income": income}, robust=True)
    assert free.numeric["income"].mean > 1e6
    assert robust.numeric["income"].mean == pytest.approx(np.clip(income, -1000, 300).mean(), rel=0.1)


def test_a_column_in_whose_spread_one_person_dominates_is_not_described_and_named():
    persons = np.array([f"p{row}" for row in range(100)])
    income = np.append(np.linspace(0, 1, 99), 40.0)
    described, lines = _described({"income": income}, persons, dominance=0.5)
    assert described.numeric["income"].n == 0
    assert lines == ["income is not described: one person makes up more than 50% of it"]
    assert _described({"income": income}, persons)[0].numeric["income"].n == 100


def test_a_person_with_most_of_the_rows_hides_a_column_and_a_level():
    persons = np.array(["p0"] * 100 + [f"p{row}" for row in range(1, 40)])
    columns = {"income": np.arange(139.0), "ward": np.array(["A"] * 110 + ["B"] * 29, object)}
    described, lines = _described(columns, persons, dominance=0.5)
    assert described.numeric["income"].n == 0
    assert described.categorical["ward"].levels == {"B": 29} and described.categorical["ward"].other == 0
    assert [line.split(" is ")[0] for line in lines] == ["income", "ward=A"]


def test_rows_of_nobody_count_towards_no_share():
    persons = np.array(["p0"] * 30 + [f"p{row}" for row in range(1, 15)] + [""] * 1000)
    columns = {"ward": np.array(["A"] * 1044, object)}
    assert _described(columns, persons, dominance=0.5)[0].categorical["ward"].levels == {}


def test_people_at_levels_and_apart_are_counted_once_each():
    owners = owners_of(np.array(["a", "a", "b", "", "c"]), 5)
    people, shares = rows_of_people(np.array([0, 0, 0, 0, 1]), owners, 3)
    assert people.tolist() == [2, 1, 0] and shares.tolist() == [2 / 3, 1.0, 0.0]
    assert fewest_apart(np.array([1.0, 1.0, 1.0, 9.0, 2.0]), owners) == 1
    with pytest.raises(ValueError, match="a person for each of 3 rows"):
        owners_of(np.array(["a"]), 3)


def test_of_declared_bounds_and_the_robust_range_the_tighter_holds():
    income = np.append(np.arange(99.0), 1e9)
    for bounds, limits in (((0.0, 60.0), (0.0, 60.0)), ((-1e6, 1e12), (-196.0, 295.0)), ((50.0, 1e12), (50.0, 295.0))):
        described, _ = _described({"income": income}, robust=True, bounds={"income": bounds, "age": (0.0, 1.0)})
        assert described.numeric["income"].mean == pytest.approx(np.clip(income, *limits).mean(), rel=0.02)
    for bounds in ((1e8, 1e9), (-5.0, -1.0), (97.5, 1e12)):  # a hub that declares where one person is learns nothing
        assert _described({"income": income}, robust=True, bounds={"income": bounds})[0].numeric["income"].n == 0
