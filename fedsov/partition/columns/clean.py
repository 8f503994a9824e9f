"""The source's columns as they will be stored, and the rows that cannot be, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fedsov.errors import InputError, counted
from fedsov.model.targets import FARTHEST, TargetRule
from fedsov.partition.arrow_columns import floats, from_levels, levels, numbers
from fedsov.partition.classify import same_value
from fedsov.partition.columns.column_kinds import NO_ORDER
from fedsov.partition.columns.days import as_days
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
    """Casts each column to its kind and applies `spec.nonfinite` and `spec.missing_target`.

    Raises:
        InputError: text in a numeric column, infinite values or missing targets that are neither allowed nor
        set to
            be quarantined.
    """
    faults: dict[str, np.ndarray] = {}
    columns: dict[str, pa.Array] = {}
    for name, kind in kinds.items():
        if kind == "numeric":
            values, infinite = _finite(name, _measured(table.column(name), name, spec), spec)
            columns[name] = numbers(values)
            faults |= infinite
        elif kind != "drop":
            columns[name] = from_levels(*levels(table.column(name)))
    target, missing = _target(table.column(spec.target.column), spec)
    return Prepared(columns, target, faults | missing)


def _measured(column: pa.ChunkedArray, name: str, spec: DatasetSpec) -> np.ndarray:
    """(rows,) float64 of numbers, or of dates their days. Raises InputError where it is neither."""
    is_date = spec.kinds.get(name) == "date"
    days = as_days(column) if is_date or name not in spec.kinds else None
    if is_date and days is None:
        raise InputError(f"column '{name}' is not of dates throughout, or {NO_ORDER}; set dataset.kinds.{name}=drop")
    return as_floats(column, name) if days is None else days


YES_AND_NO = "; YAML reads yes, no, on and off as truth values, so put such a word in quotes"
NO_NUMBER = "choose another dataset.target, or a task of names (dataset.task=multiclass, dataset.target_positive=VALUE)"


def as_floats(column: pa.ChunkedArray, name: str, *, way_out: str = "") -> np.ndarray:
    """(rows,) float64 of numbers or of text that spells them.

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
        row = int(np.argmin(readable)) + 1
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
    if spec.nonfinite == "quarantine":
        return values, {f"infinite value in column '{name}'": infinite}
    many, first = counted(int(infinite.sum()), "infinite value"), int(np.argmax(infinite)) + 1
    raise InputError(
        f"column '{name}' has {many}, first in row {first}; "
        "set dataset.nonfinite=missing to treat them as missing, or quarantine"
    )


def _target(column: pa.ChunkedArray, spec: DatasetSpec) -> tuple[pa.Array, dict[str, np.ndarray]]:
    name = spec.target.column
    faults: dict[str, np.ndarray] = {}
    if pa.types.is_boolean(column.type) and (spec.target.positive is not None or spec.target.classes):
        column = column.cast(pa.string())  # "true" and "false", as they are named
    textual = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if (textual or pa.types.is_dictionary(column.type)) and not spec.target.is_number:
        words, codes = levels(column)
        words = [_as_named(word, spec.target) for word in words]
        missing, stored = codes == len(words), from_levels(words, codes)
        _check_outcome(spec.target, words, [_number(word) for word in words])
    else:
        values, faults = _finite(name, as_floats(column, name, way_out=NO_NUMBER), spec)
        missing, stored = np.isnan(values), numbers(values)
        _check_outcome(spec.target, None, np.unique(values[~missing]).tolist())
    if not missing.any():
        return stored, faults
    if spec.missing_target == "quarantine":
        return stored, faults | {f"target '{name}' missing": missing}
    many, first = counted(int(missing.sum()), "row"), int(np.argmax(missing)) + 1
    raise InputError(
        f"target '{name}' is missing in {many}, first in row {first}; "
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
