"""Feature statistics and a median under noise, for regions whose raw sums must not leave.

What `fedsov.model.column_statistics.Statistics` says is here a Gaussian release with a stated sensitivity: it stands
on bounds and levels that are declared, never looked up in the rows. The numbers of the noise are those of the events
that `fedsov.privacy.run_cost` reserves.

What is released lies on a grid, so that the low bits of floating point tell nothing (Mironov 2012,
https://doi.org/10.1145/2382196.2382264): each record's part of a sum is rounded to `GRID` before it is added, sums are
whole numbers of the grid, and the Gaussian noise is rounded to the grid before it is added to them. Rounding the sum of
a whole number and the noise is the same, so this is a Gaussian release whose result was rounded afterwards, which costs
nothing more: its accounting is the Gaussian's own, and exact but for the 53 bits of a cell's chance. (A discrete
Gaussian, Canonne, Kamath and Steinke 2020, https://arxiv.org/abs/2004.00010, would be drawn without floating point, but
several sums together then have no exact accounting by privacy loss distributions.)
The median is a cell of a grid over its bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from fedsov.errors import InputError
from fedsov.model.column_statistics import Counts, Moments, Statistics

GRID = 2.0**-20
"""Of sums: a column is scaled to [-1, 1], so a record is rounded by a millionth of its range at most."""
MEDIAN_CELLS = 2**20
"""Between the bounds of a median."""
CLEAR = 3.0
"""Standard deviations of noise above which a count is taken to be there at all."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What is known of columns without looking at a row: bounds of numeric ones, levels of categorical ones.

    A numeric column without bounds is not described. A categorical one without levels is described by those levels
    whose noisy count is above a threshold.
    """

    bounds: Mapping[str, tuple[float, float]]
    levels: Mapping[str, tuple[str, ...]]


def private_statistics(
    columns: Mapping[str, np.ndarray],
    kinds: Mapping[str, str],
    schema: Schema,
    *,
    noise_multiplier: float,
    threshold_delta: float,
    rng: np.random.Generator,
    rows: int | None = None,
) -> Statistics:
    """Statistics of (N,) columns under one Gaussian release of noise_multiplier × sensitivity.

    With each bounded column scaled to u in [-1, 1], one record adds (1, u, u²) or a 1 for missing to a numeric
    column's sums, and a 1 to one count of a categorical column. So one record more or less moves all of them together
    by an L2 norm of at most sqrt(3 × numeric + categorical): the sensitivity. A level that was not declared is named
    where its noisy count is above 1 + stddev × z, with z such that a level of one record alone is named, in any column,
    with a chance of at most threshold_delta (Wilson et al. 2020, https://arxiv.org/abs/1909.01917).

    Args:
        rows: how many rows there are as they are told; None for N. Rows at levels that are not named are what of these
            is left.

    Raises:
        InputError: no column has bounds or levels.
    """
    numeric = sorted(name for name, kind in kinds.items() if kind == "numeric" and name in schema.bounds)
    categorical = sorted(name for name, kind in kinds.items() if kind == "categorical")
    if not numeric and not categorical:
        raise InputError("no numeric column has dataset.bounds and none is categorical: nothing can be a feature")
    stddev = noise_multiplier * math.sqrt(3.0 * len(numeric) + len(categorical))
    undeclared = [name for name in categorical if name not in schema.levels]
    z = NormalDist().inv_cdf(1.0 - threshold_delta / len(undeclared)) if undeclared and threshold_delta else math.inf
    return Statistics(
        {name: _noisy_moments(columns[name], schema.bounds[name], stddev, rng) for name in numeric},
        {
            name: _noisy_counts(
                columns[name], schema.levels.get(name), stddev, threshold=1.0 + stddev * z, rng=rng, rows=rows
            )
            for name in categorical
        },
    )


def _noisy_moments(values: np.ndarray, bounds: tuple[float, float], stddev: float, rng: np.random.Generator) -> Moments:
    """A bounded column from its four noisy sums; what follows from them costs nothing more.

    The squares are of u, about the middle of the bounds: in [0, 1] wherever the bounds lie, so that neither their size
    nor the sensitivity depends on how far from 0 the column is.
    """
    middle, half = bounds[0] / 2.0 + bounds[1] / 2.0, (bounds[1] - bounds[0]) / 2.0
    numbers = np.asarray(values, np.float64)
    present = ~np.isnan(numbers)
    u = np.clip((numbers[present] - middle) / half, -1.0, 1.0)
    cells = np.array([_cells(np.ones(len(u))), _cells(u), _cells(np.square(u)), _cells(np.ones(len(numbers) - len(u)))])
    count, total, squares, missing = (GRID * (cells + _noise_cells(stddev, 4, rng))).tolist()
    if count < CLEAR * stddev:
        return Moments()
    mean = min(1.0, max(-1.0, total / count))
    variance = min(1.0, max(squares / count - mean**2, stddev / count))  # no narrower than the noise can tell
    n = max(1, round(count))
    absent = round(missing) if missing > CLEAR * stddev else 0
    return Moments(n, middle + half * mean, n * half**2 * variance, absent)


def _cells(parts: np.ndarray) -> int:
    """The sum of (n,) parts in [-1, 1] in cells of the grid, each part rounded to it before."""
    return int(np.rint(parts / GRID).astype(np.int64).sum())


def _noise_cells(stddev: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """(size,) int64: Gaussian noise of this standard deviation, rounded to cells of the grid."""
    cells: np.ndarray = np.rint(rng.normal(0.0, stddev, size) / GRID).astype(np.int64)
    return cells


def _noisy_counts(
    values: np.ndarray,
    declared: tuple[str, ...] | None,
    stddev: float,
    *,
    threshold: float,
    rng: np.random.Generator,
    rows: int | None,
) -> Counts:
    texts = ["" if value is None or value != value else f"={value}" for value in values.tolist()]
    levels, counts = np.unique(np.array(texts, dtype=object).astype(str), return_counts=True)
    true = dict(zip(levels.tolist(), counts.tolist(), strict=True))
    wanted = sorted(true.keys() - {""} if declared is None else {f"={level}" for level in declared})
    noise = GRID * _noise_cells(stddev, len(wanted) + 1, rng)
    noisy = {level[1:]: true.get(level, 0) + float(part) for level, part in zip(wanted, noise, strict=False)}
    named = {level: max(1, round(n)) for level, n in noisy.items() if declared is not None or n > threshold}
    missing = true.get("", 0) + float(noise[-1])
    missing = missing if missing > CLEAR * stddev else 0.0
    other = (len(texts) if rows is None else rows) - sum(named.values()) - missing
    clear = CLEAR * stddev * math.sqrt(len(named) + 1.0)
    return Counts(named, round(other) if other > clear else 0, round(missing))


def private_median(
    numbers: np.ndarray, bounds: tuple[float, float], *, epsilon: float, rng: np.random.Generator
) -> float:
    """A value near the median of (N,) numbers, by the exponential mechanism: epsilon-private, adding or removing one.

    A value's utility is -|numbers below - numbers above| / 2, which one record moves by 1/2 at most; so its chance is
    in proportion to exp(-epsilon |below - above| / 2) (McSherry & Talwar 2007; Smith 2011, algorithm 2). Numbers are
    rounded to the edges of `MEDIAN_CELLS` cells between the bounds first; the value is the middle of a cell.
    """
    low, width = bounds[0], (bounds[1] - bounds[0]) / MEDIAN_CELLS
    clipped = np.clip(np.asarray(numbers, np.float64), *bounds)
    places = np.sort(np.rint((clipped - low) / width).astype(np.int64))
    edges = np.concatenate([[0], np.clip(places, 0, MEDIAN_CELLS), [MEDIAN_CELLS]])
    lengths, below = np.diff(edges), np.arange(len(edges) - 1)
    with np.errstate(divide="ignore"):
        scores = np.log(lengths) - epsilon * np.abs(2 * below - len(numbers)) / 2.0
    place = int(np.argmax(scores + rng.gumbel(size=len(scores))))
    return float(low + width * (int(rng.integers(edges[place], edges[place + 1])) + 0.5))
