"""What each column is for: a number, a category, an identifier kept apart, or nothing.

A declared kind wins. Otherwise the type, the name and the number of different values decide; no value is
kept. In doubt a column is taken for an identifier: that costs the model a feature, and the other error a
person's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fedsov.errors import ConfigurationError, InputError
from fedsov.partition.columns.days import NO_ORDER
from fedsov.partition.columns.surveys import ColumnSurvey, Numbers, Texts

if TYPE_CHECKING:
    from fedsov.partition.dataset import DatasetSpec

KINDS = ("numeric", "categorical", "date", "identifier", "drop")
LEARNED = ("numeric", "categorical")
"""Kinds that are learned from."""
Inferred = tuple[str, str]
"""A kind, and why a column of it is unused."""
NUMERIC, CATEGORICAL = ("numeric", ""), ("categorical", "")
A_TIME = "a time that is no date"
OF_BIRTH = "named like a date of birth; dataset.kinds.{name}=date makes it a feature"
OF_CONSENT = "dataset.consent.column, no fact about people; dataset.kinds.{name}=categorical learns from it"
AS_DAYS = "a date: its days since 1970"
ONE_VALUE, NO_VALUE = "one value in all rows", "no value in any row"
NAMED = "named like an identifier"
UNLIKE = "most rows have a text of their own"
COUNTED = "it numbers the rows"
LONG_NUMBERS = "long whole numbers, most of them different, as of phones, cards or persons"
ADDRESSES = "it holds e-mail addresses"
NUMBERS_AS_TEXT = (
    "most of its texts look like numbers; dataset.csv.decimal, dataset.csv.thousands or dataset.csv.null says how they "
    "are written, dataset.kinds.{name}=categorical that they are names"
)
MANY_LEVELS = 200
OF_KIND = {"numeric": "numbers", "categorical": f"{MANY_LEVELS} different texts at most"}
"""Why a column is what most are."""
LONG = 10_000_000
MOSTLY = 0.8
_LOOKED_AT = 1000
FEW_LEVELS = 50
NEARLY_UNIQUE = 0.5
_NEARLY_ALL = 0.97
"""Of an estimate."""

_PERSONAL = re.compile(
    r"(^|_)(id|ids|uid|uuid|guid|rowname|rownames|ssn|nin|passport|e?mail|phone|mobile_number|iban|"
    r"(first|last|sur|full|user|nick|family|given|patient|customer)_?name|name|address|ip|dob|birth_?date)($|_)"
)
_NUMBERED = re.compile(r"(^|_)(no|nr|num|number|key|code)($|_)|^unnamed")
_BIRTH = re.compile(r"(^|_)(dob|born|birth|birthday|birth_?date|geburt\w*|naissance|nacimiento)($|_)")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
LIKE_NUMBER = re.compile(r"[+-]?(\d{1,3}([.,'’ \u00a0\u202f]\d{3})+|\d+)([.,]\d+)?")
"""A number as people write it, with groups of digits and a comma or not."""


@dataclass(frozen=True, slots=True)
class ColumnKinds:
    """What each column but the target is for, in the table's order.

    Attributes:
        kinds: column to "numeric" (a date too: its days), "categorical", "identifier" or "drop".
        reasons: column to why it is of its kind.
    """

    kinds: Mapping[str, str]
    reasons: Mapping[str, str]

    @property
    def unused(self) -> dict[str, str]:
        """Why each column that is not learned from is not."""
        return {name: self.reasons[name] for name, kind in self.kinds.items() if kind not in LEARNED}


def infer_columns(table: pa.Table, spec: DatasetSpec) -> ColumnKinds:
    """The kinds of a table's columns, and why; see `kinds_of`. Raises InputError, ConfigurationError."""
    surveys = surveys_of(table.schema, spec)
    for name, survey in surveys.items():
        survey.add(table.column(name))
    return kinds_of(surveys, spec)


def surveys_of(schema: pa.Schema, spec: DatasetSpec) -> dict[str, ColumnSurvey]:
    """A survey of each column but the target, which has seen no row. Raises as `kinds_of` for what is declared."""
    declared = _declared(schema.names, spec)
    return {
        field.name: ColumnSurvey(field.name, field.type, declared.get(field.name, (None, ""))[0])
        for field in schema
        if field.name != spec.target.column
    }


def kinds_of(surveys: Mapping[str, ColumnSurvey], spec: DatasetSpec) -> ColumnKinds:
    """The kinds of the columns that were surveyed, and why.

    Raises:
        ConfigurationError: a declared kind that does not exist.
        InputError: a declared column that does not exist, or no column left to learn from; names each with its reason.
    """
    declared = _declared([*surveys, spec.target.column], spec)
    inferred = {name: declared.get(name) or _kind(name, survey) for name, survey in surveys.items()}
    found = ColumnKinds(
        {name: "numeric" if kind == "date" else kind for name, (kind, _) in inferred.items()},
        {name: why.format(name=name) or OF_KIND[kind] for name, (kind, why) in inferred.items()},
    )
    if not set(LEARNED) & set(found.kinds.values()):
        listed = "; ".join(f"{name}: {why}" for name, why in found.unused.items())
        raise InputError(
            f"{spec.name} has no column left to learn from ({listed}); declare some, as dataset.kinds.COLUMN=numeric"
        )
    return found


