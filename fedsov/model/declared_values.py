"""What a data set declares of its columns' values, without a look at a row: ``dataset.bounds`` and ``dataset.levels``.

>>> read_bounds({"age": [0, 120], "born": ["1970-01-02", "1971-01-01"]}), read_levels({"ward": ["A", "B"]})
({'age': (0.0, 120.0), 'born': (1.0, 365.0)}, {'ward': ('A', 'B')})
"""

from __future__ import annotations

from datetime import date
from typing import Any

from fedsov.checks import mapping, real, refused, several, text

SCHEMA_SETTINGS = ("bounds", "levels")
"""The keys of the group `dataset` that do so."""
FAR, NEAR = 1e140, 1e-140
"""Bounds of a column lie no farther from 0, and no nearer to each other: their squares are summed in float64."""


def read_bounds(bounds: Any) -> dict[str, tuple[float, float]]:
    """The setting ``dataset.bounds``: column to its least and its greatest value. Raises ConfigurationError.

    Those of a column of dates are dates, as 2024-01-31, or days since 1970-01-01.
    """
    columns = mapping("dataset.bounds", bounds, "a mapping as {COLUMN: [LOW, HIGH]}")
    return {str(column): _bounds(column, pair) for column, pair in columns.items()}


def read_levels(levels: Any) -> dict[str, tuple[str, ...]]:
    """The setting ``dataset.levels``: column to all its levels. Raises ConfigurationError."""
    columns = mapping("dataset.levels", levels, "a mapping as {COLUMN: [A, B]}")
    return {str(column): _levels(column, words) for column, words in columns.items()}


def _bounds(column: Any, pair: Any) -> tuple[float, float]:
    name = f"dataset.bounds.{column}"
    numbers = several(name, pair, "[LOW, HIGH]", _bound)
    if len(numbers) != 2 or not numbers[1] - numbers[0] >= NEAR:
        raise refused(name, "[LOW, HIGH] with LOW < HIGH", pair)
    return numbers[0], numbers[1]


def _bound(name: str, value: Any) -> float:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise refused(name, "a number, or a date as 2024-01-31", value) from None
    number = (day - date(1970, 1, 1)).days if isinstance(day, date) else day
    return real(name, number, at_least=-FAR, at_most=FAR)


def _levels(column: Any, levels: Any) -> tuple[str, ...]:
    """The levels of a column as text; one by itself is a list of one, and no list of letters."""
    if isinstance(levels, str):
        return (levels,)
    called = "a list of levels"
    return several(
        f"dataset.levels.{column}",
        levels,
        called,
        lambda name, level: text(name, level, "a level", truth=True),
    )
