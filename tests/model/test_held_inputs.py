"""Inputs that too few of a region's people differ in are held: what is encoded of their rows, and what is not."""

import logging

import numpy as np
import pytest

from fedsov.errors import InputError
from fedsov.model.column_statistics import Statistics
from fedsov.model.features import Features
from fedsov.model.held_inputs import held

LEVELS = Features(levels=(("ward", ("A", "B", "C")),))
KINDS = {"ward": "categorical", "age": "numeric"}


def _wards(**counts):
    return {"ward": np.array([level for level, many in counts.items() for _ in range(many)], dtype=object)}


def test_rows_at_a_rare_level_take_the_most_common_one():
    encoded = held(LEVELS, _wards(A=50, B=40, C=9), None, least=10).encode(_wards(A=1, B=1, C=1))
    assert encoded.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_rows_at_rare_levels_that_are_enough_together_stay_apart_from_all_levels():
    encoded = held(LEVELS, _wards(A=50, B=8, C=9), None, least=10).encode(_wards(A=1, B=1, C=1, D=1))
    assert encoded.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_a_level_that_all_but_a_few_have_is_everybody_s():
    encoded = held(LEVELS, _wards(A=95, C=5), None, least=10).encode(_wards(A=1, C=1))
    assert encoded.tolist() == [[1, 0, 0], [1, 0, 0]]


def test_people_are_counted_and_not_rows():
    persons = np.array([f"p{row}" for row in range(50)] + ["q"] * 30)
    encoded = held(LEVELS, _wards(A=25, B=25, C=30), persons, least=10).encode(_wards(C=1))
    assert encoded.tolist() == [[1, 0, 0]]


def test_an_input_that_enough_people_differ_in_is_encoded_as_it_was():
    columns = _wards(A=50, B=40, C=10)
    assert (held(LEVELS, columns, None, least=10).encode(columns) == LEVELS.encode(columns)).all()


def test_a_missing_value_of_few_is_no_input_and_of_many_is_one():
    features = Features(levels=(("ward", ("A", "B")),), missing=("ward",))
    for absent, expected in ((9, [1, 0, 0]), (12, [0, 0, 1])):
        values = np.array(["A"] * 50 + ["B"] * 40 + [None] * absent, dtype=object)
        row = held(features, {"ward": values}, None, least=10).encode({"ward": np.array([None], dtype=object)})
        assert row.tolist() == [expected]


def test_what_the_region_s_own_statistics_do_not_name_is_held_at_its_reference():
    columns = {**_wards(A=50, B=50), "age": np.arange(100.0)}
    own = Statistics.from_records({**_wards(A=100), "age": columns["age"]}, KINDS)
    features = Features((("age", 49.5, 28.9),), LEVELS.levels, ("age",))
    encoded = held(features, columns, None, least=10, own=own).encode(columns)
    assert np.ptp(encoded[:, 0]) > 1  # the number follows
    assert not encoded[:, 2:].any()  # B, C, and an indicator of what nobody was told of
    silent = held(features, columns, None, least=10, own=Statistics()).encode(columns)
    assert not silent.any()


@pytest.mark.parametrize(("mean", "spread"), [(49.5, 0.1), (5000.0, 28.9)])
def test_a_scale_that_no_other_rows_explain_is_held(mean, spread):
    columns = {"age": np.arange(100.0)}
    own = Statistics.from_records(columns, {"age": "numeric"})
    assert not held(Features((("age", mean, spread),)), columns, None, least=10, own=own).encode(columns).any()


def test_an_honest_pool_of_unlike_regions_holds_nothing():
    small, large = {"age": np.arange(40.0)}, {"age": 50.0 + np.arange(20_000.0) / 1000}
    own, other = (Statistics.from_records(part, {"age": "numeric"}) for part in (small, large))
    features = Features.fit(own + other)
    encoded = held(features, small, None, least=10, own=own).encode(small)
    ((_, mean, spread),) = features.numeric
    assert np.ptp(encoded) > 0 and np.allclose(encoded[:, 0], (small["age"] - mean) / spread)


