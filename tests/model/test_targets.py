"""How targets become outcomes: by the median, by a spelled value, by classes, labels or a scale, or not at all."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError, InputError
from fedsov.model.targets import FARTHEST, TASKS, TargetRule, in_words, outcome

Target = partial(TargetRule, "salary")
TAGS = Target(classes=("red", "blue", "green"), separator=";")


def test_the_outcome_is_above_the_median_of_all_the_regions_rows() -> None:
    target = np.array([10.0, 20, 30, 40])
    assert outcome(target, Target(above_region_median=True)).tolist() == [0, 0, 1, 1]
    assert outcome(target, Target(above_region_median=True), median=35).tolist() == [0, 0, 0, 1]
    assert outcome(np.zeros(0), Target(above_region_median=True)).tolist() == []


def test_the_outcome_is_a_spelled_value_in_text_and_in_numbers() -> None:
    assert outcome(np.array(["yes", "no"], dtype=object), Target(positive="yes")).tolist() == [1, 0]
    assert outcome(np.array([2.0, 1.0]), Target(positive="2")).tolist() == [1, 0]
    assert outcome(np.array([1.0, 0.0]), Target()).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("target", "rule", "said"),
    [
        ([1.0, 2.0, 3.0], Target(), "not 0 or 1"),
        ([1.0, np.nan], Target(), "missing or infinite"),
        ([1.0, np.inf], Target(above_region_median=True), "missing or infinite"),
        (["a", "b"], Target(above_region_median=True), "holds text"),
        (["a", None], Target(positive="a"), "missing"),
        ([1.0, 2.0], Target(positive="high"), "numeric"),
    ],
)
def test_a_target_that_cannot_be_an_outcome_is_named(target: list[Any], rule: TargetRule, said: str) -> None:
    kind = object if any(isinstance(value, str) for value in target) else float
    with pytest.raises(InputError, match=said) as refused:
        outcome(np.array(target, dtype=kind), rule)
    assert "salary" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_task_that_there_is_not_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"dataset.task must be .*got 'regresion'; did you mean regression\?"):
        TargetRule.from_settings({"target": "y", "task": "regresion"})
    rules = [TargetRule("y"), TargetRule("y", classes=("a", "b")), TargetRule("y", scale=(0.0, 1.0))]
    assert {rule.task for rule in [*rules, replace(rules[1], separator=";")]} == set(TASKS)


def test_an_outcome_of_several_classes_is_the_place_of_its_name_in_every_region() -> None:
    rule = Target(classes=("low", "middle", "high"))
    assert outcome(np.array(["high", "low"], object), rule).tolist() == [2, 0]
    assert outcome(np.array(["low"], object), rule).tolist() == [0]
    stars = Target(classes=("1", "2", "5"))
    assert outcome(np.array([5.0, 1.0, 2.0]), stars).tolist() == [2, 0, 1]
    assert in_words(np.array([5.0, 1.0]), stars).tolist() == ["5", "1"]
    assert outcome(in_words(np.array([5.0, 1.0]), stars), stars).tolist() == [2, 0]  # as synthetic rows come
    assert in_words(np.array([1.0, 0.0]), Target()).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("target", "classes", "told"),
    [
        (["low", "huge"], ("low", "high"), "none of dataset.classes"),
        (["low", None], ("low", "high"), "missing values"),
        ([1.0, 3.0], ("1", "2"), "none of dataset.classes"),
        ([1.0, math.nan], ("1", "2"), "missing or infinite"),
        ([1.0, 2.0], ("1", "two"), "'two' is no number"),
    ],
)
def test_a_value_that_is_no_class_is_refused(target: list[Any], classes: tuple[str, ...], told: str) -> None:
    kind = float if isinstance(target[0], float) else object
    with pytest.raises(InputError, match=told):
        outcome(np.array(target, dtype=kind), Target(classes=classes))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"positive": "1", "above_region_median": True}, "a target has one rule"),
        ({"classes": ("a", "b"), "scale": (0.0, 1.0)}, "a target has one rule"),
        ({"scale": (1.0, 1.0)}, r"LOW below HIGH.*got \[1.0, 1.0\]"),
        ({"scale": (0.0, float("inf"))}, "finite in float32"),
        ({"scale": (0.0, float("nan"))}, "finite in float32"),
        ({"scale": (0.0,)}, r"must be \[LOW, HIGH\]"),
        ({"scale": (-2 * FARTHEST, 0.0)}, "finite in float32"),
        ({"classes": ("a",)}, "two classes or more"),
        ({"classes": ("a", "b", "a")}, "each once"),
        ({"classes": ("1", "1.0")}, "each once"),
        ({"separator": ";"}, "is for names in dataset.classes"),
        ({"classes": ("a;b", "c"), "separator": ";"}, "stands in no name"),
        ({"classes": (" a", "c"), "separator": ";"}, "which no value can name; take the spaces away"),
    ],
)
def test_a_target_rule_that_cannot_be_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TargetRule("y", **rule)


@pytest.mark.parametrize(
    ("rule", "task", "is_number"),
    [
        (TargetRule("y"), "binary", False),
        (TargetRule("y", positive="yes"), "binary", False),
        (TargetRule("y", above_region_median=True), "binary", True),
        (TargetRule("y", classes=("a", "b")), "multiclass", False),
        (TargetRule("y", classes=("a", "b"), separator=";"), "multilabel", False),
        (TargetRule("y", scale=(0.0, 1.0)), "regression", True),
    ],
)
def test_the_rule_says_what_is_learned(rule: TargetRule, task: str, is_number: bool) -> None:
    assert (rule.task, rule.is_number) == (task, is_number)


def test_labels_are_the_words_between_separators_without_their_spaces() -> None:
    rule = TargetRule("y", classes=("red", "blue"), separator=";")
    assert rule.labels("red; blue") == ["red", "blue"]
    assert rule.labels(" ; ") == [] == rule.labels("")


def test_a_scale_takes_its_low_to_minus_one_and_its_high_to_one() -> None:
    rule = TargetRule("y", scale=(10.0, 30.0))
    np.testing.assert_allclose(rule.on_scale(np.array([10.0, 20.0, 30.0, 40.0])), [-1.0, 0.0, 1.0, 2.0])


def test_an_outcome_of_labels_has_a_column_for_each_class_in_its_order() -> None:
    several = outcome(np.array(["blue; red", ";", "green;green"], object), TAGS)
    assert several.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]] and several.dtype == np.float32
    assert outcome(np.array([], object), TAGS).shape == (0, 3)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (["red;violet"], "has a label that is none of dataset.classes"),
        (["red", None], "has a value without text; labels are text, the separator alone for none"),
        ([1.0], "has a value without text"),
    ],
)
def test_a_value_that_names_no_labels_is_refused(target: list[Any], said: str) -> None:
    with pytest.raises(InputError, match=f"'salary' {said}") as refused:
        outcome(np.array(target, float if target == [1.0] else object), TAGS)
    assert "violet" not in str(refused.value)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_numbers_are_learned_on_the_scale_and_come_back_from_it(low: float, width: float, numbers: list[float]) -> None:
    rule = Target(scale=(low, low + width))
    learned = outcome(np.array(numbers), rule)
    assert learned.dtype == np.float32 and rule.is_number
    low, high = rule.scale
    back = (learned.astype(np.float64) * (high - low) + (high + low)) / 2
    largest = max(abs(low), abs(high), *map(abs, numbers))
    np.testing.assert_allclose(back, numbers, rtol=1e-5, atol=1e-6 * largest)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_has_no_place_on_a_scale(value: float) -> None:
    with pytest.raises(InputError, match=r"missing or infinite values; set dataset\.missing_target=quarantine"):
        outcome(np.array([1.0, value]), Target(scale=(0.0, 1.0)))


def test_a_row_at_the_median_is_not_above_it() -> None:
    assert outcome(np.array([5.0, 5.0, 5.0, 9.0]), Target(above_region_median=True)).tolist() == [0, 0, 0, 1]


def test_outcomes_are_float32_whatever_the_rule() -> None:
    rules = [Target(), Target(positive="1"), Target(above_region_median=True), Target(classes=("0", "1"))]
    assert {outcome(np.array([0.0, 1.0]), rule).dtype for rule in rules} == {np.dtype(np.float32)}
