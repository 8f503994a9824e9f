"""Inputs that say too little of too few: in a region's training each is held at one value, the same for every row.

A hub names the features, and the gradient of an input tells of those rows alone in which it differs. So a region looks
at an input only where enough of its people differ in it, where its own statistics describe what it is made of, and on
a scale that other regions' rows can explain. Rows at levels that too few share take the column's most common level:
without one they would be what the other levels' gradients lack. A number is drawn in to six spreads about the region's
own mean, wherever the hub's scale would clip it: three scales that differ by little would tell of whoever stands at the
edge of the middle one. Held inputs keep their weights, which other regions
train, and the region's rows still train all the others.

This bounds what features can single out. It bounds no model: whoever chooses its parameters can make a hidden unit that
few rows reach. Against such a hub a region asks for privacy (`privacy.require: record`) or for a secure sum.

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

from fedsov.model.column_statistics import Counts, Moments, Statistics, column, is_absent
from fedsov.model.disclosure import fewest_apart, owners_of
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
) -> Features:
    """The features with those inputs held that these rows may not be looked at by.

    Args:
        columns, persons: (N,) arrays of the rows, as `Statistics.from_records` takes them.
        least: the fewest people who must differ from the rest; else all have the most common value.
        own: what the region said of its rows; an input that does not follow from it is held at 0, its reference.

    Raises InputError as `Features.encode`.
    """
    owners = owners_of(persons, len(next(iter(columns.values()), ())))
    fixed = dict(features.held.inputs)
    ranges = features.held.ranges
    if own is not None:
        fixed |= dict.fromkeys(_undescribed(features, own), 0.0)
        ranges = tuple(_range(name, own) for name in sorted({name for name, _, _ in features.numeric}))
    substitutes = {one.column: one for one in features.held.substitutes}
    for name, levels in features.levels:
        counts = None if own is None else own.categorical.get(name, Counts())
        indicated = name in features.missing and (counts is None or bool(counts.missing))
        named = levels if counts is None else [level for level in levels if level in counts.levels]
        substitute = _substitute(name, column(columns, name), owners, least=least, known=named, indicated=indicated)
        if substitute is not None:
            substitutes[name] = substitute
    shared = replace(features, held=Held(tuple(substitutes.values()), tuple(fixed.items()), ranges))
    for place, values in enumerate(shared.encode(columns).T if len(owners) else ()):
        if fewest_apart(values, owners) < least:
            fixed.setdefault(place, _most_common(values))
    if news := sorted(set(fixed) - {place for place, _ in features.held.inputs}):
        names = ", ".join(features.names[place] for place in news)
        _LOG.warning("held at one value (fewer than %d people differ, or no answer told of it): %s", least, names)
    return replace(shared, held=Held(shared.held.substitutes, tuple(sorted(fixed.items())), ranges))


def _range(name: str, own: Statistics) -> tuple[str, float, float]:
    """A column and the range that its numbers are drawn in to; its mean alone where the region said nothing of it."""
    moments = own.numeric.get(name, Moments())
    reach = CLIP * moments.spread if moments.is_usable else 0.0
    return name, moments.mean - reach, moments.mean + reach


def _substitute(
    name: str, values: np.ndarray, owners: np.ndarray, *, least: int, known: Sequence[str], indicated: bool
) -> Substitute | None:
    """What stands for the rows at none of the `known` levels that enough people share; None where they are enough.

    Args:
        indicated: whether an input says which rows have no value, so that these are apart already.
    """
    codes = {level: place for place, level in enumerate(known)}
    at = np.fromiter((codes.get(value, -1) for value in values.tolist()), np.int64, len(values))
    absent = np.fromiter(map(is_absent, values.tolist()), bool, len(values))
    counts = [_people(owners[at == place]) for place in range(len(known))]
    shared = [place for place, people in enumerate(counts) if people >= least]
    is_apart = indicated and _people(owners[absent]) >= least
    rest = ~np.isin(at, shared) & ~(absent & is_apart)
    if not shared or not 0 < _people(owners[rest]) < least:
        return None
    common = known[max(shared, key=counts.__getitem__)]
    return Substitute(name, frozenset(known[place] for place in shared), common, absent=not is_apart)


def _people(owners: np.ndarray) -> int:
    return len(np.unique(owners[owners >= 0]))


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
