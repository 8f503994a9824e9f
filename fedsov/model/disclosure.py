"""What keeps a number about rows from being a number about a person: floors, dominance, bounded values.

A row has an *owner*, the person whose row it is, as a number from 0; -1 for a row that counts towards no floor (it is
public, so whoever knows it could subtract it). Three rules, for a number that leaves a region:

    floor       it stands for at least so many people, however many rows these have
    dominance   no person makes up more than a share of the rows that it counts, or of the sum that it is
    bounds      a value beyond the range of its column is drawn in to it, so that no person can move a sum at will

The range is a robust one, ten times the median distance from the median: half of the rows would have to be extreme to
move it. It is worked out where the rows are, and not told. Where a data set declares what a column can hold
(``dataset.bounds``), the range ends there too.

>>> robust_range(np.array([1.0, 2.0, 3.0, 4.0, 1e9]))
(-12.0, 18.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

REACH = 10.0
"""Median distances from the median that a robust range reaches: 6.7 standard deviations of normal values."""


def _untold(line: str) -> None:
    del line


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The rules of one description.

    Attributes:
        min_count: the fewest people that a number may stand for, at least 1.
        dominance: the greatest share of one person in a number; 1 for no rule.
        robust: whether values are drawn in to their column's robust range before they are summed.
        bounds: column to the least and the greatest value that it can have, as declared; values are drawn in to them.
        log: told what is not described for a person's dominance, by name; the line stays where the rows are.
    """

    min_count: int
    dominance: float = 1.0
    robust: bool = False
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    log: Callable[[str], None] = _untold

    def drawn_in(self, name: str, numbers: np.ndarray) -> np.ndarray:
        """(N,) the finite numbers of a column, none beyond what is declared, nor beyond their robust range then."""
        declared = np.clip(numbers, *self.bounds[name]) if name in self.bounds else numbers
        return np.clip(declared, *robust_range(declared)) if self.robust and len(numbers) else declared

    def count(self, rows: np.ndarray, owners: np.ndarray) -> int:
        """How many rows are true in the (N,) mask; 0 where that would tell of too few people, or of one person."""
        by_person = np.bincount(owners[rows & (owners >= 0)])
        few = np.count_nonzero(by_person) < self.min_count
        return 0 if few or is_dominated(by_person, self.dominance) else int(rows.sum())

    def allows_sum(self, name: str, apart: np.ndarray, owners: np.ndarray) -> bool:
        """Whether no owner makes up too much of (N,) rows, or of the sum of the squares of what they are `apart`."""
        if self.dominance >= 1.0:
            return True
        own = owners >= 0
        rows = np.bincount(owners[own])
        with np.errstate(over="ignore"):
            squares = np.bincount(owners[own], weights=np.square(apart[own]))
        if not (is_dominated(rows, self.dominance) or is_dominated(squares, self.dominance)):
            return True
        self.log(f"{name} is not described: one person makes up more than {self.dominance:.0%} of it")
        return False


def is_dominated(by_person: np.ndarray, share: float) -> bool:
    """Whether the largest of (P,) parts is more than this share of their sum."""
    return share < 1.0 and bool(by_person.max(initial=0) > share * by_person.sum())


def robust_range(numbers: np.ndarray) -> tuple[float, float]:
    """From the median of (N,) numbers, `REACH` times the median distance of those that are not at it, either way.

    Everything where that is beyond float64.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        middle = float(np.median(numbers))
        distances = np.abs(numbers - middle)
        reach = REACH * float(np.median(distances[distances > 0.0])) if distances.any() else 0.0
    low, high = middle - reach, middle + reach
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (-math.inf, math.inf)


def owners_of(persons: np.ndarray | None, rows: int) -> np.ndarray:
    """(N,) whose row each is, as numbers from 0; -1 for a row that counts towards no floor.

    Args:
        persons: (N,) str or int; None where every row is another person's. A row of ``""`` counts towards no floor;
            where all are, each counts.

    Raises:
        ValueError: there are not as many persons as rows.
    """
    if persons is None:
        return np.arange(rows)
    if len(persons) != rows:
        raise ValueError(f"expected a person for each of {rows} rows, got {len(persons)}")
    names = np.asarray(persons).astype(str)
    nobody = names == ""
    if nobody.all():
        return np.arange(rows)
    return np.where(nobody, -1, np.unique(names, return_inverse=True)[1])


def people_in(owners: np.ndarray) -> int:
    """How many people have one of (N,) rows or more; rows of nobody count none (`owners_of`)."""
    return len(np.unique(owners[owners >= 0]))


def fewest_apart(numbers: np.ndarray, owners: np.ndarray) -> int:
    """The fewest people, over all values, who have a number that differs from the value."""
    counted = owners >= 0
    lowest = np.full(owners.max(initial=-1) + 1, np.inf)
    highest = -lowest
    np.minimum.at(lowest, owners[counted], numbers[counted])
    np.maximum.at(highest, owners[counted], numbers[counted])
    _, alike = np.unique(lowest[lowest == highest], return_counts=True)
    return int((lowest <= highest).sum()) - int(alike.max(initial=0))


def rows_of_people(codes: np.ndarray, owners: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """(levels,) how many different people have a row at each level, and the share of the one with the most there.

    Args:
        codes: (N,) the rows' levels, from 0.
    """
    counted = owners >= 0
    pairs = np.sort(owners[counted] * levels + codes[counted])
    starts = np.flatnonzero(np.diff(pairs, prepend=-1) > 0)  # np.unique takes ten times as long here
    level_of, rows = pairs[starts] % max(levels, 1), np.diff(starts, append=len(pairs))
    people = np.bincount(level_of, minlength=levels)
    most = np.zeros(levels)
    np.maximum.at(most, level_of, rows)
    return people, most / np.maximum(np.bincount(level_of, weights=rows, minlength=levels), 1.0)
