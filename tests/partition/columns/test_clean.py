"""Columns as they are stored, and the rows that cannot be, each with its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fedsov.errors import InputError
from fedsov.model.targets import TargetRule
from fedsov.partition.arrow_columns import floats
from fedsov.partition.columns.clean import as_floats, prepare
from fedsov.partition.dataset import DatasetSpec
from tests.partition.world import spec_of


def prepared(table: dict[str, Any], spec: DatasetSpec, **kinds: str) -> Any:
    return prepare(pa.table(table), spec, kinds)


def spec(rule: TargetRule | None = None, **settings: Any) -> DatasetSpec:
    return spec_of(Path("x"), target=rule or TargetRule("y"), **settings)


def test_each_column_is_cast_to_its_kind_and_dropped_ones_are_not_there() -> None:
    table = {"a": ["1", None, " 2.5 "], "b": [1.0, 2.0, None], "c": [7, 8, 9], "y": [0, 1, 0]}
    found = prepared(table, spec(), a="numeric", b="categorical", c="drop")
    assert list(found.columns) == ["a", "b"]
    np.testing.assert_array_equal(floats(found.columns["a"]), [1.0, np.nan, 2.5])
    assert found.columns["b"].to_pylist() == ["1", "2", None]
    assert floats(found.target).tolist() == [0.0, 1.0, 0.0] and found.faults == {}


def test_text_in_a_numeric_column_is_named_by_its_row_and_never_quoted() -> None:
    with pytest.raises(InputError, match=r"column 'a' is no number in row 3; set dataset\.kinds\.a=categorical") as bad:
        prepared({"a": ["1", None, "Jane Canary"], "y": [0, 1, 0]}, spec(), a="numeric")
    assert "Canary" not in str(bad.value)
    with pytest.raises(InputError, match=r"column 'a' is list.*, not numeric; set dataset\.kinds\.a=drop"):
        prepared({"a": [[0], [0]], "y": [0, 1]}, spec(), a="numeric")


def test_infinite_values_are_refused_made_missing_or_quarantined_as_it_is_set() -> None:
    table = {"a": [1.0, float("inf"), 3.0], "y": [0, 1, 0]}
    with pytest.raises(InputError, match=r"column 'a' has 1 infinite value, first in row 2; set dataset\.nonfinite"):
        prepared(table, spec(), a="numeric")
    missing = prepared(table, spec(nonfinite="missing"), a="numeric")
    np.testing.assert_array_equal(floats(missing.columns["a"]), [1.0, np.nan, 3.0])
    put_aside = prepared(table, spec(nonfinite="quarantine"), a="numeric")
    assert put_aside.faults["infinite value in column 'a'"].tolist() == [False, True, False]


def test_missing_targets_are_refused_or_quarantined_as_it_is_set() -> None:
    table = {"a": [1, 2, 3], "y": [0.0, None, 1.0]}
    with pytest.raises(InputError, match=r"target 'y' is missing in 1 row, first in row 2"):
        prepared(table, spec(), a="numeric")
    put_aside = prepared(table, spec(missing_target="quarantine"), a="numeric")
    assert put_aside.faults["target 'y' missing"].tolist() == [False, True, False]


MULTICLASS = TargetRule("y", classes=("low", "high"))
MULTILABEL = TargetRule("y", classes=("red", "blue"), separator=";")
SCALE = TargetRule("y", scale=(0.0, 10.0))


@pytest.mark.parametrize(
    ("rule", "values", "message"),
    [
        (TargetRule("y"), [0, 1, 2], "is not 0 or 1 but has 3 different values"),
        (TargetRule("y"), ["no", "yes", "no"], "is not 0 or 1 but has 2 different values"),
        (TargetRule("y", positive="maybe"), ["no", "yes", "no"], "target_positive=maybe is no value of target"),
        (TargetRule("y", positive="3"), [0, 1, 2], "target_positive=3 is no value of target"),
        (MULTICLASS, ["low", "middle", "top"], "has 2 different values that are none of dataset.classes"),
        (MULTILABEL, ["red", "red; green", ""], "has 1 different labels that are none of dataset.classes"),
        (MULTILABEL, [0, 1, 2], "holds numbers, and labels are text"),
        (SCALE, [0.0, 1e40, 1.0], "has a value too far from dataset.target_scale"),
        (SCALE, ["a", "b", "c"], "is no number in row 1; choose another dataset.target"),
    ],
)
def test_a_target_that_cannot_be_an_outcome_is_refused_before_any_store_is_touched(
    rule: TargetRule, values: list[Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        prepared({"a": [1, 2, 3], "y": values}, spec(rule), a="numeric")


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        (TargetRule("y"), [0, 1, 1]),
        (TargetRule("y"), [True, False, True]),
        (TargetRule("y", positive="2"), [0.0, 1.0, 2.0]),
        (TargetRule("y", positive="yes"), ["no", "yes", "no"]),
        (MULTICLASS, ["low", "high", "low"]),
        (TargetRule("y", classes=("1", "2", "3")), [3, 2, 1]),
        (MULTILABEL, ["red", "blue; red", ";"]),
        (SCALE, [-5.0, 0.0, 50.0]),
        (TargetRule("y", above_region_median=True), ["1", "2", "3"]),
    ],
)
def test_a_target_that_fits_its_rule_is_stored_as_it_is(rule: TargetRule, values: list[Any]) -> None:
    found = prepared({"a": [1, 2, 3], "y": values}, spec(rule), a="numeric")
    stored = found.target.to_pylist()
    assert stored == ([1.0, 2.0, 3.0] if rule.above_region_median else [*map(type(stored[0]), values)])
    assert found.faults == {}


def test_numbers_that_text_spells_are_read_and_the_way_out_is_the_callers() -> None:
    column = pa.chunked_array([["1e3", None], ["-2"]])
    np.testing.assert_array_equal(as_floats(column, "a"), [1000.0, np.nan, -2.0])
    with pytest.raises(InputError, match="row 1; mend the file"):
        as_floats(pa.chunked_array([["x"]]), "a", way_out="mend the file")


def test_settings_of_one_column_have_no_say_in_another() -> None:
    table = {"a": [1.0, float("inf")], "b": [1.0, 2.0], "y": [0, 1]}
    found = prepared(table, replace(spec(), nonfinite="quarantine"), a="numeric", b="numeric")
    assert list(found.faults) == ["infinite value in column 'a'"]
