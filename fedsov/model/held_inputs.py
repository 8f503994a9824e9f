"""Inputs that say too little of too few: in a region's training each is held at one value, the same for every row.

A hub names the features, and the gradient of an input tells of those rows alone in which it differs. So a region looks
at an input only where enough of its people differ in it, where its own statistics describe what it is made of, and on
a scale that other regions' rows can explain. Rows at levels that too few share take the column's most common level:
without one they would be what the other levels' gradients lack. A number is drawn in to six spreads about the region's
own mean, wherever the hub's scale would clip it: three scales that differ by little would tell of whoever stands at the
edge of the middle one. Where too few lack a number, they are given that mean: 0 on every scale would set them apart.
Held inputs keep their weights, which other regions train, and the region's rows still train all the others.

This bounds what features can single out. It bounds no model: whoever chooses its parameters can make a hidden unit that
few rows reach. Against such a hub a region asks for privacy (`privacy.require: record`); a secure sum hides whose rows
they are, where more than one region's reach the unit.

>>> columns = {"remote": np.array(["yes"] * 60 + ["no"] * 37 + ["it depends"] * 3, dtype=object)}
>>> features = Features(levels=(("remote", ("it depends", "no", "yes")),))
>>> held(features, columns, None, least=10).encode(columns).sum(0).tolist()
[0.0, 37.0, 63.0]
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fedsov.model.column_statistics import Counts, Moments, Statistics, column, is_absent, numeric
from fedsov.model.disclosure import fewest_apart, owners_of, people_in, rows_of_people
from fedsov.model.features import CLIP, Features, Held, Substitute

FAR = 30.0
"""How many spreads of the pooled rows a region's mean may lie from theirs, and how many its own spread may be. Of N
pooled rows, n of them the region's, neither is above the root of N/n: this allows a region one row in 900."""
_LOG = logging.getLogger(__name__)


def held(
    features: Features,
    columns: Mapping[str, np.ndarray],
    persons: np.ndarray | None,
    *,
    least: int,
    own: Statistics | None = None,
    groups: np.ndarray | None = None,
) -> Features:
    """The features with those inputs held that these rows may not be looked at by, beside those held before.

    Args:
        columns, persons: (N,) arrays of the rows, as `Statistics.from_records` takes them.
        least: the fewest people who must differ from the rest; else all have the most common value.
        own: what the region said of its rows; an input that does not follow from it is held at 0, its reference.
        groups: (N,) numbers; in each group so many people must differ, since answers about one group are subtracted
            from answers about all. None where no answer is about a part of these rows.

    Raises InputError as `Features.encode`.
    """
    owners = owners_of(persons, len(next(iter(columns.values()), ())))
    sides = [owners] if groups is None else [np.where(groups == group, owners, -1) for group in np.unique(groups)]
    sides = [side for side in sides if (side >= 0).any()]
    fixed, before = dict(features.held.inputs), features.held
    ranges = before.ranges
    if own is not None:
        fixed |= dict.fromkeys(_undescribed(features, own), 0.0)
        ranges = tuple(_range(name, own) for name in sorted({name for name, _, _ in features.numeric}))
    looked_at = before.put_into(columns)
    described = {name: None if own is None else own.categorical.get(name, Counts()) for name, _ in features.levels}
    substitutes = [
        _substitute(name, column(looked_at, name), sides, least=least, described=counts)
        for name, counts in described.items()
    ]
    means = {name: _mean_for_few(name, looked_at, sides, least=least, own=own) for name, _, _ in features.numeric}
    now = Held(
        (*before.substitutes, *filter(None, substitutes)),
        tuple(fixed.items()),
        ranges,
        (*before.means, *((name, mean) for name, mean in sorted(means.items()) if mean is not None)),
    )
    for place, values in enumerate(replace(features, held=now).encode(columns).T if sides else ()):
        if min(fewest_apart(values, side) for side in sides) < least:
            fixed.setdefault(place, _most_common(values))
    if news := sorted(set(fixed) - {place for place, _ in before.inputs}):
        names = ", ".join(features.names[place] for place in news)
        _LOG.warning("held at one value (fewer than %d people differ, or no answer told of it): %s", least, names)
    return replace(features, held=replace(now, inputs=tuple(sorted(fixed.items()))))


