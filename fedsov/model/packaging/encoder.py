"""From the values that somebody asks with to a model's inputs, fast, and with an answer where one cannot be read.

`Features.encode` is for rows that an ingestion has already cleaned. Whoever asks a model sends anything: text in a
column of numbers, a level that no training row had, a column less. An `Encoder` gives the same inputs, to the bit, for
what can be read, and a `ColumnRefused` for the rest: it names the column and counts the rows, and tells no value.

What is missing (None, NaN, empty text) is what it was in training: the mean of a column of numbers, none of the levels
of a column of text, with its indicator where the model has one. A level that the model does not know is refused, or,
where the caller says `unseen="allow"`, none of the levels.

>>> features = Features(numeric=(("years", 10.0, 5.0),), levels=(("remote", ("no", "yes")),))
>>> encoder = Encoder(features)
>>> encoder.encode({"years": [20.0, None], "remote": ["yes", "no"]}).tolist()
[[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
>>> encoder.encode_rows([[20.0, "sometimes"]])  # doctest: +ELLIPSIS
Traceback (most recent call last):
fedsov.model.packaging.encoder.ColumnRefused: column 'remote' has a level that the model does not know in 1 row; it ...
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np

from fedsov.checks import listed
from fedsov.errors import InputError, counted
from fedsov.model.column_statistics import spelled
from fedsov.model.features import CLIP, Features

Unseen = Literal["refuse", "allow"]
"""What becomes of a level that the model does not know: it is refused, or counts as none of the levels."""
_ABSENT, _UNKNOWN, _NO_WORD = -1, -2, -3
"""In the place of a level's: nothing, a level that the model does not know, and a list or an object."""
_PLAIN = {float, int, type(None)}
_DAY = np.timedelta64(1, "D")


