"""What each column is for: a number, a category, an identifier kept apart, or nothing.

A declared kind wins. Otherwise the type, the name and the number of different values decide; no value is
kept. In doubt a column is taken for an identifier: that costs the model a feature, and the other error a
person's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fedsov.errors import ConfigurationError, InputError
from fedsov.partition.arrow_columns import floats, levels

if TYPE_CHECKING:
    from fedsov.partition.dataset import DatasetSpec

KINDS = ("numeric", "categorical", "identifier", "drop")
LEARNED = ("numeric", "categorical")
"""Kinds that are learned from."""
Inferred = tuple[str, str]
"""A kind, and why a column of it is unused."""
NUMERIC, CATEGORICAL = ("numeric", ""), ("categorical", "")
A_DATE = "a date"
ONE_VALUE, NO_VALUE = "one value in all rows", "no value in any row"
NAMED = "named like an identifier"
UNLIKE = "most rows have a text of their own"
COUNTED = "it numbers the rows"
MANY_LEVELS = 200
FEW_LEVELS = 50
NEARLY_UNIQUE = 0.5

_PERSONAL = re.compile(
    r"(^|_)(id|ids|uid|uuid|guid|rowname|rownames|ssn|nin|passport|e?mail|phone|mobile_number|iban|"
    r"(first|last|sur|full|user|nick|family|given|patient|customer)_?name|name|address|ip|dob|birth_?date)($|_)"
)
_NUMBERED = re.compile(r"(^|_)(no|nr|num|number|key|code)($|_)|^unnamed")
_DAY = re.compile(r"\d{4}-\d\d?-\d\d?([T ].*)?|\d\d?[./]\d\d?[./]\d{4}( .*)?")


def infer_kinds(table: pa.Table, spec: DatasetSpec) -> dict[str, str]:
    """Column to kind, in the table's order, for every column but the target; see `infer_columns`."""
    return infer_columns(table, spec)[0]


def infer_columns(table: pa.Table, spec: DatasetSpec) -> tuple[dict[str, str], dict[str, str]]:
    """Column to kind, in the table's order, for every column but the target; and why each unused one is unused.

    Raises:
        ConfigurationError: a declared kind that does not exist.
        InputError: a declared column that does not exist, or no column left to learn from; names each with its reason.
    """
    declared = _declared(table, spec)
    inferred = {
        name: declared.get(name) or _kind(name, table.column(name))
        for name in table.column_names
        if name != spec.target.column
    }
    unused = {name: why for name, (kind, why) in inferred.items() if kind not in LEARNED}
    kinds = {name: kind for name, (kind, _) in inferred.items()}
    if not set(LEARNED) & set(kinds.values()):
        listed = "; ".join(f"{name}: {why}" for name, why in unused.items())
        raise InputError(
            f"{spec.name} has no column left to learn from ({listed}); declare some, as dataset.kinds.COLUMN=numeric"
        )
    return kinds, unused


def _declared(table: pa.Table, spec: DatasetSpec) -> Mapping[str, Inferred]:
    for name, kind in spec.kinds.items():
        if kind not in KINDS:
            raise ConfigurationError(f"dataset.kinds.{name} is '{kind}'; expected one of {', '.join(KINDS)}")
        if name not in table.column_names:
            raise InputError(f"dataset.kinds names column '{name}', which {spec.name} does not have")
    roles = {spec.jurisdiction: ("drop", "dataset.jurisdiction")}
    roles |= {name: (kind, f"dataset.kinds.{name}={kind}") for name, kind in spec.kinds.items()}
    if spec.subject is not None:
        roles[spec.subject] = ("identifier", "dataset.subject")
    return roles | dict.fromkeys(spec.drop, ("drop", "dataset.drop"))


def _kind(name: str, column: pa.ChunkedArray) -> Inferred:
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _kind_of_text(name, column)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _kind_of_numbers(name, column)
    if pa.types.is_decimal(kind):
        return NUMERIC
    if pa.types.is_null(kind):
        return "drop", NO_VALUE
    return "drop", A_DATE if pa.types.is_temporal(kind) else f"of type {kind}, neither numbers nor text"


def _kind_of_text(name: str, column: pa.ChunkedArray) -> Inferred:
    words, codes = levels(column)
    filled = len(codes) - int(np.count_nonzero(codes == len(words)))
    personal = bool(_PERSONAL.search(_snake(name)))
    if len(words) < 2:
        return ("identifier", NAMED) if personal and words else ("drop", ONE_VALUE if words else NO_VALUE)
    if all(_DAY.fullmatch(word) for word in words):
        return "drop", A_DATE
    if len(words) > FEW_LEVELS and len(words) > NEARLY_UNIQUE * filled:
        return "identifier", UNLIKE
    if personal:
        return "identifier", NAMED
    return ("identifier", f"more than {MANY_LEVELS} different texts") if len(words) > MANY_LEVELS else CATEGORICAL


def _kind_of_numbers(name: str, column: pa.ChunkedArray) -> Inferred:
    values = floats(column)
    different = np.unique(values[~np.isnan(values)])
    unlike = len(different) > NEARLY_UNIQUE * np.count_nonzero(~np.isnan(values))
    if unlike and (_PERSONAL.search(_snake(name)) or _NUMBERED.search(_snake(name))):
        return "identifier", NAMED
    if len(different) < 2:
        # an infinite value is for dataset.nonfinite to judge, never dropped in silence
        unvaried = ("drop", ONE_VALUE if len(different) else NO_VALUE)
        return NUMERIC if np.isinf(different).any() else unvaried
    # consecutive whole numbers, each once: a row's number, not a measurement
    counted = len(different) == len(values) > FEW_LEVELS and np.ptp(different) + 1 == len(values)
    return ("identifier", COUNTED) if counted and pa.types.is_integer(column.type) else NUMERIC


def _snake(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