def _range(name: str, own: Statistics) -> tuple[str, float, float]:
    """A column and the range that its numbers are drawn in to; its mean alone where the region said nothing of it."""
    moments = own.numeric.get(name, Moments())
    reach = CLIP * moments.spread if moments.is_usable else 0.0
    return name, moments.mean - reach, moments.mean + reach


def _mean_for_few(
    name: str, columns: Mapping[str, np.ndarray], sides: Sequence[np.ndarray], *, least: int, own: Statistics | None
) -> float | None:
    """The region's mean of a column, where so few people lack a number that it stands for theirs; else None.

    A missing number is 0 on every scale: the gradients of two scales would tell of those who have one, and the
    intercept's of all.
    """
    numbers, absent = numeric(name, column(columns, name))
    if not _are_few(absent, sides, least):
        return None
    if own is not None:
        return own.numeric.get(name, Moments()).mean
    return 0.0 if absent.all() else float(numbers[~absent].mean())


def _substitute(
    name: str, values: np.ndarray, sides: Sequence[np.ndarray], *, least: int, described: Counts | None
) -> Substitute | None:
    """What stands for the rows at none of the levels that enough people share; None where they are enough.

    It follows from the rows and from how the region `described` the column, never from the levels that a hub names:
    two choices of these would tell of the rows at neither.
    """
    absent = np.fromiter(map(is_absent, values.tolist()), bool, len(values))
    levels = set(values[~absent].tolist())
    known = sorted(levels if described is None else levels & set(described.levels))
    codes = {level: place for place, level in enumerate(known)}
    at = np.fromiter((codes.get(value, -1) for value in values.tolist()), np.int64, len(values))
    is_known = at >= 0
    people = [rows_of_people(at[is_known], side[is_known], len(known))[0] for side in sides]
    shared = np.flatnonzero(np.min(people, axis=0) >= least) if people else np.zeros(0, np.int64)
    is_apart = (described is None or bool(described.missing)) and _fewest(absent, sides) >= least
    rest = ~np.isin(at, shared) & ~(absent & is_apart)
    if not len(shared) or not _are_few(rest, sides, least):
        return None
    common = known[shared[np.argmax(np.sum(people, axis=0)[shared])]]
    return Substitute(name, frozenset(known[place] for place in shared), common, absent=not is_apart)


def _are_few(rows: np.ndarray, sides: Sequence[np.ndarray], least: int) -> bool:
    """Whether the rows of an (N,) mask are somebody's, and on some side those of fewer people than the least."""
    return any(people_in(side[rows]) for side in sides) and _fewest(rows, sides) < least


def _fewest(rows: np.ndarray, sides: Sequence[np.ndarray]) -> int:
    return min((people_in(side[rows]) for side in sides), default=0)


def _undescribed(features: Features, own: Statistics) -> list[int]:
    """The places of inputs that do not follow from what the region said."""
    follows = [_is_plausible(own.numeric.get(name, Moments()), mean, spread) for name, mean, spread in features.numeric]
    for name, levels in features.levels:
        named = own.categorical.get(name, Counts()).levels
        follows += [level in named for level in levels]
    for name in features.missing:
        follows.append(bool((own.numeric.get(name) or own.categorical.get(name) or Counts()).missing))
    return [place for place, is_told in enumerate(follows) if not is_told]


def _is_plausible(own: Moments, mean: float, spread: float) -> bool:
    """Whether a scale could be that of rows that these moments are pooled into."""
    return bool(own.n) and own.is_usable and abs(own.mean - mean) <= FAR * spread and own.spread <= FAR * spread


def _most_common(values: np.ndarray) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()])
