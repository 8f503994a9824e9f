"""From columns to numbers, agreed between regions without pooling a row.

Each region describes its columns (`fedsov.model.column_statistics`); from the pooled description everybody derives the
same `Features`, which standardise numeric columns, mark missing values, and give a column of zeros and ones to every
level of a categorical one. A column that cannot be a feature is in `Features.unused` with the reason.

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fedsov.errors import ConfigurationError, InputError
from fedsov.model.column_statistics import Counts, Moments, Statistics, column, is_absent, numeric

CLIP = 6.0
"""Standardised values are clipped here: one extreme value must not swamp a gradient that others receive."""

TOO_FEW = "constant, or nearly: in no region do enough people differ from the rest"
MOSTLY_MISSING = "missing for nearly everybody, and too few others differ"
CONSTANT = "constant"
BEYOND = "values cannot be squared in float64 (too large, or too near each other); multiply or divide them"
RARE_LEVELS = "no level is shared by enough people; group the levels"
ONE_LEVEL = "constant: one level that enough people share"
"""Why a described column is no feature."""


@dataclass(frozen=True, slots=True)
class Substitute:
    """The level that stands for all but the `shared` levels of a column, and for a missing value where `absent`."""

    column: str
    shared: frozenset[str]
    level: str
    absent: bool

    def put_into(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """(N,) the column with it. Raises InputError where the column is absent."""
        values = column(columns, self.column).tolist()
        stays = [value in self.shared or (is_absent(value) and not self.absent) for value in values]
        return np.array([value if stay else self.level for value, stay in zip(values, stays, strict=True)], object)


@dataclass(frozen=True, slots=True)
class Held:
    """What of some rows is not looked at.

    Attributes:
        substitutes: levels that another stands for; of several for one column each takes what the one before gave.
        inputs: the place of each input at which every row has one value, and the value.
        ranges: numeric column, its least and its greatest value, in the place of `CLIP`.
        means: numeric column, and the number in the place of one that is missing.
    """

    substitutes: tuple[Substitute, ...] = ()
    inputs: tuple[tuple[int, float], ...] = ()
    ranges: tuple[tuple[str, float, float], ...] = ()
    means: tuple[tuple[str, float], ...] = ()

    def put_into(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """(N,) the columns with the substitutes and the means. Raises InputError where a column is absent."""
        filled = dict(columns)
        for one in self.substitutes:
            filled[one.column] = one.put_into(filled)
        for name, mean in self.means:
            numbers, absent = numeric(name, column(filled, name))
            filled[name] = np.where(absent, mean, numbers)
        return filled


@dataclass(frozen=True, slots=True)
class Features:
    """How columns become the network's inputs; the same everywhere it was fitted to the same statistics.

    Attributes:
        numeric: (column, mean, standard deviation), sorted by column.
        levels: (column, its levels), sorted.
        missing: columns that have an indicator of a missing value.
        unused: column to the reason why it is none of these; it changes nothing that is encoded.
        held: what of one region's rows is not looked at; never sent or stored (`fedsov.model.held_inputs`).
    """

    numeric: tuple[tuple[str, float, float], ...] = ()
    levels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    missing: tuple[str, ...] = ()
    unused: Mapping[str, str] = field(default_factory=dict, compare=False)
    held: Held = field(default_factory=Held, compare=False)

    @staticmethod
    def fit(statistics: Statistics, undescribed: Mapping[str, str] | None = None) -> Features:
        """Features of the described columns that vary; each other column is named in `unused`.

        Args:
            undescribed: columns that might be described, and the reason to give for one that nobody described.

        Raises:
            InputError: no column is left; names each with its reason.
        """
        reasons = {name: _why_no_number(moments) for name, moments in statistics.numeric.items()}
        reasons |= {name: _why_no_levels(counts) for name, counts in statistics.categorical.items()}
        described: dict[str, Moments | Counts] = {**statistics.numeric, **statistics.categorical}
        absent = {name: why for name, why in (undescribed or {}).items() if name not in described}
        unused = dict(sorted({**{name: why for name, why in reasons.items() if why}, **absent}.items()))
        used = {name: value for name, value in sorted(described.items()) if name not in unused}
        numbers = tuple((name, part.mean, part.spread) for name, part in used.items() if isinstance(part, Moments))
        levels = tuple((name, tuple(sorted(part.levels))) for name, part in used.items() if isinstance(part, Counts))
        order = [*(name for name, _, _ in numbers), *(name for name, _ in levels)]
        missing = tuple(name for name in order if described[name].missing)
        if not order:
            listed = "; ".join(f"{name}: {why}" for name, why in unused.items()) or "none is described"
            raise InputError(
                "no column varies over enough rows to be a feature; declare kinds (dataset.kinds), or add columns "
                f"({listed})"
            )
        return Features(numbers, levels, missing, unused)

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

        Local feature scaling: a shared model fits regions better where each standardises by its own mean and spread.
        Five years of work are many where the mean is four. Local statistics under a shared model are FedBN's idea
        (Li et al. 2021, https://arxiv.org/abs/2102.07623).
        """
        usable = {
            name: (name, moments.mean, moments.spread)
            for name, moments in own.numeric.items()
            if not _why_no_number(moments)
        }
        return replace(self, numeric=tuple(usable.get(row[0], row) for row in self.numeric))

    def encode(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """The (N, D) float32 inputs: standardised and clipped, 0 where missing; an unknown level is all 0.

        Raises:
            InputError: a column is absent, or holds infinite values.
        """
        categorical = {name for name, _ in self.levels}
        columns = self.held.put_into(columns)
        ranges = {name: (low, high) for name, low, high in self.held.ranges}
        blocks = [
            _standardised(name, column(columns, name), mean, std, ranges.get(name)) for name, mean, std in self.numeric
        ]
        blocks += [_one_hot(column(columns, name), levels) for name, levels in self.levels]
        blocks += [_indicator(columns[name], name in categorical) for name in self.missing]
        inputs = np.concatenate(blocks, axis=1, dtype=np.float32)
        for place, value in self.held.inputs:
            inputs[:, place] = value
        return inputs

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives an equal Features."""
        return {**self._encoding(), "unused": dict(self.unused)}

    def _encoding(self) -> dict[str, Any]:
        return {
            "numeric": [list(row) for row in self.numeric],
            "levels": [[name, list(levels)] for name, levels in self.levels],
            "missing": list(self.missing),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Features:
        """The inverse of `to_json`; where it was written before columns had reasons, `unused` is empty.

        Raises:
            ConfigurationError: a scale that nothing can be standardised by, or a column or level that is named twice:
                so many inputs of one value are one that is steeper than its weights.
        """
        for name, mean, spread in value["numeric"]:
            if not (math.isfinite(mean) and 0.0 < spread < math.inf):
                raise ConfigurationError(
                    f"the scale of column {name!r} is mean {mean}, spread {spread}; both must be finite"
                )
        levels = tuple((str(name), tuple(own)) for name, own in value["levels"])
        _check_once("a column of features", [str(name) for name, *_ in (*value["numeric"], *levels)])
        _check_once("a column with an indicator of a missing value", value["missing"])
        for name, own in levels:
            _check_once(f"a level of column {name!r}", own)
        return Features(
            tuple((str(name), float(mean), float(std)) for name, mean, std in value["numeric"]),
            levels,
            tuple(value["missing"]),
            {str(name): str(why) for name, why in value.get("unused", {}).items()},
        )

    @property
    def digest(self) -> str:
        """SHA-256 of what is encoded, as JSON, in hexadecimal: equal digests encode alike."""
        return hashlib.sha256(json.dumps(self._encoding(), sort_keys=True).encode()).hexdigest()


def _check_once(what: str, names: Sequence[str]) -> None:
    """Raises ConfigurationError, naming the first name that is given more than once."""
    if twice := next((name for name, times in Counter(names).items() if times > 1), None):
        raise ConfigurationError(f"{what} is named more than once: {twice!r}; name each once")


def _why_no_number(moments: Moments) -> str:
    """Why a numeric column is no feature; empty where it is one."""
    if not moments.n:
        return MOSTLY_MISSING if moments.missing else TOO_FEW
    if not moments.is_usable:
        return BEYOND
    return "" if moments.spread > 0.0 else CONSTANT


def _why_no_levels(counts: Counts) -> str:
    """Why a categorical column is no feature; empty where it is one."""
    if len(counts.levels) + bool(counts.other) + bool(counts.missing) > 1:
        return ""
    return ONE_LEVEL if counts.levels else RARE_LEVELS


def _standardised(
    name: str, values: np.ndarray, mean: float, std: float, within: tuple[float, float] | None = None
) -> np.ndarray:
    """(N, 1) inputs; of numbers `within` a range where there is one, clipped at `CLIP` spreads where there is none."""
    numbers, absent = numeric(name, values)
    with np.errstate(over="ignore"):  # what is too far to be told in float64 is clipped as well
        scaled = (numbers if within is None else np.clip(numbers, *within)) - mean
        scaled = scaled / std if within is not None else np.clip(scaled / std, -CLIP, CLIP)
    return np.where(absent, 0.0, scaled)[:, None]


def _one_hot(values: np.ndarray, levels: tuple[str, ...]) -> np.ndarray:
    place = {level: index for index, level in enumerate(levels)}
    codes = np.fromiter((place.get(value, -1) for value in values.tolist()), dtype=np.int64, count=len(values))
    return np.asarray(codes[:, None] == np.arange(len(levels)), dtype=np.float32)


def _indicator(values: np.ndarray, categorical: bool) -> np.ndarray:
    if not categorical:
        return np.isnan(np.asarray(values, dtype=np.float64))[:, None]
    absent = (is_absent(value) for value in values.tolist())
    return np.fromiter(absent, dtype=bool, count=len(values))[:, None]