class ColumnRefused(InputError):
    """A column of a question that a model cannot read; `column` is its name."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


class InputColumn(NamedTuple):
    """A column that a model asks for: its name, ``numeric`` or ``categorical``, and the levels that it knows."""

    name: str
    kind: str
    levels: tuple[str, ...] = ()


class Encoder:
    """Values to inputs. It holds no state that changes: any number of threads may share it.

    Attributes:
        columns: what it reads, those of numbers first; `encode_numbers` and `encode_rows` take them in this order.
        inputs: D, the number of inputs.
    """

    def __init__(self, features: Features, *, unseen: Unseen = "refuse") -> None:
        self.columns: tuple[InputColumn, ...] = (
            *(InputColumn(name, "numeric") for name, _, _ in features.numeric),
            *(InputColumn(name, "categorical", levels) for name, levels in features.levels),
        )
        self.inputs = features.inputs
        self._names = frozenset(column.name for column in self.columns)
        self._unseen = unseen
        self._numbers = len(features.numeric)
        self._mean = np.array([mean for _, mean, _ in features.numeric], np.float64)
        self._spread = np.array([spread for _, _, spread in features.numeric], np.float64)
        self._levels = [{level: place for place, level in enumerate(levels)} for _, levels in features.levels]
        self._starts = np.cumsum([self._numbers, *(len(levels) for levels in self._levels)]).tolist()
        order = {column.name: place for place, column in enumerate(self.columns)}
        first = self._starts[-1]
        indicators = [(order[name], first + place) for place, name in enumerate(features.missing)]
        self._number_indicators = [pair for pair in indicators if pair[0] < self._numbers]
        self._level_indicators = {column - self._numbers: at for column, at in indicators if column >= self._numbers}

    def encode(self, columns: Mapping[str, Any]) -> np.ndarray:
        """The (N, D) float32 inputs of columns by name; columns that the model does not ask for are not looked at.

        Args:
            columns: by name as many values each: an array, or a list of numbers or text, None where missing. Days
                (datetime64) are counted from 1970.

        Raises:
            ColumnRefused: a column is absent, has more or fewer values, or one that cannot be read.
        """
        for column in self.columns:
            if column.name not in columns:
                raise ColumnRefused(column.name, f"column {column.name!r} is missing; {self.asks()}")
        rows = len(columns[self.columns[0].name])
        for column in self.columns:
            if (values := len(columns[column.name])) != rows:
                raise ColumnRefused(
                    column.name,
                    f"column {column.name!r} has {counted(values, 'value')} where others have {rows:,}",
                )
        numeric = [columns[column.name] for column in self.columns[: self._numbers]]
        numbers = _plain(numeric, (self._numbers, rows)) if all(type(values) is list for values in numeric) else None
        if numbers is None:
            numbers = self._each_as_numbers(numeric, rows)
        words = [_values(columns[column.name]) for column in self.columns[self._numbers :]]
        return self._encoded(numbers.T, words)

    def encode_rows(self, rows: Sequence[Sequence[Any]]) -> np.ndarray:
        """The (N, D) float32 inputs of rows, each of which has its values in the order of `columns`.

        Raises:
            ColumnRefused: a row is shorter or longer, or has a value that cannot be read.
        """
        expected = len(self.columns)
        for row in rows:
            if len(row) != expected:
                name = self.columns[min(len(row), expected - 1)].name
                raise ColumnRefused(
                    name, f"a row has {counted(len(row), 'value')} where the model asks for {expected}; {self.asks()}"
                )
        turned = list(zip(*rows, strict=True)) if rows else [()] * expected
        numeric = turned[: self._numbers]
        numbers = _plain(numeric, (self._numbers, len(rows)))
        if numbers is None:
            numbers = self._each_as_numbers(numeric, len(rows))
        return self._encoded(numbers.T, turned[self._numbers :])

    def _each_as_numbers(self, columns: Sequence[Any], rows: int) -> np.ndarray:
        """(k, N) float64 of the columns of numbers, one after the other. Raises ColumnRefused."""
        numbers = np.empty((self._numbers, rows), np.float64)
        for place, values in enumerate(columns):
            numbers[place] = as_numbers(self.columns[place].name, values)
        return numbers

    def encode_numbers(self, numbers: np.ndarray) -> np.ndarray:
        """The (N, D) float32 inputs of (N, k) float64 numbers in the order of `columns`, NaN where missing.

        The fastest way: a row of 32 columns takes some 8 µs.

        Raises:
            ColumnRefused: infinite numbers, more or fewer columns, or the model also asks for columns of text.
        """
        if self._levels:
            name = self.columns[self._numbers].name
            raise ColumnRefused(name, f"column {name!r} is of text, and the rows are numbers alone; name the columns")
        if numbers.ndim != 2 or numbers.shape[1] != self._numbers:
            name = self.columns[min(numbers.shape[-1], self._numbers - 1) if numbers.ndim == 2 else 0].name
            raise ColumnRefused(
                name,
                f"rows have the shape {numbers.shape} where the model asks for (N, {self._numbers}); {self.asks()}",
            )
        return self._encoded(numbers, ())

    def encode_finite(self, numbers: np.ndarray) -> np.ndarray:
        """As `encode_numbers`, of (N, k) numbers that the caller knows to be finite and in their columns.

        A row of 32 columns takes some 2 µs. Numbers beyond 1e300 may warn of an overflow; they are clipped as others.
        """
        scaled = np.subtract(numbers, self._mean)
        np.divide(scaled, self._spread, out=scaled)
        np.minimum(scaled, CLIP, out=scaled)
        np.maximum(scaled, -CLIP, out=scaled)
        inputs: np.ndarray = scaled.astype(np.float32)
        if self._numbers < self.inputs:
            inputs, scaled = np.zeros((len(numbers), self.inputs), np.float32), inputs
            inputs[:, : self._numbers] = scaled
        return inputs

    def extra(self, names: Collection[str]) -> list[str]:
        """Those of the names that the model does not ask for, in their order."""
        return [name for name in names if name not in self._names]

    def asks(self) -> str:
        """What the model asks for, for a message."""
        return f"the model asks for {listed([column.name for column in self.columns])}"

    def _encoded(self, numbers: np.ndarray, words: Sequence[Sequence[Any]]) -> np.ndarray:
        """(N, k) float64 numbers and as many values of each column of text as inputs."""
        inputs = np.zeros((len(numbers), self.inputs), np.float32)
        with np.errstate(over="ignore"):  # what is too far to be told in float64 is clipped as well
            scaled = (numbers - self._mean) / self._spread
        np.minimum(scaled, CLIP, out=scaled)
        np.maximum(scaled, -CLIP, out=scaled)
        if not np.isfinite(numbers).all():
            self._note_absent(numbers, scaled, inputs)
        inputs[:, : self._numbers] = scaled
        for place, values in enumerate(words):
            self._note_levels(place, values, inputs)
        return inputs

    def _note_absent(self, numbers: np.ndarray, scaled: np.ndarray, inputs: np.ndarray) -> None:
        """Puts the mean where a number is missing, with its indicator. Raises ColumnRefused for an infinite one."""
        absent = np.isnan(numbers)
        infinite = (~absent & ~np.isfinite(numbers)).sum(axis=0)
        if infinite.any():
            name = self.columns[int(np.argmax(infinite > 0))].name
            raise ColumnRefused(
                name, f"column {name!r} has {counted(int(infinite.max()), 'infinite number')}; leave it empty for none"
            )
        scaled[absent] = 0.0
        for column, at in self._number_indicators:
            inputs[:, at] = absent[:, column]

    def _note_levels(self, place: int, values: Sequence[Any], inputs: np.ndarray) -> None:
        """Puts ones where a column's levels are. Raises ColumnRefused for a level that is unknown."""
        column, levels, start = self.columns[self._numbers + place], self._levels[place], self._starts[place]
        codes = _codes(values, levels)
        if odd := codes.count(_NO_WORD):
            raise ColumnRefused(column.name, f"column {column.name!r} is no text in {counted(odd, 'row')}")
        if self._unseen == "refuse" and (unknown := codes.count(_UNKNOWN)):
            raise ColumnRefused(
                column.name,
                f"column {column.name!r} has a level that the model does not know in {counted(unknown, 'row')}; "
                f"it knows {listed(column.levels)}",
            )
        indicator = self._level_indicators.get(place)
        for row, code in enumerate(codes):
            if code >= 0:
                inputs[row, start + code] = 1.0
            elif code == _ABSENT and indicator is not None:
                inputs[row, indicator] = 1.0

    def unseen(self, columns: Mapping[str, Any]) -> dict[str, int]:
        """By column of text, how many rows have a level that the model does not know; columns without any are left
        out."""
        texts = zip(self._levels, self.columns[self._numbers :], strict=True)
        counts = {
            column.name: _codes(_values(columns[column.name]), levels).count(_UNKNOWN) for levels, column in texts
        }
        return {name: many for name, many in counts.items() if many}


