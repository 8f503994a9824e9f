"""What a region says about its columns, so that features can be agreed on without pooling a row.

Each region describes its columns by counts, means and spreads (`Statistics.from_records`); these cross the border and
are pooled (`Statistics.pooled`), to the same bits in whatever order they come.

What a region says about itself is held to a minimum count: no number of fewer people than that is in it (see
`Statistics`). This is a floor against naming individuals, not differential privacy.

>>> import numpy as np
>>> times = {"signup": 1.7e9 + np.arange(20.0)}
>>> Statistics.from_records(times, {"signup": "numeric"}).numeric["signup"]
Moments(n=20, mean=1700000009.5, squared_deviations=665.0, missing=0)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedsov.checks import real, whole
from fedsov.errors import ConfigurationError, InputError, counted
from fedsov.model.disclosure import Disclosure, fewest_apart, owners_of, rows_of_people

MINIMUM_COUNT = 10
LARGEST = 1e140
"""No value of a column is farther from 0: the squares of a trillion rows could not be summed in float64."""
LEAST_SPREAD = 1e-140
"""No column's standard deviation is less: its square would be lost."""


@dataclass(frozen=True, slots=True)
class Moments:
    """A numeric column: rows with a value, their mean, the sum of their squared deviations from it, rows without one.

    Deviations are from the mean and not from 0: of 1.7e9 + 0 ... 150 a sum of squares keeps no digit of the spread.
    `squared_deviations` is inf, and the mean 0, where values are beyond `LARGEST` or differ by less than
    `LEAST_SPREAD`: then they cannot be pooled, and the column cannot be a feature.
    """

    n: int = 0
    mean: float = 0.0
    squared_deviations: float = 0.0
    missing: int = 0

    def __add__(self, other: Moments) -> Moments:
        return Moments.pooled((self, other))

    @staticmethod
    def pooled(parts: Iterable[Moments]) -> Moments:
        """The moments of all rows together, the same bits in whatever order they come.

        Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", formula 2.1, for any number of parts
        at once (https://doi.org/10.1080/00031305.1983.10483115), with the corrected two-pass sum of section 4 for what
        rounding leaves of the mean.
        """
        several = tuple(parts)
        filled, missing = [part for part in several if part.n], sum(part.missing for part in several)
        n = sum(part.n for part in filled)
        if not all(part.is_usable for part in filled):
            return Moments(n, 0.0, math.inf, missing)
        if not filled:
            return Moments(missing=missing)
        pivot = max((part.n, part.mean) for part in filled)[1]
        mean = pivot + math.fsum(part.n * (part.mean - pivot) for part in filled) / n
        apart = [(part.n, part.mean - mean) for part in filled]
        left = math.fsum(rows * far for rows, far in apart) / n
        between = math.fsum(rows * far * far for rows, far in apart) - n * left * left
        within = math.fsum(part.squared_deviations for part in filled)
        return Moments(n, mean, within + max(0.0, between), missing)

    @property
    def is_usable(self) -> bool:
        """Whether the values could be squared and summed."""
        return self.squared_deviations < math.inf

    @property
    def spread(self) -> float:
        """The standard deviation; 0 of no rows, inf where it could not be computed."""
        return math.sqrt(self.squared_deviations / self.n) if self.n else 0.0


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

    Its numbers are row counts, means and sums over rows, but none stands for the rows of fewer people than the minimum
    count, however many rows these have. A rarer level is not named; rows at rare levels, or without a value, are
    reported as 0 where they are too few people's (in a numeric column they then count as rows of the mean value, for
    n would tell them too). A numeric column in which all but fewer people than that have one and the same value is
    not described at all: its mean would tell the few. Under a `Disclosure` values are also drawn in to their column's
    range, and a level, or a column, of which one person makes up too much is not described.
    """

    numeric: Mapping[str, Moments] = field(default_factory=dict)
    categorical: Mapping[str, Counts] = field(default_factory=dict)

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics.pooled((self, other))

    @staticmethod
    def pooled(parts: Iterable[Statistics]) -> Statistics:
        """All parts' rows described together, the same bits in whatever order the parts come."""
        several = tuple(parts)
        numeric = _by_column(part.numeric for part in several)
        categorical = _by_column(part.categorical for part in several)
        return Statistics(
            {name: Moments.pooled(columns) for name, columns in numeric.items()},
            {name: sum(columns, start=Counts()) for name, columns in categorical.items()},
        )

    @staticmethod
    def from_records(
        columns: Mapping[str, np.ndarray],
        kinds: Mapping[str, str],
        min_count: int = MINIMUM_COUNT,
        persons: np.ndarray | None = None,
        disclosure: Disclosure | None = None,
    ) -> Statistics:
        """Describes the columns whose kind is ``numeric`` or ``categorical``; others are left out.

        Args:
            columns: (N,) arrays by name: float64 with NaN missing, or objects of str with None missing.
            kinds: column to kind.
            min_count: the fewest people that any number may stand for, at least 1.
            persons: (N,) str or int, whose row each is; None where every row is another person's. A row of ``""``
                counts towards no minimum: it is public, so it must not hide another. Where all are, each counts.
            disclosure: the rules in place of a bare minimum count: for a description that leaves a region.

        Raises:
            InputError: a column is absent, or a numeric one holds infinite values.
            ValueError: there are not as many persons as rows.
        """
        if min_count < 1:
            raise ConfigurationError(f"expected a minimum count of 1 or more, got {min_count}")
        rules = disclosure or Disclosure(min_count)
        owners = owners_of(persons, len(next(iter(columns.values()), ())))

        def described(kind: str, describe: Callable[..., Any]) -> dict[str, Any]:
            names = sorted(name for name, of in kinds.items() if of == kind)
            return {name: describe(name, column(columns, name), owners, rules) for name in names}

        return Statistics(described("numeric", _moments), described("categorical", _counts))

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives an equal Statistics. What could not be computed is None."""
        return {
            "numeric": {
                name: {
                    "n": moments.n,
                    "mean": moments.mean,
                    "squared_deviations": moments.squared_deviations if moments.is_usable else None,
                    "missing": moments.missing,
                }
                for name, moments in self.numeric.items()
            },
            "categorical": {
                name: {"levels": dict(counts.levels), "other": counts.other, "missing": counts.missing}
                for name, counts in self.categorical.items()
            },
        }

    @staticmethod
    def from_json(value: Any) -> Statistics:
        """The inverse of `to_json`; a numeric column may also be ``[n, sum, squares, missing]``, as it was before.

        Raises:
            ConfigurationError: another form, a count below 0, or a number that is not finite or cannot be.
        """
        parts = _exactly("the statistics", value, ("numeric", "categorical"))
        return Statistics(
            {name: _read_moments(name, part) for name, part in _columns(parts["numeric"]).items()},
            {name: _read_counts(name, part) for name, part in _columns(parts["categorical"]).items()},
        )


def _by_column(parts: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for part in parts:
        for name, described in part.items():
            columns.setdefault(name, []).append(described)
    return dict(sorted(columns.items()))


def _columns(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ConfigurationError("the statistics must name columns")
    return value


def _exactly(of: str, value: Any, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or set(value) != set(keys):
        raise ConfigurationError(f"{of} must hold exactly {', '.join(keys)}")
    return value


def _read_moments(name: str, value: Any) -> Moments:
    of = f"the statistics of column {name!r}"
    if isinstance(value, list | tuple):
        return _read_sums(of, value)
    part = _exactly(of, value, ("n", "mean", "squared_deviations", "missing"))
    n, missing = (whole(f"{of}: {key}", part[key], at_least=0, at_most=2**53) for key in ("n", "missing"))
    mean = real(f"{of}: mean", part["mean"], at_least=-LARGEST, at_most=LARGEST)
    if part["squared_deviations"] is None:
        return Moments(n, 0.0, math.inf, missing)
    most = n * (2.0 * LARGEST) ** 2
    squares = real(f"{of}: squared_deviations", part["squared_deviations"], at_least=0.0, at_most=most)
    return Moments(n, mean if n else 0.0, squares, missing)


def _read_sums(of: str, value: Sequence[Any]) -> Moments:
    """A column as it was written before: count, sum, sum of squares, missing.

    A spread within the rounding of such sums, 1e-7 of the mean, is none.
    """
    if len(value) != 4:
        raise ConfigurationError(f"{of} must hold n, sum, squares and missing")
    n, missing = (whole(of, part, at_least=0, at_most=2**53) for part in (value[0], value[3]))
    total, squares = real(of, value[1]), real(of, value[2], at_least=0.0)
    mean = total / n if n else 0.0
    if abs(mean) > LARGEST:
        return Moments(n, 0.0, math.inf, missing)
    variance = max(0.0, squares / n - mean * mean) if n else 0.0
    return Moments(n, mean, n * variance if math.sqrt(variance) > 1e-7 * abs(mean) else 0.0, missing)


def _read_counts(name: str, value: Any) -> Counts:
    of = f"the statistics of column {name!r}"
    part = _exactly(of, value, ("levels", "other", "missing"))
    levels = {level: whole(of, n, at_least=0, at_most=2**53) for level, n in _columns(part["levels"]).items()}
    other, missing = (whole(of, part[key], at_least=0, at_most=2**53) for key in ("other", "missing"))
    return Counts(levels, other, missing)


def column(columns: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The column of that name. Raises InputError where it is absent."""
    if name not in columns:
        raise InputError(f"column {name!r} is missing; the model was agreed on with it, so ingest a table that has it")
    return columns[name]


