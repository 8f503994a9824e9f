"""Dates as numbers: days since 1970-01-01, with the time of day as their fraction.

Read are Arrow's dates and timestamps, ISO 8601 (2024-01-31, with a time and an offset or without), 31.01.2024, and
31/01/2024 or 01/31/2024 where the column's own values say which of the two it is. Years of two digits are 1969 to 2068
(POSIX). A time with an offset is taken to UTC.

>>> parsed(["2024-01-31", "2024-02-01T12:00:00+00:00"])
[19753.0, 19754.5]
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from fedsov.partition.arrow_columns import floats, levels

ISO = re.compile(r"\d{4}-\d\d?-\d\d?([T ]\d\d?:\d\d.*)?")
WRITTEN = re.compile(r"(?P<first>\d{1,2})(?P<mark>[./])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})(\s.*)?")
NO_ORDER = "dates of which nobody can tell the day from the month; write them as 2024-01-31"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400.0


def is_day(word: str) -> bool:
    """Whether a text has the form of a date."""
    return bool(ISO.fullmatch(word) or WRITTEN.fullmatch(word))


class DayForms:
    """Whether texts that pass are dates, all of them, and in which order day and month stand."""

    def __init__(self) -> None:
        self.are_days = True
        """Whether all have the form of a date."""
        self._is_slashed, self._is_above_12 = False, [False, False]
        self._ends: dict[bool, tuple[float, float] | None] = {True: (math.inf, -math.inf), False: (math.inf, -math.inf)}

    @property
    def day_first(self) -> bool | None:
        """Whether the day comes first; None where nothing says so, or not all are dates so."""
        first, second = self._is_above_12
        order = True if not self._is_slashed else (first if first != second else None)
        return None if order is None or self._ends[order] is None else order

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last day; of no dates at all infinity and its negative."""
        return (self._ends[self.day_first] if self.day_first is not None else None) or (math.inf, -math.inf)

    def add(self, words: Sequence[str]) -> None:
        """More texts."""
        self.are_days = self.are_days and all(map(is_day, words))
        slashed = [match for word in words if (match := WRITTEN.fullmatch(word)) and match["mark"] == "/"]
        self._is_slashed = self._is_slashed or bool(slashed)
        for place, part in enumerate(("first", "second")):
            self._is_above_12[place] = self._is_above_12[place] or any(int(match[part]) > 12 for match in slashed)
        for day_first, ends in self._ends.items():
            days = list(_days(words, day_first=day_first)) if ends is not None else []
            whole = ends is not None and len(days) == len(words)
            self._ends[day_first] = (min([ends[0], *days]), max([ends[1], *days])) if whole and ends else None


def as_days(column: pa.ChunkedArray, *, day_first: bool | None = None) -> np.ndarray | None:
    """(rows,) float64 days, NaN where missing; None where not every value is a date, or their order is not known.

    Args:
        day_first: the order of day and month, where other rows said it.
    """
    if pa.types.is_temporal(column.type):
        return _of_arrow(column)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    words, codes = levels(column)
    days = parsed(words) if day_first is None else list(_days(words, day_first=day_first))
    if days is None or len(days) < len(words):
        return None
    spread: np.ndarray = np.array([*days, np.nan], np.float64)[codes]
    return spread


def parsed(words: Sequence[str]) -> list[float] | None:
    """The days of these texts; None where one is no date, or day and month could be either."""
    written = [match for word in words if (match := WRITTEN.fullmatch(word))]
    order = _order(written)
    if order is None:
        return None
    days = list(_days(words, day_first=order))
    return None if len(days) < len(words) else days


def _order(written: Sequence[re.Match[str]]) -> bool | None:
    """Whether the day comes first; None where nothing says so. With dots it does; else a number above 12 is a day."""
    slashed = [match for match in written if match["mark"] == "/"]
    if not slashed:
        return True
    first, second = (any(int(match[part]) > 12 for match in slashed) for part in ("first", "second"))
    return first if first != second else None


def _days(words: Sequence[str], *, day_first: bool) -> Iterator[float]:
    """The days of the texts, up to the first that is none."""
    for word in words:
        try:
            yield _day(word, day_first=day_first)
        except (ValueError, OverflowError):
            return


def _day(word: str, *, day_first: bool) -> float:
    """One date. Raises ValueError for what is none."""
    match = WRITTEN.fullmatch(word)
    if match is None:
        return _of_iso(word)
    first, second, year = int(match["first"]), int(match["second"]), int(match["year"])
    if len(match["year"]) == 2:
        year += 1900 if year >= 69 else 2000
    day, month = (first, second) if day_first or match["mark"] == "." else (second, first)
    return float((date(year, month, day) - _EPOCH.date()).days)


def _of_iso(word: str) -> float:
    padded = re.sub(r"-(\d)(?=\D|$)", r"-0\1", word)
    at = datetime.fromisoformat(padded)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return (at - _EPOCH).total_seconds() / _DAY


def _of_arrow(column: pa.ChunkedArray) -> np.ndarray | None:
    kind = column.type
    if pa.types.is_date(kind):
        return floats(column.cast(pa.date32()).cast(pa.int32()))
    if pa.types.is_timestamp(kind):
        per_day = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit] * _DAY
        days: np.ndarray = floats(column.cast(pa.timestamp(kind.unit)).cast(pa.int64())) / per_day
        return days
    return None
