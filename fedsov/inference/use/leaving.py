"""Which cells of a closed window may leave a region: joined until ten people stand behind each, else left out.

    leaving = cells_that_leave(joined_frames(frames), LeavingRule(least=10))
    leaving.cells                   # of a `fedsov.protocol.use_report.UseReport`
    leaving.left_out                # groups of too few people; told at home alone

The requests of one version with one outcome are a grid of scores by seconds. Bands of scores are joined with a
neighbour until each has people enough, then within each the bands of seconds. A grid of too few people is left out
whole. So what leaves parts the requests: no request is in two cells, no sum stands beside its parts, and neither the
number of those left out nor a total leaves, from which they would follow by subtraction.

Which bands are joined follows from the requests of all, the ten's too: whoever knows all but one of a cell's requests
can still tell from it whether the last came. `noised` is for that: a grid is then one cell, whatever is in it.

>>> cells = {CellKey("m", 1, "champion", "answered", "DE", 0, 3): dict.fromkeys(range(1, 10), 1)}
>>> cells_that_leave(UseFrame(0, cells, {}), LeavingRule()).left_out
1
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedsov.inference.use.cells import NO_SCORE, NOBODY, CellKey, UseFrame
from fedsov.protocol.use_report import LEAST, SCORES, SECONDS, Band, UseCell, UseNoise, tens

People = Mapping[int, int]
"""Requests by person; `NOBODY` has those of tokens without a subject."""
Group = tuple[str, int, str, str]
"""Model, version, role, outcome."""


@dataclass(frozen=True, slots=True)
class LeavingRule:
    """What a region's owner asks of a cell.

    Attributes:
        least: people, at least `LEAST`.
        dominance: the greatest share of one person in a number of requests.
    """

    least: int = LEAST
    dominance: float = 0.5


@dataclass(frozen=True, slots=True)
class Leaving:
    """What may leave of a window.

    Attributes:
        origins, categories: whose requests the cells count, and what they read: their label.
        fewest: people behind the smallest cell, exactly; for the border, which asks for the count.
        left_out: groups of too few people, and `requests_left_out` their requests; both stay at home.
    """

    cells: tuple[UseCell, ...] = ()
    origins: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    fewest: int = 0
    left_out: int = 0
    requests_left_out: int = 0


@dataclass(slots=True)
class _Joined:
    """Neighbouring bands that are one, with what is in them by the band of the other kind."""

    band: Band
    inner: dict[int, dict[int, int]] = field(default_factory=dict)

    @property
    def people(self) -> dict[int, int]:
        return _sum(self.inner.values())

    def __add__(self, other: _Joined) -> _Joined:
        inner = {at: _sum([self.inner.get(at, {}), other.inner.get(at, {})]) for at in {*self.inner, *other.inner}}
        return _Joined((min(self.band[0], other.band[0]), max(self.band[1], other.band[1])), inner)


def cells_that_leave(frame: UseFrame, rule: LeavingRule) -> Leaving:
    """The cells of a window that each have people enough, and what binds them."""
    return _leaving(frame, rule, lambda group, grid: _parted(group, grid, rule))


def noised(
    frame: UseFrame, rule: LeavingRule, noise: UseNoise, groups: Sequence[Group], draw: Callable[[float], int]
) -> Leaving:
    """As `cells_that_leave`, with noise in the number of people, no number of requests, and one cell a group.

    A person counts in the first `noise.cells` groups of theirs by a keyed draw, once in each: one person more changes
    these numbers by 1 each. A cell leaves where its noised number is `least` or more by as much as the noise exceeds
    with a chance below delta / cells; below `least` it never leaves, which that chance pays for. (Threshold release:
    Korolova et al., WWW 2009; discrete Laplace: Ghosh, Roughgarden and Sundararajan, STOC 2009.)

    Args:
        groups: that are told of, whatever is in them: the approved versions, each with every outcome.
        draw: a number of discrete Laplace noise of this scale.
    """
    scale = noise.cells / noise.epsilon
    margin = math.ceil(scale * math.log(noise.cells / noise.delta))
    counted = _bounded(frame, groups, noise.cells)
    noised_counts = {group: len(counted.get(group, ())) + draw(scale) for group in groups}

    def cells(group: Group, grid: Mapping[int, Mapping[int, People]]) -> list[tuple[UseCell, int]]:
        number, people = noised_counts.get(group, 0), len(counted.get(group, ()))
        if people < rule.least or number < rule.least + margin:
            return []
        return [(UseCell(*group, tens(number), None), people)]

    return _leaving(frame, rule, cells)


_Cells = Callable[[Group, Mapping[int, Mapping[int, People]]], list[tuple[UseCell, int]]]


def _leaving(frame: UseFrame, rule: LeavingRule, cells_of: _Cells) -> Leaving:
    grids: dict[Group, dict[int, dict[int, dict[int, int]]]] = {}
    origins: dict[Group, set[str]] = {}
    for key, people in frame.cells.items():
        cell = CellKey(*key)
        group = cell[:4]
        inner = grids.setdefault(group, {}).setdefault(cell.score, {})
        inner[cell.seconds] = _sum([inner.get(cell.seconds, {}), people])
        origins.setdefault(group, set()).add(cell.jurisdiction)
    told = {group: cells for group, grid in sorted(grids.items()) if (cells := cells_of(group, grid))}
    out = [group for group in grids if group not in told]
    return Leaving(
        cells=tuple(cell for cells in told.values() for cell, _ in cells),
        origins=frozenset(code for group in told for code in origins[group]),
        categories=frozenset(word for group in told for word in frame.categories.get(group[:2], ())),
        fewest=min((people for cells in told.values() for _, people in cells), default=0),
        left_out=len(out),
        requests_left_out=sum(
            sum(people.values()) for group in out for inner in grids[group].values() for people in inner.values()
        ),
    )


def _parted(group: Group, grid: Mapping[int, Mapping[int, People]], rule: LeavingRule) -> list[tuple[UseCell, int]]:
    """The cells of one group: first its requests with a score, then those without; each part, or both as one."""
    scored = [_Joined((at, at), _plain(grid.get(at, {}))) for at in range(len(SCORES) + 1)]
    bare = [_Joined((NO_SCORE, NO_SCORE), _plain(grid.get(NO_SCORE, {})))]
    cells: list[tuple[UseCell, int]] = []
    for part in (scored, bare):
        for scores in joined_bands(part, rule.least):
            cells += _by_seconds(group, scores, rule)
    return cells


def _by_seconds(group: Group, scores: _Joined, rule: LeavingRule) -> list[tuple[UseCell, int]]:
    bands = [_Joined((at, at), {0: scores.inner.get(at, {})}) for at in range(len(SECONDS) + 1)]
    score = None if scores.band[0] == NO_SCORE else scores.band
    return [
        (UseCell(*group, tens(people), _requests(each.people, rule), each.band, score), people)
        for each in joined_bands(bands, rule.least)
        if (people := _count(each.people))
    ]


def joined_bands(bands: Sequence[_Joined], least: int) -> list[_Joined]:
    """Neighbours joined until each has people enough; none where all together have too few."""
    parts = list(bands)
    while len(parts) > 1:
        counts = [_count(each.people) for each in parts]
        small = min(range(len(parts)), key=counts.__getitem__)
        if counts[small] >= least:
            return parts
        beside = min((at for at in (small - 1, small + 1) if 0 <= at < len(parts)), key=counts.__getitem__)
        first, second = sorted((small, beside))
        parts[first : second + 1] = [parts[first] + parts[second]]
    return parts if _count(parts[0].people) >= least else []


def _requests(people: People, rule: LeavingRule) -> int | None:
    """How many requests, in tens; None where so many are one person's that the number tells of that one."""
    total = sum(people.values())
    return tens(total) if max(people.values()) <= rule.dominance * total else None


def _bounded(frame: UseFrame, groups: Sequence[Group], most: int) -> dict[Group, set[int]]:
    """The people of each group, each in at most so many groups; which ones follows from the person's digest."""
    of_person: dict[int, list[Group]] = {}
    for key, people in frame.cells.items():
        group = CellKey(*key)[:4]
        for person in people if group in groups else ():
            if person != NOBODY and group not in of_person.setdefault(person, []):
                of_person[person].append(group)
    counted: dict[Group, set[int]] = {}
    for person, own in of_person.items():
        for group in sorted(own, key=lambda each: hash((person, groups.index(each))))[:most]:
            counted.setdefault(group, set()).add(person)
    return counted


def _count(people: People) -> int:
    return len(people) - (NOBODY in people)


def _plain(inner: Mapping[int, People]) -> dict[int, dict[int, int]]:
    return {at: dict(people) for at, people in inner.items()}


def _sum(several: Any) -> dict[int, int]:
    total: dict[int, int] = {}
    for people in several:
        for person, count in people.items():
            total[person] = total.get(person, 0) + count
    return total
