"""The source's columns as they will be stored, and the rows that cannot be, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fedsov.errors import InputError, counted
from fedsov.model.targets import FARTHEST, TargetRule
from fedsov.partition.arrow_columns import floats, from_levels, levels, numbers, spelled_text
from fedsov.partition.classify import same_value
from fedsov.partition.columns.days import NO_ORDER, as_days
from fedsov.partition.dataset import DatasetSpec


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Columns ready to be stored.

    Attributes:
        columns: name to column, float64 with NaN for missing or text with nulls; dropped ones are not here.
        target: float64, or text.
        faults: reason to (rows,) bool mask of the rows to quarantine for it.
    """

    columns: Mapping[str, pa.Array]
    target: pa.Array
    faults: Mapping[str, np.ndarray]


def prepare(table: pa.Table, spec: DatasetSpec, kinds: Mapping[str, str]) -> Prepared:
    """Casts each column of a whole table to its kind and applies `spec.nonfinite` and `spec.missing_target`.

    Raises:
        InputError: text in a numeric column, infinite values or missing targets that are neither allowed nor
        set to be quarantined, or a target that cannot be an outcome.
    """
    prepared, target = cast(table, spec, kinds), TargetSurvey(spec)
    for name in (name for name, kind in kinds.items() if kind == "numeric"):
        infinite = np.isinf(floats(prepared.columns[name]))
        check_finite(name, int(infinite.sum()), int(np.argmax(infinite)) + 1 if len(infinite) else 0, spec)
    target.add(table.column(spec.target.column))
    target.check()
    return prepared


def cast(
    table: pa.Table, spec: DatasetSpec, kinds: Mapping[str, str], day_first: Mapping[str, bool | None] | None = None
) -> Prepared:
    """Casts each column to its kind; what only all rows can show is not judged.

    Args:
        day_first: by column of dates, whether the day stands before the month.

    Raises InputError for text in a numeric column.
    """
    faults: dict[str, np.ndarray] = {}
    columns: dict[str, pa.Array] = {}
    for name, kind in kinds.items():
        if kind == "numeric":
            order = (day_first or {}).get(name)
            values, infinite = _finite(name, _measured(table.column(name), name, spec, order), spec)
            columns[name] = numbers(values)
            faults |= infinite
        elif kind != "drop":
            columns[name] = spelled_text(table.column(name))
    target = read_target(table.column(spec.target.column), spec)
    return Prepared(columns, target.stored, faults | target.faults(spec))


def _measured(column: pa.ChunkedArray, name: str, spec: DatasetSpec, day_first: bool | None) -> np.ndarray:
    """(rows,) float64 of numbers, or of dates their days. Raises InputError where it is neither."""
    is_date = spec.kinds.get(name) == "date"
    days = as_days(column, day_first=day_first) if is_date or name not in spec.kinds else None
    if is_date and days is None:
        raise not_dates(name)
    return as_floats(column, name) if days is None else days


def not_dates(name: str) -> InputError:
    """What a column is refused with that is declared to be of dates and is not."""
    return InputError(f"column '{name}' is not of dates throughout, or {NO_ORDER}; set dataset.kinds.{name}=drop")


YES_AND_NO = "; YAML reads yes, no, on and off as truth values, so put such a word in quotes"
NO_NUMBER = "choose another dataset.target, or a task of names (dataset.task=multiclass, dataset.target_positive=VALUE)"


def as_floats(column: pa.ChunkedArray, name: str, *, way_out: str = "", first: int = 0) -> np.ndarray:
    """(rows,) float64 of numbers or of text that spells them.

    Args:
        first: how many rows of the source come before these.

    Raises InputError for the first other row, with this way out, or the kinds that a feature can have.
    """
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        try:
            return floats(column)
        except pa.ArrowException:
            kind = column.type
            instead = way_out or f"set dataset.kinds.{name}=drop"
            raise InputError(f"column '{name}' is {kind}, not numeric; {instead}") from None
    words, codes = levels(column)
    values = np.array([*map(_number, words), np.nan], np.float64)
    readable = np.array([*(_number(word) is not None for word in words), True])[codes]
    if not readable.all():
        row = first + int(np.argmin(readable)) + 1
        instead = way_out or f"set dataset.kinds.{name}=categorical"
        raise InputError(f"column '{name}' is no number in row {row}; {instead}")
    spread: np.ndarray = values[codes]
    return spread


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _finite(name: str, values: np.ndarray, spec: DatasetSpec) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    infinite = np.isinf(values)
    if not infinite.any():
        return values, {}
    if spec.nonfinite == "missing":
        return np.where(infinite, np.nan, values), {}
    return values, {infinite_in(name): infinite}


def infinite_in(name: str) -> str:
    """Why a row with an infinite value is quarantined."""
    return f"infinite value in column '{name}'"


def check_finite(name: str, infinite: int, first: int, spec: DatasetSpec) -> None:
    """Raises InputError where a column has infinite values, the first in this row, and nobody said what of them."""
    if infinite and spec.nonfinite == "refuse":
        raise InputError(
            f"column '{name}' has {counted(infinite, 'infinite value')}, first in row {first}; "
            "set dataset.nonfinite=missing to treat them as missing, or quarantine"
        )


@dataclass(frozen=True, slots=True, eq=False)
class ReadTarget:
    """A target as it is read: how it is stored, its values, where it is missing or infinite.

    `words` are a text's different values; `values` a number's, NaN where missing.
    """

    stored: pa.Array
    missing: np.ndarray
    infinite: np.ndarray
    words: list[str] | None
    values: np.ndarray

    def faults(self, spec: DatasetSpec) -> dict[str, np.ndarray]:
        """Reason to the rows that go to the quarantine for it."""
        reasons = {infinite_in(spec.target.column): self.infinite, missing_target(spec): self.missing}
        return {reason: rows for reason, rows in reasons.items() if rows.any()}


