"""Statistics of people's rows as they leave: rows in tens, and no mean so fine that it would tell their number again.

A mean of whole numbers is a fraction whose denominator is the number of rows: sixteen digits of it tell that number. So
a mean is rounded to about its own standard error, and a spread to a sixteenth. A column is described where ten people
or more differ from any one value, so that several numbers of rows lead to each rounded mean.

>>> described = Statistics({"age": Moments(47, 40.0 + 1 / 47, 47 * 15.0**2, 12)})
>>> rounded(described).numeric["age"]
Moments(n=40, mean=40.0, squared_deviations=9000.0, missing=10)
"""

from __future__ import annotations

import math
from dataclasses import replace

from fedsov.model.column_statistics import Counts, Moments, Statistics
from fedsov.partition.told_counts import FEWEST, in_tens

SPREAD_BITS = 4
"""Of a spread that is told."""


def rounded(exact: Statistics) -> Statistics:
    """The statistics with each count of rows in tens; the mean is told to its standard error, the spread to 4 bits."""
    return Statistics(
        {name: _moments(part) for name, part in exact.numeric.items()},
        {name: _counts(part) for name, part in exact.categorical.items()},
    )


def _moments(exact: Moments) -> Moments:
    if not exact.n:
        return replace(exact, missing=in_tens(exact.missing))
    n, missing = in_tens(exact.n, least=FEWEST), in_tens(exact.missing)
    if not exact.is_usable or not exact.spread:
        return Moments(n, exact.mean, exact.squared_deviations, missing)
    spread = _to(exact.spread, 2.0 ** (1 - SPREAD_BITS) * exact.spread)
    return Moments(n, _to(exact.mean, spread / math.sqrt(n)), n * spread * spread, missing)


def _to(value: float, size: float) -> float:
    """The number in whole steps of the greatest power of two that is not above a size."""
    step = 2.0 ** math.floor(math.log2(size))
    return round(value / step) * step


def _counts(exact: Counts) -> Counts:
    levels = {level: in_tens(rows) for level, rows in exact.levels.items()}
    return Counts(levels, in_tens(exact.other), in_tens(exact.missing))