def _declared(names: Collection[str], spec: DatasetSpec) -> Mapping[str, Inferred]:
    for name, kind in spec.kinds.items():
        if kind not in KINDS:
            raise ConfigurationError(f"dataset.kinds.{name} is '{kind}'; expected one of {', '.join(KINDS)}")
        if name not in names:
            raise InputError(f"dataset.kinds names column '{name}', which {spec.name} does not have")
    roles = {spec.jurisdiction: ("drop", "dataset.jurisdiction")}
    if spec.consent_column is not None:
        roles[spec.consent_column] = ("drop", OF_CONSENT)
    roles |= {name: (kind, f"dataset.kinds.{name}={kind}") for name, kind in spec.kinds.items()}
    if spec.subject is not None:
        roles[spec.subject] = ("identifier", "dataset.subject")
    return roles | dict.fromkeys(spec.drop, ("drop", "dataset.drop"))


def _kind(name: str, survey: ColumnSurvey) -> Inferred:
    kind = survey.type
    if survey.texts is not None:
        return _kind_of_text(name, survey.texts)
    if pa.types.is_null(kind):
        return "drop", NO_VALUE
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _kind_of_days(name, survey.numbers.ends if survey.numbers is not None else None)
    if pa.types.is_temporal(kind):
        return "drop", A_TIME
    if survey.numbers is not None:
        return _kind_of_numbers(name, survey.numbers, is_integer=pa.types.is_integer(kind))
    if pa.types.is_decimal(kind):
        return NUMERIC
    return "drop", f"of type {_spoken(kind)}, neither numbers nor text"


def _kind_of_text(name: str, texts: Texts) -> Inferred:
    words, filled = list(texts.words), texts.filled
    personal = bool(_PERSONAL.search(_snake(name)))
    if len(words) < 2:
        return ("identifier", NAMED) if personal and words else ("drop", ONE_VALUE if words else NO_VALUE)
    if texts.forms.are_days:
        return _kind_of_days(name, texts.forms.ends if texts.forms.day_first is not None else None)
    if any(_ADDRESS.fullmatch(word) for word in words[:_LOOKED_AT]):
        return "identifier", ADDRESSES
    numbers = sum(LIKE_NUMBER.fullmatch(word) is not None for word in words)
    if len(words) > 2 and numbers >= MOSTLY * len(words):
        return "identifier", LONG_NUMBERS if _are_long(words) else NUMBERS_AS_TEXT
    if len(words) > FEW_LEVELS and len(words) > NEARLY_UNIQUE * filled:
        return "identifier", UNLIKE
    if personal:
        return "identifier", NAMED
    return ("identifier", f"more than {MANY_LEVELS} different texts") if len(words) > MANY_LEVELS else CATEGORICAL


def _kind_of_days(name: str, ends: tuple[float, float] | None) -> Inferred:
    """Of dates from the first day to the last; None where their order is not known."""
    if _BIRTH.search(_snake(name)):
        return "drop", OF_BIRTH
    if ends is None:
        return "drop", NO_ORDER
    if ends[0] >= ends[1]:
        return "drop", ONE_VALUE if ends[0] == ends[1] else NO_VALUE
    return "date", AS_DAYS


def _kind_of_numbers(name: str, numbers: Numbers, *, is_integer: bool) -> Inferred:
    different = numbers.different
    unlike = different.count > NEARLY_UNIQUE * numbers.filled
    if unlike and (_PERSONAL.search(_snake(name)) or _NUMBERED.search(_snake(name))):
        return "identifier", NAMED
    if different.count < 2:
        # an infinite value is for dataset.nonfinite to judge, never dropped in silence
        return NUMERIC if numbers.infinite else ("drop", ONE_VALUE if different.count else NO_VALUE)
    if not is_integer:
        inexact = unlike and abs(numbers.least) >= 2.0**53 and numbers.is_whole
        return ("identifier", LONG_NUMBERS) if inexact else NUMERIC
    # consecutive whole numbers, each once: a row's number, not a measurement
    consecutive = numbers.filled == numbers.rows == numbers.greatest - numbers.least + 1
    once = different.count == numbers.rows if different.is_exact else different.count >= _NEARLY_ALL * numbers.rows
    if consecutive and once and numbers.rows > FEW_LEVELS:
        return "identifier", COUNTED
    return ("identifier", LONG_NUMBERS) if unlike and np.median(np.abs(different.values)) >= LONG else NUMERIC


def _are_long(words: Sequence[str]) -> bool:
    """Whether most of these texts have as many digits as phones, cards and persons are numbered with."""
    long = sum(sum(letter.isdigit() for letter in word) >= len(str(LONG)) for word in words)
    return long > len(words) / 2


def _spoken(kind: pa.DataType) -> str:
    """What a type is called; of a struct its fields, which can be named as columns of their own."""
    if not pa.types.is_struct(kind):
        return str(kind)
    return f"struct with {', '.join(field.name for field in kind)} (nested columns are no features; write them flat)"


def _snake(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
