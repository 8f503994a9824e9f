"""What a data set is, as configured: each thing that cannot be is refused by the name of its setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.errors import ConfigurationError
from fedsov.model.targets import FARTHEST, TargetRule
from tests.partition.world import spec_of


def test_settings_that_cannot_be_are_refused() -> None:
    for settings in ({"nonfinite": "ignore"}, {"missing_target": "zero"}, {"name": "../x"}, {"source": "web"}):
        with pytest.raises(ConfigurationError, match=next(iter(settings))):
            spec_of(Path("x"), **settings)
    with pytest.raises(ConfigurationError, match="both 'country'"):
        spec_of(Path("x"), target=TargetRule("country"))


@pytest.mark.parametrize("name", ["", "a b", "../up", "x" * 65, ".hidden", "a/b"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="names a folder"):
        spec_of(Path("x"), name=name)


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