def as_numbers(name: str, values: Any) -> np.ndarray:
    """(N,) float64 of an array or a list, NaN where missing; days since 1970 of datetime64.

    Raises:
        ColumnRefused: text, truth values, or anything else that is no number.
    """
    array = values if isinstance(values, np.ndarray) else None
    if array is not None and array.dtype.kind in "fiu":
        return array.astype(np.float64, copy=False)
    if array is not None and array.dtype.kind == "M":
        return np.asarray((array - np.datetime64(0, "D")) / _DAY, np.float64)
    return _floats(name, _values(values))


def _plain(columns: Sequence[Sequence[Any]], shape: tuple[int, int]) -> np.ndarray | None:
    """(k, N) float64 of columns of Python's own numbers and None, at once; None where there is anything else."""
    if not set(map(type, chain.from_iterable(columns))) <= _PLAIN:
        return None
    try:
        return np.array(columns, np.float64).reshape(shape)
    except OverflowError:
        return None


def _floats(name: str, values: Sequence[Any]) -> np.ndarray:
    """(N,) float64 of Python's values, NaN where missing. Raises ColumnRefused, with how many are no numbers."""
    plain = [
        math.nan if value is None else value if type(value) in (float, int) else _number(value) for value in values
    ]
    if many := plain.count(None):
        raise ColumnRefused(
            name, f"column {name!r} is no number in {counted(many, 'row')}; the model takes numbers there"
        )
    try:
        return np.array(plain, np.float64)
    except OverflowError:
        raise ColumnRefused(name, f"column {name!r} has a number beyond those of float64") from None


def _number(value: Any) -> float | None:
    """A number of another type than Python's; None for what is none."""
    if isinstance(value, Real) and not isinstance(value, bool | np.bool_):
        return float(value)
    return None


def _values(values: Any) -> Sequence[Any]:
    """An array or a list as plain values."""
    return values.tolist() if isinstance(values, np.ndarray) else values  # type: ignore[no-any-return]


def _codes(values: Sequence[Any], levels: Mapping[str, int]) -> list[int]:
    """The place of each value among the levels, or what else it is; each different text is looked at once."""
    if len(values) == 1:
        return [_code(values[0], levels)]
    met: dict[str | None, int] = {None: _ABSENT}
    codes = []
    for value in values:
        if type(value) is not str and value is not None:
            codes.append(_code(value, levels))
            continue
        code = met.get(value)
        if code is None:
            code = met[value] = _code(value, levels)
        codes.append(code)
    return codes


def _code(value: Any, levels: Mapping[str, int]) -> int:
    """The place of a value among the levels, or what else it is."""
    if type(value) is str and value in levels:
        return levels[value]
    if value is not None and not isinstance(value, str | Real):
        return _NO_WORD
    word = spelled(value)
    return _ABSENT if word is None else levels.get(word, _UNKNOWN)