def missing_target(spec: DatasetSpec) -> str:
    """Why a row without a target is quarantined."""
    return f"target '{spec.target.column}' missing"


def read_target(column: pa.ChunkedArray, spec: DatasetSpec, *, first: int = 0) -> ReadTarget:
    """The target of some rows, of which `first` come before. Raises InputError for text where a number must be."""
    if pa.types.is_boolean(column.type) and (spec.target.positive is not None or spec.target.classes):
        column = column.cast(pa.string())  # "true" and "false", as they are named
    textual = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if (textual or pa.types.is_dictionary(column.type)) and not spec.target.is_number:
        words, codes = levels(column)
        words = [_as_named(word, spec.target) for word in words]
        stored, missing = from_levels(words, codes), codes == len(words)
        return ReadTarget(stored, missing, np.zeros(len(codes), bool), words, np.zeros(0))
    values = as_floats(column, spec.target.column, way_out=NO_NUMBER, first=first)
    infinite = np.isinf(values)
    if spec.nonfinite == "missing":
        values, infinite = np.where(infinite, np.nan, values), np.zeros(len(values), bool)
    return ReadTarget(numbers(values), np.isnan(values), infinite, None, values)


class TargetSurvey:
    """What is learned of the target while its rows pass; see `fedsov.partition.columns.surveys`."""

    def __init__(self, spec: DatasetSpec) -> None:
        self._spec, self._rows = spec, 0
        self._missing, self._first_missing, self._infinite, self._first_infinite = 0, 0, 0, 0
        self._words: dict[str, None] | None = None
        self._values = np.zeros(0)

    def add(self, column: pa.ChunkedArray) -> ReadTarget:
        """The next rows, which are answered. Raises InputError for text where a number must be."""
        target = read_target(column, self._spec, first=self._rows)
        if not self._missing and target.missing.any():
            self._first_missing = self._rows + int(np.argmax(target.missing)) + 1
        if not self._infinite and target.infinite.any():
            self._first_infinite = self._rows + int(np.argmax(target.infinite)) + 1
        self._missing += int(target.missing.sum())
        self._infinite += int(target.infinite.sum())
        self._rows += len(target.missing)
        if target.words is not None:
            self._words = {**(self._words or {}), **dict.fromkeys(target.words)}
            return target
        known = np.unique(np.append(self._values, target.values[~target.missing]))
        if self._spec.target.is_number:  # the ends decide
            known = known[np.isfinite(known)]
            known = np.concatenate([known[:1], known[-1:]])
        self._values = known
        return target

    def check(self, *, whole: bool = True) -> None:
        """Raises InputError where the target cannot be made an outcome, or lacks values that nobody set aside.

        Where the rows are not the `whole` table, they need not have the value that counts as 1.
        """
        spec, name = self._spec, self._spec.target.column
        check_finite(name, self._infinite, self._first_infinite, spec)
        words = None if self._words is None else list(self._words)
        if whole or spec.target.positive is None:
            values = self._values.tolist() if words is None else [_number(word) for word in words]
            _check_outcome(spec.target, words, values)
        if self._missing and spec.missing_target != "quarantine":
            raise InputError(
                f"target '{name}' is missing in {counted(self._missing, 'row')}, first in row {self._first_missing}; "
                "set dataset.missing_target=quarantine to leave them out"
            )


def _as_named(word: str, rule: TargetRule) -> str:
    """A value of the target as its rule spells it: True where the rule names true."""
    named = (name for name in (rule.positive, *rule.classes) if name is not None)
    return next((name for name in named if same_value(word, name)), word)


def _check_outcome(rule: TargetRule, words: list[str] | None, values: Sequence[float | None]) -> None:
    """Raises InputError where the target cannot be made an outcome: before any store is touched, not in a region.

    Args:
        words: the different values of a text; None for numbers.
        values: the different values as numbers, None for one that is none; of numbers, the least first.
    """
    if rule.is_number:
        ends = [value for value in values if value is not None and math.isfinite(value)] if rule.scale else []
        if any(abs(rule.on_scale(value)) > FARTHEST for value in ends[:1] + ends[-1:]):
            raise InputError(f"target '{rule.column}' has a value too far from dataset.target_scale; widen the scale")
        return
    if rule.positive is not None:
        if rule.positive not in words if words is not None else _number(rule.positive) not in values:
            quotes = YES_AND_NO if rule.positive in ("True", "False") else "; mend it"
            raise InputError(f"dataset.target_positive={rule.positive} is no value of target '{rule.column}'{quotes}")
        return
    if rule.separator:
        if words is None:
            raise InputError(f"target '{rule.column}' holds numbers, and labels are text with dataset.label_separator")
        if odd := len({name for word in words for name in rule.labels(word)} - set(rule.classes)):
            raise InputError(f"target '{rule.column}' has {odd} different labels that are none of dataset.classes")
        return
    if rule.classes:
        classes = set(rule.classes) if words is not None else {_number(name) for name in rule.classes}
        if odd := len(set(values if words is None else words) - classes):
            raise InputError(f"target '{rule.column}' has {odd} different values that are none of dataset.classes")
        return
    if not set(values) <= {0.0, 1.0}:
        raise InputError(
            f"target '{rule.column}' is not 0 or 1 but has {len(values)} different values; "
            "set dataset.target_positive=VALUE, dataset.target_above_region_median=true, or dataset.task=multiclass "
            "or regression"
        )
