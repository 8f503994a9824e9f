"""What decides which rows a region has of a source, what binds them, whose they are, and their outcome.

These are settings of the group ``dataset``, under the same names and as the same plain values. A region writes them
down at the first ingestion (``datasets.NAME`` of region.yaml) and holds every later job to them. Which values a column
can have (``bounds``, ``levels``) sorts no row, so that no digest tells of it; but sums of people are of values within
them, and a job that could choose them would read one person. Where the file is, is no part of it.

>>> written = read_description({"subject": "rownames", "drop": ["Hobby", "DevOps"]})
>>> written
{'subject': 'rownames', 'drop': ['DevOps', 'Hobby']}
>>> differing(written, {"subject": None, "drop": ["DevOps", "Hobby"], "kinds": {}})
['subject']
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fedsov.checks import choice, text, text_mapping, text_or_none, texts
from fedsov.model.declared_values import SCHEMA_SETTINGS, read_bounds, read_levels
from fedsov.model.targets import TARGET_SETTINGS, TargetRule
from fedsov.partition.classify import ClassifyRules
from fedsov.partition.sources.csv_format import CsvFormat
from fedsov.storage.atomic_files import sha256_hex

if TYPE_CHECKING:
    from fedsov.partition.dataset import DatasetSpec

NONFINITE, MISSING_TARGET = ("refuse", "missing", "quarantine"), ("refuse", "quarantine")
"""What can become of a row with an infinite value, and of one without a target."""

LABELLING = ClassifyRules.__slots__
"""Those that say which categories and restrictions bind a row."""
DESCRIBED = (
    "jurisdiction",
    "within",
    "aliases",
    "subject",
    *LABELLING,
    "kinds",
    "drop",
    "csv",
    *TARGET_SETTINGS,
    "nonfinite",
    "missing_target",
)
"""Those that sort the rows, in the order of the file."""
SAID = (*DESCRIBED, *SCHEMA_SETTINGS)
"""All of them: `bounds` and `levels` say which values a column can have."""

Description = Mapping[str, Any]
"""Plain values by these names; some may be absent. Lists whose order says nothing are sorted."""


def description_of(spec: DatasetSpec) -> dict[str, Any]:
    """The whole description of a data set as it is configured."""
    columns = {"jurisdiction": spec.jurisdiction, "within": spec.within, "aliases": dict(spec.aliases)}
    stored = {"subject": spec.subject, "kinds": dict(spec.kinds), "drop": sorted({*spec.drop})}
    stored |= {"csv": spec.csv.to_settings()}
    odd = {"nonfinite": spec.nonfinite, "missing_target": spec.missing_target}
    whole = {**columns, **_of_rules(spec.classify), **stored, **of_target(spec.target), **odd}
    return {key: whole[key] for key in DESCRIBED}


def of_target(rule: TargetRule) -> dict[str, Any]:
    """What is said of the target, under the names of `TARGET_SETTINGS`."""
    return {
        "target": rule.column,
        "target_above_region_median": rule.above_region_median,
        "target_positive": rule.positive,
        "classes": list(rule.classes),
        "target_scale": list(rule.scale) or None,
        "label_separator": rule.separator or None,
        "task": rule.task,
    }


def of_schema(plain: Mapping[str, Any]) -> dict[str, Any]:
    """``bounds`` and ``levels``, as far as the group ``dataset`` says them. Raises ConfigurationError."""
    read: Mapping[str, Callable[[Any], Mapping[str, tuple[Any, ...]]]] = {"bounds": read_bounds, "levels": read_levels}
    given = {key: parse(plain[key]) for key, parse in read.items() if key in plain}
    return {key: {name: list(columns[name]) for name in sorted(columns)} for key, columns in given.items()}


def read_description(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The description, whole or in part, that is in plain values; other keys are not looked at.

    Raises ConfigurationError, naming the key as in ``dataset``, for a value that cannot be.
    """
    checks: Mapping[str, Callable[[str, Any], Any]] = {
        "jurisdiction": text,
        "within": text_or_none,
        "aliases": text_mapping,
        "subject": text_or_none,
        "kinds": text_mapping,
        "drop": lambda name, value: sorted({*texts(name, value)}),
        "csv": lambda name, value: CsvFormat.from_settings(value).to_settings(),
        "nonfinite": lambda name, value: choice(name, value, NONFINITE),
        "missing_target": lambda name, value: choice(name, value, MISSING_TARGET),
    }
    described = {key: check(f"dataset.{key}", plain[key]) for key, check in checks.items() if key in plain}
    rules = _of_rules(ClassifyRules.from_settings(plain))
    described |= {key: value for key, value in rules.items() if key in plain}
    if any(key in plain for key in TARGET_SETTINGS):
        described |= of_target(TargetRule.from_settings(plain))
    described |= of_schema(plain)
    return {key: described[key] for key in SAID if key in described}


def differing(description: Description, other: Description) -> list[str]:
    """The names of the settings that both say, and say otherwise."""
    return [key for key in SAID if key in description and key in other and description[key] != other[key]]


def is_whole(description: Description) -> bool:
    """Whether nothing that sorts the rows is left unsaid."""
    return all(key in description for key in DESCRIBED)


def description_digest(description: Description) -> str:
    """SHA-256 of what sorts the rows, in hexadecimal."""
    sorting = {key: value for key, value in description.items() if key not in SCHEMA_SETTINGS}
    return sha256_hex(json.dumps(sorting, sort_keys=True).encode())


def _of_rules(rules: ClassifyRules) -> dict[str, Any]:
    restrictions = sorted((asdict(rule) for rule in rules.restrictions), key=lambda rule: sorted(rule.items()))
    return {
        "categories": {column: sorted({*words}) for column, words in sorted(rules.categories.items())},
        "default_categories": sorted({*rules.default_categories}),
        "restrictions": restrictions,
    }
