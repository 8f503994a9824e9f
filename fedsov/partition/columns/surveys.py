"""What is learned of a column while its rows pass: enough to judge it as a whole, in memory that the rows do not grow.

Up to `MOST` different values are known exactly. Beyond, the number of different numbers is estimated from the `MOST`
smallest hashes of them (to about 1 in 200; Bar-Yossef et al. 2002, "Counting distinct elements in a data stream"), and
a column of texts is judged by the rows up to there: it has far too many to be a category.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from fedsov.partition.arrow_columns import floats, levels
from fedsov.partition.columns.clean import as_floats
from fedsov.partition.columns.days import DayForms, as_days

MOST = 1 << 16
SHOWN = 100
"""Different values of the first rows that are remembered as examples."""


class Different:
    """The different ones among numbers."""

    def __init__(self) -> None:
        self._hashes, self._values = np.zeros(0, np.uint64), np.zeros(0)
        self._fresh: list[tuple[np.ndarray, np.ndarray]] = []
        self._waiting = 0

    @property
    def is_exact(self) -> bool:
        """Whether all of them are known: fewer than `MOST`."""
        return len(self._hashes) < MOST

    @property
    def count(self) -> int:
        """How many there are; beyond `MOST` an estimate."""
        self._merge()
        return len(self._values) if self.is_exact else round((MOST - 1) * 2.0**64 / float(self._hashes[-1]))

    @property
    def values(self) -> np.ndarray:
        """All of them, or `MOST`, drawn by their hashes."""
        self._merge()
        return self._values

    def add(self, values: np.ndarray) -> None:
        """Numbers, none of them NaN."""
        numbers = values + 0.0  # one zero
        hashes = _mixed(numbers.view(np.uint64))
        if not self.is_exact:
            fresh = hashes < self._hashes[-1]
            hashes, numbers = hashes[fresh], numbers[fresh]
        self._fresh.append((hashes, numbers))
        self._waiting += len(hashes)
        if self.is_exact or self._waiting > MOST:
            self._merge()

    def _merge(self) -> None:
        """Makes what waits known."""
        if self._fresh:
            hashes, values = (np.concatenate(parts) for parts in zip(*self._fresh, strict=True))
            merged, first = np.unique(np.concatenate([self._hashes, hashes]), return_index=True)
            values = np.concatenate([self._values, values])
            self._hashes, self._values = merged[:MOST], values[first[:MOST]]
            self._fresh, self._waiting = [], 0


class Numbers:
    """What is known of numbers, NaN where one is missing."""

    def __init__(self) -> None:
        self.rows, self.filled, self.infinite, self.first_infinite = 0, 0, 0, 0
        self.least, self.greatest, self.is_whole = math.inf, -math.inf, True
        self.different = Different()

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest; of no numbers at all infinity and its negative."""
        return self.least, self.greatest

    def add(self, values: np.ndarray, unlike: np.ndarray | None = None) -> None:
        """The next rows.

        Args:
            unlike: each of their values at least once, where somebody knows them.
        """
        missing = np.isnan(values)
        present = values[~missing] if missing.any() else values
        least, greatest = (float(present.min()), float(present.max())) if len(present) else (math.inf, -math.inf)
        if len(present) and (math.isinf(least) or math.isinf(greatest)):
            infinite = np.isinf(values)
            if not self.infinite:
                self.first_infinite = self.rows + int(np.argmax(infinite)) + 1
            self.infinite += int(np.count_nonzero(infinite))
        self.rows, self.filled = self.rows + len(values), self.filled + len(present)
        if len(present):
            self.least, self.greatest = min(self.least, least), max(self.greatest, greatest)
            self.is_whole = self.is_whole and bool((present == np.floor(present)).all())
            known = present if unlike is None else unlike[~np.isnan(unlike)]
            self.different.add(known)

    def add_column(self, column: pa.ChunkedArray) -> np.ndarray:
        """The next rows of a column of numbers, which are answered as (rows,) float64."""
        values = floats(column)
        self.add(values, floats(column.unique()) if self.different.is_exact and len(column) else None)
        return values


class Texts:
    """What is known of texts: the first `MOST` different ones, and the rows that hold them."""

    def __init__(self) -> None:
        self.words: dict[str, None] = {}
        self.filled = 0
        self.forms = DayForms()

    def add_column(self, column: pa.ChunkedArray) -> None:
        """The next rows."""
        if len(self.words) >= MOST and not self.forms.are_days:
            return
        words, places = levels(column)
        self.forms.add(words)
        if len(self.words) < MOST:
            self.filled += int(np.count_nonzero(places < len(words)))
            self.words |= dict.fromkeys(words)


class ColumnSurvey:
    """What is known of one column.

    Attributes:
        type: of its values.
        declared: its kind, where settings say one; then only what such a kind needs is looked at.
        numbers: of numbers, and of dates their days; None for other types.
        texts: of texts; None for other types.
        examples: texts of the first rows.
    """

    def __init__(self, name: str, kind: pa.DataType, declared: str | None) -> None:
        self.name, self.declared = name, declared
        self.type = kind.value_type if pa.types.is_dictionary(kind) else kind
        self.is_text = pa.types.is_string(self.type) or pa.types.is_large_string(self.type)
        looked_at = declared in (None, "numeric", "date")
        counts = pa.types.is_boolean(self.type) or pa.types.is_integer(self.type) or pa.types.is_floating(self.type)
        has_days = pa.types.is_temporal(self.type) and declared != "numeric"
        self.numbers = Numbers() if looked_at and (counts or has_days or declared == "numeric") else None
        self.texts = Texts() if looked_at and self.is_text and declared != "numeric" else None
        self.examples: tuple[str, ...] = ()
        self.rows = 0

    def add(self, column: pa.ChunkedArray) -> np.ndarray | None:
        """The next rows; (rows,) bool of infinite numbers, or None. Raises InputError for text declared numeric."""
        if not self.rows:
            self.examples = _examples(column)
        first, self.rows = self.rows, self.rows + len(column)
        if self.texts is not None:
            self.texts.add_column(column)
        if self.numbers is None:
            return None
        if self.declared == "numeric":
            values = as_floats(column, self.name, first=first)
            self.numbers.add(values)
        elif pa.types.is_temporal(self.type):
            days = as_days(column)
            if days is not None:
                self.numbers.add(days)
            return None
        else:
            values = self.numbers.add_column(column)
        return np.isinf(values) if self.numbers.infinite else None


def _examples(column: pa.ChunkedArray) -> tuple[str, ...]:
    try:
        return tuple(levels(column.slice(0, 10 * SHOWN))[0][:SHOWN])
    except pa.ArrowException:  # lists and structures
        return ()


def _mixed(bits: np.ndarray) -> np.ndarray:
    """(n,) uint64, each another for another; splitmix64 (Steele, Lea and Flood 2014)."""
    mixed = bits + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