def numeric(name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) float64 values, and (N,) True where missing. Raises InputError for infinite values."""
    numbers = np.asarray(values, dtype=np.float64)
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        raise InputError(
            f"column {name!r} has {counted(infinite, 'infinite value')}; set dataset.nonfinite=missing or quarantine"
        )
    return numbers, np.isnan(numbers)


def is_absent(value: object) -> bool:
    """Whether a value of a categorical column is missing: None or NaN."""
    return value is None or value != value


def spelled(value: object) -> str | None:
    """A value as text, alike from CSV and Parquet (``1.0`` and ``"1"`` are ``1``); None for an empty one."""
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    text = "" if value is None else str(value).strip()
    return text or None


def _moments(name: str, values: np.ndarray, owners: np.ndarray, rules: Disclosure) -> Moments:
    numbers, absent = numeric(name, values)
    present, theirs = rules.drawn_in(name, numbers[~absent]), owners[~absent]
    missing = rules.count(absent, owners)
    if fewest_apart(present, theirs) < rules.min_count:
        return Moments(missing=missing)
    mean, squares = _centred(present)
    if not rules.allows_sum(name, present - mean, theirs):
        return Moments(missing=missing)
    # where too few lack a value to say so, n must not say it either: the few are taken to be like the others
    rows = len(present) if missing or not absent.any() else len(numbers)
    return Moments(rows, mean, squares * (rows / len(present)), missing)


def _centred(numbers: np.ndarray) -> tuple[float, float]:
    """Mean and sum of squared deviations of (N,) numbers that differ, by two passes about one of them.

    (0, inf) where the squares would be lost. Corrected for what rounding leaves of the mean, as in `Moments.pooled`.
    """
    if np.abs(numbers).max() > LARGEST:
        return 0.0, math.inf
    mean = float(numbers[0] + (numbers - numbers[0]).mean())
    apart = numbers - mean
    squares = float(np.square(apart).sum() - len(apart) * apart.mean() ** 2)
    return (mean, squares) if squares >= len(apart) * LEAST_SPREAD**2 else (0.0, math.inf)


def _counts(name: str, values: np.ndarray, owners: np.ndarray, rules: Disclosure) -> Counts:
    rows_at = Counter(values.tolist())
    place = {level: index for index, level in enumerate(rows_at)}
    codes = np.fromiter(map(place.__getitem__, values.tolist()), dtype=np.int64, count=len(values))
    absent = np.fromiter(map(is_absent, rows_at), dtype=bool, count=len(rows_at))
    people, shares = rows_of_people(codes, owners, len(rows_at))
    shared = ~absent & (people >= rules.min_count)
    named = shared & (shares <= rules.dominance)
    for level in (level for level in rows_at if shared[place[level]] and not named[place[level]]):
        rules.log(f"{name}={level} is not described: one person makes up more than {rules.dominance:.0%} of it")
    levels = {str(level): rows_at[level] for level in sorted(level for level in rows_at if named[place[level]])}
    other = rules.count(~(absent | named)[codes], owners)
    return Counts(levels, other, rules.count(absent[codes], owners))
