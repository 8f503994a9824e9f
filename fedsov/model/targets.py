"""The column to predict: its task, its outcomes, and how targets become outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fedsov.checks import as_number, choice, flag, require, shown, text, text_or_none, texts
from fedsov.errors import ConfigurationError, InputError


def outcome(target: np.ndarray, rule: TargetRule, median: float | None = None) -> np.ndarray:
    """The (N,) float32 outcomes of 0 and 1, places of several classes, or numbers on a scale; (N, C) of labels.

    Args:
        target: (N,) float64, or objects of str.
        rule: above the region's median, or equal to a value, or already 0 and 1; or of classes, or numbers.
        median: of all the region's rows; computed from `target` where absent.

    Raises:
        InputError: the target has missing values, is not numeric where it must be, is of no class, or needs a rule.
    """
    if rule.classes:
        return _labels(target, rule) if rule.separator else _places(target, rule)
    if rule.scale:
        return np.asarray(rule.on_scale(numbers(target, rule.column)), dtype=np.float32)
    if rule.above_region_median:
        values = numbers(target, rule.column)
        middle = float(np.median(values)) if median is None and len(values) else median
        return np.asarray(values > middle if middle is not None else values, dtype=np.float32)
    if rule.positive is not None:
        return np.asarray(_equal(target, rule), dtype=np.float32)
    values = numbers(target, rule.column)
    if not np.isin(values, (0.0, 1.0)).all():
        raise InputError(
            f"target {rule.column!r} is not 0 or 1; "
            "set dataset.target_positive=VALUE or dataset.target_above_region_median=true"
        )
    return values.astype(np.float32)


def _places(target: np.ndarray, rule: TargetRule) -> np.ndarray:
    found = np.full(len(target), -1, dtype=np.float32)
    for place, name in enumerate(rule.classes):
        found[_equal(target, replace(rule, classes=(), positive=name))] = place
    if (found < 0).any():
        raise InputError(f"target {rule.column!r} has a value that is none of dataset.classes")
    return found


def _labels(target: np.ndarray, rule: TargetRule) -> np.ndarray:
    """(N, C) ones where a row has a label."""
    if target.dtype != object or any(value is None for value in target.tolist()):
        raise InputError(
            f"target {rule.column!r} has a value without text; labels are text, the separator alone for none"
        )
    named = [rule.labels(value) for value in target.tolist()]
    if any(name not in rule.classes for names in named for name in names):
        raise InputError(f"target {rule.column!r} has a label that is none of dataset.classes")
    ones = [[name in names for name in rule.classes] for names in named]
    return np.array(ones, np.float32).reshape(-1, len(rule.classes))


def in_words(target: np.ndarray, rule: TargetRule) -> np.ndarray:
    """(N,) the targets by the names of their classes, where each has one of several; else as they are."""
    if rule.task != "multiclass":
        return target
    return np.array(rule.classes, object)[outcome(target, rule).astype(np.int64)]


def numbers(target: np.ndarray, column: str) -> np.ndarray:
    """(N,) float64 targets of a column of numbers. Raises InputError for text, and for missing or infinite values."""
    try:
        values = np.asarray(target, dtype=np.float64)
    except ValueError:
        raise InputError(
            f"target {column!r} holds text; set dataset.target_positive to the value that counts as 1"
        ) from None
    if not np.isfinite(values).all():
        raise InputError(f"target {column!r} has missing or infinite values; set dataset.missing_target=quarantine")
    return values


def _equal(target: np.ndarray, rule: TargetRule) -> np.ndarray:
    if target.dtype != object:
        try:
            return np.asarray(numbers(target, rule.column) == float(str(rule.positive)))
        except ValueError:
            raise InputError(f"target {rule.column!r} is numeric; {rule.positive!r} is no number") from None
    if any(value is None for value in target.tolist()):
        raise InputError(f"target {rule.column!r} has missing values; set dataset.missing_target=quarantine")
    return np.asarray(target == str(rule.positive))


FARTHEST = 3.4e38
"""No number of float32, in which outcomes are, is much farther from 0."""


TASKS = ("binary", "multiclass", "multilabel", "regression")

TARGET_SETTINGS = (
    "target",
    "target_above_region_median",
    "target_positive",
    "classes",
    "target_scale",
    "label_separator",
    "task",
)
"""The keys of the group `dataset` that say what is learned; `TargetRule.from_settings` reads them."""


@dataclass(frozen=True, slots=True)
class TargetRule:
    """The column to predict, and when it counts as 1: above its region's median, or spelled `positive`.

    Or what its values are called where there are several: an outcome is then the place of its class among `classes`, in
    every region the same; with a `separator` a value names any number of them, its labels. Or, where numbers are
    predicted, which two of them are learned as -1 and 1: a `scale` that all regions share, known beforehand, and not
    from their rows.
    """

    column: str
    above_region_median: bool = False
    positive: str | None = None
    classes: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    separator: str = ""

    def __post_init__(self) -> None:
        ways = [self.above_region_median, self.positive is not None, bool(self.classes), bool(self.scale)]
        if sum(ways) > 1:
            raise ConfigurationError(
                "a target has one rule: leave all but one of dataset.target_positive, "
                "dataset.target_above_region_median, dataset.classes and dataset.target_scale"
            )
        if self.scale and not (len(self.scale) == 2 and -FARTHEST < self.scale[0] < self.scale[1] < FARTHEST):
            raise ConfigurationError(
                f"dataset.target_scale must be [LOW, HIGH], LOW below HIGH, finite in float32; got {list(self.scale)}"
            )
        if self.separator and (not self.classes or any(self.separator in name for name in self.classes)):
            raise ConfigurationError(
                f"dataset.label_separator={self.separator!r} is for names in dataset.classes, and stands in no name"
            )
        if self.separator and (odd := [name for name in self.classes if self.labels(name) != [name]]):
            raise ConfigurationError(f"dataset.classes has {odd[0]!r}, which no value can name; take the spaces away")
        if len(self.classes) == 1 or len(set(map(_as_number, self.classes))) < len(self.classes):
            raise ConfigurationError(
                f"dataset.classes must be two classes or more, each once; got {list(self.classes)}"
            )

    @staticmethod
    def from_settings(dataset: Mapping[str, Any]) -> TargetRule:
        """The target that the group `dataset` names: binary, of several classes or labels, or a number.

        Raises:
            ConfigurationError: a value that cannot be, or a task that is not what the other settings say.
        """
        positive = text_or_none("dataset.target_positive", dataset.get("target_positive"), "a value", truth=True)
        separator = text_or_none("dataset.label_separator", dataset.get("label_separator"))
        rule = TargetRule(
            column=text("dataset.target", require("dataset", dataset, "target"), "the name of a column"),
            above_region_median=flag(
                "dataset.target_above_region_median", dataset.get("target_above_region_median", False)
            ),
            positive=positive,
            classes=texts("dataset.classes", dataset.get("classes", []), truth=True),
            scale=_scale(dataset.get("target_scale")),
            separator=separator or "",
        )
        if (task := choice("dataset.task", dataset.get("task", "binary"), TASKS)) != rule.task:
            raise ConfigurationError(
                f"dataset.task is {shown(task)}, and what is said of the target is {rule.task}: regression has "
                "dataset.target_scale=[LOW, HIGH], multiclass dataset.classes=[A, B, C], multilabel these and "
                "dataset.label_separator, and binary none of them"
            )
        return rule

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> TargetRule:
        """The rule whose fields these are, after a journey as JSON. Raises ConfigurationError, KeyError, TypeError."""
        return TargetRule(**{**value, "classes": tuple(value["classes"]), "scale": tuple(map(float, value["scale"]))})

    def labels(self, value: str) -> list[str]:
        """The classes that a value names; none where it is the separator alone."""
        return [part for part in map(str.strip, value.split(self.separator)) if part]

    def on_scale(self, number: Any) -> Any:
        """A number, or an array of numbers, as it is learned: the scale's LOW as -1 and its HIGH as 1."""
        low, high = self.scale
        return (2.0 * number - (high + low)) / (high - low)

    def off_scale(self, learned: Any) -> Any:
        """The inverse of `on_scale`: what was learned, in the column's own unit."""
        low, high = self.scale
        return learned * ((high - low) / 2.0) + (high + low) / 2.0

    @property
    def is_number(self) -> bool:
        """True where the column holds any numbers, not one of a few values."""
        return self.above_region_median or bool(self.scale)

    @property
    def task(self) -> str:
        """What is learned, which is also the name of the loss that fits it."""
        if self.classes:
            return "multilabel" if self.separator else "multiclass"
        return "regression" if self.scale else "binary"


def _scale(value: Any) -> tuple[float, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(type(number) in (int, float) for number in value):
        raise ConfigurationError(f"dataset.target_scale must be two numbers as [LOW, HIGH], got {shown(value)}")
    return tuple(map(as_number, value))


def _as_number(name: str) -> str:
    """What a class is in a column of numbers: "01" and "1.0" are one there."""
    try:
        return repr(float(name))
    except ValueError:
        return name