@pytest.mark.parametrize(("mean", "spread"), [(1.0, 10.0), (99.0, 3.0), (50.0, 5.0)])
def test_numbers_are_drawn_in_about_the_region_s_own_mean_and_by_no_scale_of_the_hub_s(mean, spread):
    columns = {"age": np.append(np.arange(100.0), 1e6)}
    own = Statistics.from_records({"age": np.arange(100.0)}, {"age": "numeric"})
    encoded = held(Features((("age", mean, spread),)), columns, None, least=10, own=own).encode(columns)
    most = own.numeric["age"].mean + 6 * own.numeric["age"].spread
    assert np.allclose(encoded[:, 0], (np.minimum(columns["age"], most) - mean) / spread)


def test_held_inputs_are_named_in_the_region_s_log_and_never_sent(caplog):
    with caplog.at_level(logging.WARNING):
        found = held(LEVELS, _wards(A=50, B=40, C=3), None, least=10)
    assert "ward=C" in caplog.text
    assert found.to_json() == LEVELS.to_json() and found.digest == LEVELS.digest and found == LEVELS


def test_what_was_held_stays_held_where_further_rows_are_looked_at():
    first = held(LEVELS, _wards(A=50, B=40, C=3), None, least=10)
    second = held(first, _wards(A=20, B=5, C=20), None, least=10)
    assert second.encode(_wards(A=1, B=1, C=1)).tolist() == [[1, 0, 0]] * 3  # C is at A as before, B for these rows


@pytest.mark.parametrize("named", [("A",), ("B",), ("B", "C"), ("C",), ("A", "B", "C")])
def test_rows_at_a_rare_level_are_at_the_same_level_whatever_levels_a_hub_names(named):
    columns = _wards(A=50, B=40, C=3)
    own = Statistics.from_records(columns, KINDS | {"age": "text"})
    for said in (None, own):
        encoded = held(Features(levels=(("ward", named),)), columns, None, least=10, own=said).encode(columns)
        of_level = dict(zip(columns["ward"].tolist(), encoded.tolist(), strict=True))
        assert of_level["C"] == of_level["A"]


def _ages(absent):
    return {"age": np.append(np.arange(100.0), np.full(absent, np.nan))}


@pytest.mark.parametrize("mean", [49.0, -100.0])
def test_a_missing_number_of_few_is_the_region_s_own_mean_and_of_many_is_0(mean):
    features = Features((("age", mean, 30.0),), missing=("age",))
    for absent, expected in ((9, (49.5 - mean) / 30.0), (10, 0.0)):
        columns = _ages(absent)
        own = Statistics.from_records(columns, {"age": "numeric"})
        for said in (None, own):
            encoded = held(features, columns, None, least=10, own=said).encode(columns)
            assert encoded[-1, 0] == pytest.approx(expected) and encoded[-1, 1] == float(absent == 10)


def test_further_rows_without_a_number_take_the_same_mean():
    own = Statistics.from_records(_ages(3), {"age": "numeric"})
    first = held(Features((("age", 0.0, 30.0),)), _ages(3), None, least=10, own=own)
    second = held(first, {"age": np.append(np.arange(40.0), np.full(20, np.nan))}, None, least=10, own=own)
    assert second.encode(_ages(1))[-1, 0] == pytest.approx(49.5 / 30.0)


def test_each_group_of_people_is_enough_for_itself():
    """Who is in one group only is the difference of an answer about all and one about the other group."""
    columns = {**_wards(A=60, B=60, C=21), "age": np.arange(141.0)}
    groups = np.append(np.arange(120) % 2, [1] + [0] * 20)  # one of C is of the second
    alone, apart = (held(LEVELS, columns, None, least=10, groups=given) for given in (None, groups))
    assert alone.encode(columns).sum(0).tolist() == [60, 60, 21]
    assert apart.encode(columns).sum(0).tolist() == [81, 60, 0]


def test_a_column_that_the_rows_lack_is_named():
    with pytest.raises(InputError, match="ward"):
        held(LEVELS, {"age": np.arange(20.0)}, None, least=10)
