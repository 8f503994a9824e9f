"""From columns to numbers, agreed between regions without pooling a row.

Each region describes its columns by sums (`Statistics.from_records`); the sums cross the border and add up;
from the total everybody derives the same `Features`, which standardise numeric columns, mark missing values,
and give a column of zeros and ones to every level of a categorical one.

What a region says about itself is held to a minimum count: no sum or count of fewer people than that is in it
(see `Statistics`). This is a floor against naming individuals, not differential privacy.

>>> import numpy as np
>>> columns = {"years": np.arange(20.0), "remote": np.array(["yes"] * 10 + ["no"] * 10, dtype=object)}
>>> features = Features.fit(Statistics.from_records(columns, {"years": "numeric", "remote": "categorical"}))
>>> features.names, features.encode(columns).shape
(('years', 'remote=no', 'remote=yes'), (20, 3))
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedsov.errors import ConfigurationError, InputError

MINIMUM_COUNT = 10
CLIP = 6.0
"""Standardised values are clipped here: one extreme value must not swamp a gradient that others receive."""


@dataclass(frozen=True, slots=True)
class Sums:
    """A numeric column: rows with a value, their sum and sum of squares, and rows without one."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    missing: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.n + other.n,
            self.total + other.total,
            self.squares + other.squares,
            self.missing + other.missing,
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """A categorical column: rows by level, rows at levels too rare to name, and rows without a value."""

    levels: Mapping[str, int] = field(default_factory=dict)
    other: int = 0
    missing: int = 0

    def __add__(self, other: Counts) -> Counts:
        levels = Counter(self.levels) + Counter(other.levels)
        return Counts(dict(sorted(levels.items())), self.other + other.other, self.missing + other.missing)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a region says about its columns; ``a + b`` describes both regions' rows together.

    Its numbers are row counts and sums over rows, but none stands for the rows of fewer people than the minimum
    count, however many rows these have. A rarer level is not named; rows at rare levels, or without a value, are
    reported as 0 where they are too few people's (in a numeric column they then count as rows of the mean value, for
    n would tell them too). A numeric column in which all but fewer people than that have one and the same value is
    not described at all: its sum would tell the few.
    """

    numeric: Mapping[str, Sums] = field(default_factory=dict)
    categorical: Mapping[str, Counts] = field(default_factory=dict)

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(_merge(self.numeric, other.numeric), _merge(self.categorical, other.categorical))

    @staticmethod
    def from_records(
        columns: Mapping[str, np.ndarray],
        kinds: Mapping[str, str],
        min_count: int = MINIMUM_COUNT,
        persons: np.ndarray | None = None,
    ) -> Statistics:
        """Describes the columns whose kind is ``numeric`` or ``categorical``; others are left out.

        Args:
            columns: (N,) arrays by name: float64 with NaN missing, or objects of str with None missing.
            kinds: column to kind.
            min_count: the fewest people that any number may stand for, at least 1.
            persons: (N,) str or int, whose row each is; None where every row is another person's. A row of ``""``
                counts towards no minimum: it is public, so it must not hide another. Where all are, each counts.

        Raises:
            InputError: a column is absent, or a numeric one holds infinite values.
            ValueError: there are not as many persons as rows.
        """
        if min_count < 1:
            raise ConfigurationError(f"expected a minimum count of 1 or more, got {min_count}")
        owners = _owners(persons, len(next(iter(columns.values()), ())))

        def described(kind: str, describe: Callable[..., Any]) -> dict[str, Any]:
            names = sorted(name for name, of in kinds.items() if of == kind)
            return {name: describe(name, _column(columns, name), owners, min_count) for name in names}

        return Statistics(described("numeric", _sums), described("categorical", _counts))

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives an equal Statistics."""
        return {
            "numeric": {name: [sums.n, sums.total, sums.squares, sums.missing] for name, sums in self.numeric.items()},
            "categorical": {
                name: {"levels": dict(counts.levels), "other": counts.other, "missing": counts.missing}
                for name, counts in self.categorical.items()
            },
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Statistics:
        """The inverse of `to_json`. Raises ConfigurationError for a sum not finite or a count below 0."""
        numeric = {name: Sums(int(n), float(t), float(s), int(m)) for name, (n, t, s, m) in value["numeric"].items()}
        categorical = {
            name: Counts({str(k): int(v) for k, v in part["levels"].items()}, int(part["other"]), int(part["missing"]))
            for name, part in value["categorical"].items()
        }
        for name, sums in numeric.items():
            if not all(0 <= count < math.inf for count in (sums.n, sums.missing, sums.squares)):
                raise ConfigurationError(f"the statistics of column {name!r} are not sums and counts: {sums}")
            if not math.isfinite(sums.total):
                raise ConfigurationError(f"the statistics of column {name!r} are not finite: {sums}")
        for name, counts in categorical.items():
            if min(counts.other, counts.missing, *counts.levels.values()) < 0:
                raise ConfigurationError(f"the statistics of column {name!r} hold a count below 0")
        return Statistics(numeric, categorical)


def _merge(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: left[name] + right[name] for name in left.keys() & right.keys()}
    return dict(sorted((dict(left) | dict(right) | both).items()))


def _column(columns: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in columns:
        raise InputError(f"column {name!r} is missing; the model was agreed on with it, so ingest a table that has it")
    return columns[name]


def _numeric(name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.asarray(values, dtype=np.float64)
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        raise InputError(f"column {name!r} has {infinite} infinite values; set dataset.nonfinite=missing or quarantine")
    return numbers, np.isnan(numbers)


def _absent(value: object) -> bool:
    return value is None or value != value


def _owners(persons: np.ndarray | None, rows: int) -> np.ndarray:
    """(N,) whose row each is, as numbers from 0; -1 for a row that counts towards no minimum."""
    if persons is None:
        return np.arange(rows)
    if len(persons) != rows:
        raise ValueError(f"expected a person for each of {rows} rows, got {len(persons)}")
    names = np.asarray(persons).astype(str)
    nobody = names == ""
    if nobody.all():
        return np.arange(rows)
    return np.where(nobody, -1, np.unique(names, return_inverse=True)[1])


def _floored(rows: np.ndarray, owners: np.ndarray, min_count: int) -> int:
    """How many rows are true in the (N,) mask; 0 where they belong to fewer than `min_count` people."""
    people = np.count_nonzero(np.bincount(owners[rows & (owners >= 0)]))
    return int(rows.sum()) if people >= min_count else 0


def _sums(name: str, values: np.ndarray, owners: np.ndarray, min_count: int) -> Sums:
    numbers, absent = _numeric(name, values)
    present = numbers[~absent]
    missing = _floored(absent, owners, min_count)
    if _fewest_apart(present, owners[~absent]) < min_count:
        return Sums(missing=missing)
    # where too few lack a value to say so, n must not say it either: the few are taken to be like the others
    rows = len(present) if missing or not absent.any() else len(numbers)
    scale = rows / len(present)
    return Sums(rows, float(present.sum()) * scale, float(np.square(present).sum()) * scale, missing)


def _fewest_apart(numbers: np.ndarray, owners: np.ndarray) -> int:
    """The fewest people, over all values, who have a number that differs from the value."""
    counted = owners >= 0
    lowest = np.full(owners.max(initial=-1) + 1, np.inf)
    highest = -lowest
    np.minimum.at(lowest, owners[counted], numbers[counted])
    np.maximum.at(highest, owners[counted], numbers[counted])
    _, alike = np.unique(lowest[lowest == highest], return_counts=True)
    return int((lowest <= highest).sum()) - int(alike.max(initial=0))


def _counts(name: str, values: np.ndarray, owners: np.ndarray, min_count: int) -> Counts:
    del name
    found = Counter(values.tolist())
    place = {level: index for index, level in enumerate(found)}
    codes = np.fromiter(map(place.__getitem__, values.tolist()), dtype=np.int64, count=len(values))
    absent = np.fromiter(map(_absent, found), dtype=bool, count=len(found))
    named = ~absent & (_people(codes, owners, len(found)) >= min_count)
    levels = {str(level): found[level] for level in sorted(level for level in found if named[place[level]])}
    other = _floored(~(absent | named)[codes], owners, min_count)
    return Counts(levels, other, _floored(absent[codes], owners, min_count))


def _people(codes: np.ndarray, owners: np.ndarray, levels: int) -> np.ndarray:
    """(levels,) how many different people have a row at each level; `codes` are the rows' levels."""
    counted = owners >= 0
    pairs = np.sort(owners[counted] * levels + codes[counted])
    different = pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique takes ten times as long here
    return np.bincount(different % max(levels, 1), minlength=levels)


@dataclass(frozen=True, slots=True)
class Features:
    """How columns become the network's inputs; the same everywhere it was fitted to the same statistics.

    Attributes:
        numeric: (column, mean, standard deviation), sorted by column.
        levels: (column, its levels), sorted.
        missing: columns that have an indicator of a missing value.
    """

    numeric: tuple[tuple[str, float, float], ...] = ()
    levels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    missing: tuple[str, ...] = ()

    @staticmethod
    def fit(statistics: Statistics) -> Features:
        """Features of described columns; a column that nobody described, or that does not vary, is left out.

        Raises:
            InputError: no column is left.
        """
        numeric = [(name, *_moments(sums)) for name, sums in sorted(statistics.numeric.items()) if sums.n]
        varying = tuple((name, mean, spread) for name, mean, spread in numeric if spread > 0)
        levels = tuple(
            (name, tuple(sorted(counts.levels)))
            for name, counts in sorted(statistics.categorical.items())
            if len(counts.levels) + bool(counts.other) + bool(counts.missing) > 1
        )
        described: dict[str, Sums | Counts] = {**statistics.numeric, **statistics.categorical}
        kept = [name for name, _, _ in varying] + [name for name, _ in levels]
        missing = tuple(name for name in kept if described[name].missing)
        features = Features(varying, levels, missing)
        if not features.inputs:
            raise InputError("no column varies over enough rows to be a feature; declare kinds, or add columns")
        return features

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every input: ``years``, ``remote=yes``, ``years is missing``."""
        one_hot = (f"{column}={level}" for column, levels in self.levels for level in levels)
        return (
            *(name for name, _, _ in self.numeric),
            *one_hot,
            *(f"{column} is missing" for column in self.missing),
        )

    @property
    def inputs(self) -> int:
        """D, the number of inputs."""
        return len(self.names)

    def scaled_as(self, own: Statistics) -> Features:
        """The same inputs, standardised by the region's `own` statistics where these describe the column.

        A model fits another region better where both stand on their own scale: five years of work are many
        where the mean is four. Local statistics under a shared model are FedBN's idea (Li et al. 2021,
        https://arxiv.org/abs/2102.07623).
        """
        scales = {name: (name, *_moments(sums)) for name, sums in own.numeric.items() if sums.n}
        usable = {name: scale for name, scale in scales.items() if scale[2] > 0}
        return Features(tuple(usable.get(row[0], row) for row in self.numeric), self.levels, self.missing)

    def encode(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """The (N, D) float32 inputs: standardised and clipped, 0 where missing; an unknown level is all 0.

        Raises:
            InputError: a column is absent, or holds infinite values.
        """
        categorical = {column for column, _ in self.levels}
        blocks = [_standardised(name, _column(columns, name), mean, std) for name, mean, std in self.numeric]
        blocks += [_one_hot(_column(columns, name), levels) for name, levels in self.levels]
        blocks += [_indicator(columns[name], name in categorical) for name in self.missing]
        return np.concatenate(blocks, axis=1, dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives an equal Features."""
        return {
            "numeric": [list(row) for row in self.numeric],
            "levels": [[column, list(levels)] for column, levels in self.levels],
            "missing": list(self.missing),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Features:
        """The inverse of `to_json`."""
        return Features(
            tuple((str(name), float(mean), float(std)) for name, mean, std in value["numeric"]),
            tuple((str(column), tuple(levels)) for column, levels in value["levels"]),
            tuple(value["missing"]),
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the features' JSON, in hexadecimal: equal digests encode alike."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def _moments(sums: Sums) -> tuple[float, float]:
    """Mean and standard deviation; a spread within the rounding of the sums (1e-7 of the mean) is none."""
    mean = sums.total / sums.n
    spread = math.sqrt(max(0.0, sums.squares / sums.n - mean * mean))
    return mean, spread if spread > 1e-7 * abs(mean) else 0.0


def _standardised(name: str, values: np.ndarray, mean: float, std: float) -> np.ndarray:
    numbers, absent = _numeric(name, values)
    scaled = np.clip((numbers - mean) / std, -CLIP, CLIP)
    return np.where(absent, 0.0, scaled)[:, None]


def _one_hot(values: np.ndarray, levels: tuple[str, ...]) -> np.ndarray:
    place = {level: index for index, level in enumerate(levels)}
    codes = np.fromiter((place.get(value, -1) for value in values.tolist()), dtype=np.int64, count=len(values))
    return np.asarray(codes[:, None] == np.arange(len(levels)), dtype=np.float32)


def _indicator(values: np.ndarray, categorical: bool) -> np.ndarray:
    if not categorical:
        return np.isnan(np.asarray(values, dtype=np.float64))[:, None]
    absent = (_absent(value) for value in values.tolist())
    return np.fromiter(absent, dtype=bool, count=len(values))[:, None]
