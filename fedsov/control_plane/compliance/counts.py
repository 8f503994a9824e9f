"""Crossings counted: by route, by ground, by category, by model. Functions from lines to tables.

A crossing of a value made from several origins is an export from each of them. So it stands in the matrix once for
every origin, and in a total once; where it is refused or held, once for every origin whose law does not permit it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fedsov.control_plane.compliance.entries import NONE, EntryView, PartyView

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Count:
    """How many were permitted, held for a review, refused."""

    permitted: int
    reviewed: int
    refused: int

    @property
    def total(self) -> int:
        return self.permitted + self.reviewed + self.refused


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """All crossings of one origin's values to one destination: a cell of the matrix."""

    origin: str
    destination: str
    count: Count
    mechanisms: tuple[str, ...]
    documents: tuple[str, ...]
    categories: tuple[str, ...]
    kinds: tuple[str, ...]
    unsafe: int


@dataclass(frozen=True, slots=True)
class Flow:
    """The crossings of a route that have ground, categories and kind in common."""

    origin: str
    destination: str
    mechanisms: tuple[str, ...]
    categories: tuple[str, ...]
    kind: str
    count: Count
    bytes: int
    documents: tuple[str, ...]
    purposes: tuple[str, ...]
    first: str
    last: str
    unsafe: int


@dataclass(frozen=True, slots=True)
class Partner:
    """A party, and how often it sent and was sent something (permitted crossings)."""

    party: PartyView
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """Refusals that say the same of the same route, once."""

    exporter: PartyView
    importer: PartyView
    act: str
    destination: str
    origins: tuple[str, ...]
    categories: tuple[str, ...]
    kind: str
    name: str
    reason: str
    missing: tuple[str, ...]
    remedy: str
    rules: tuple[str, ...]
    citations: tuple[str, ...]
    count: int
    first: str
    last: str
    unsafe: bool


@dataclass(frozen=True, slots=True)
class Model:
    """One version of a model (one digest) that crossed, what binds it, and who received it."""

    name: str
    digest: str
    run: str
    exporter: str
    origins: tuple[str, ...]
    categories: tuple[str, ...]
    restrictions: tuple[str, ...]
    recipients: tuple[str, ...]
    crossings: int
    last: str
    unsafe: bool


@dataclass(frozen=True, slots=True)
class Run:
    """A run: its days, its entries, its decisions."""

    run: str
    first: str
    last: str
    days: tuple[str, ...]
    count: Count
    unsafe: int


def counted(lines: Iterable[EntryView]) -> Count:
    """Verdicts of some lines."""
    verdicts = [line.verdict for line in lines]
    return Count(verdicts.count("permit"), verdicts.count("review"), verdicts.count("refuse"))


def union(parts: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Every word of all, once, sorted."""
    return tuple(sorted({word for part in parts for word in part}))


def grouped(lines: Iterable[EntryView], key: Callable[[EntryView], Key]) -> dict[Key, list[EntryView]]:
    """Lines by a key, keys in the order in which they first appear."""
    groups: dict[Key, list[EntryView]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return groups


def tally(lines: Iterable[EntryView], words: Callable[[EntryView], Sequence[str]]) -> dict[str, Count]:
    """Counts by word; a line with several words counts under each, one without any under `none`."""
    by_word: dict[str, list[EntryView]] = {}
    for line in lines:
        for word in dict.fromkeys(words(line)) or [NONE]:
            by_word.setdefault(word, []).append(line)
    return {word: counted(by_word[word]) for word in sorted(by_word)}


def tallies(crossings: Sequence[EntryView]) -> dict[str, dict[str, Count]]:
    """The totals by every dimension."""
    return {
        "origin": tally(crossings, lambda line: line.answered_by),
        "destination": tally(crossings, lambda line: (line.destination,)),
        "mechanism": tally(crossings, lambda line: line.all_mechanisms),
        "category": tally(crossings, lambda line: line.categories),
        "kind": tally(crossings, lambda line: (line.kind,)),
        "purpose": tally(crossings, lambda line: (line.purpose,)),
        "restriction": tally(crossings, lambda line: line.restrictions),
    }


def _by_origin(crossings: Iterable[EntryView]) -> dict[tuple[str, str], list[EntryView]]:
    by_route: dict[tuple[str, str], list[EntryView]] = {}
    for line in crossings:
        for origin in line.answered_by:
            by_route.setdefault((origin, line.destination), []).append(line)
    return dict(sorted(by_route.items()))


def _grounds(line: EntryView, origin: str) -> tuple[str, ...]:
    """On what it crosses as this origin's law sees it, or as that of the place it leaves."""
    return line.grounds.get(origin) or line.exporter_grounds.get(origin, (NONE,))


def routes(crossings: Sequence[EntryView]) -> tuple[RouteRecord, ...]:
    """The cells of the matrix, by origin and destination."""
    return tuple(
        RouteRecord(
            origin=origin,
            destination=destination,
            count=counted(lines),
            mechanisms=union(_grounds(line, origin) for line in lines if line.verdict != "refuse"),
            documents=union(line.documents_of(origin) for line in lines if line.verdict == "permit"),
            categories=union(line.categories for line in lines),
            kinds=union((line.kind,) for line in lines),
            unsafe=sum(line.unsafe for line in lines),
        )
        for (origin, destination), lines in _by_origin(crossings).items()
    )


def flows(crossings: Sequence[EntryView]) -> tuple[Flow, ...]:
    """Each route by ground, categories and kind."""
    return tuple(
        _flow(origin, destination, lines)
        for (origin, destination), on_route in _by_origin(crossings).items()
        for lines in _alike(on_route, origin)
    )


def _alike(lines: Sequence[EntryView], origin: str) -> list[list[EntryView]]:
    alike = grouped(lines, lambda line: (_grounds(line, origin), line.categories, line.kind))
    return [alike[key] for key in sorted(alike)]


def _flow(origin: str, destination: str, lines: Sequence[EntryView]) -> Flow:
    return Flow(
        origin=origin,
        destination=destination,
        mechanisms=_grounds(lines[0], origin),
        categories=lines[0].categories,
        kind=lines[0].kind,
        count=counted(lines),
        bytes=sum(line.bytes for line in lines if line.verdict == "permit"),
        documents=union(line.documents_of(origin) for line in lines if line.verdict == "permit"),
        purposes=union((line.purpose,) for line in lines),
        first=min(line.at for line in lines),
        last=max(line.at for line in lines),
        unsafe=sum(line.unsafe for line in lines),
    )


def partners(crossings: Sequence[EntryView]) -> tuple[Partner, ...]:
    """Every party that an entry names, permitted or not."""
    sent: dict[PartyView, int] = {}
    received: dict[PartyView, int] = {}
    for line in crossings:
        for side, party in ((sent, line.exporter), (received, line.importer)):
            side[party] = side.get(party, 0) + (line.verdict == "permit")
    named = sorted(sent.keys() | received.keys())
    return tuple(Partner(party, sent.get(party, 0), received.get(party, 0)) for party in named)


def refusals(lines: Sequence[EntryView]) -> tuple[RefusalRecord, ...]:
    """What was refused, each case once, the latest first."""
    refused = [line for line in lines if line.verdict == "refuse"]
    cases = grouped(
        refused,
        lambda line: (
            *(line.exporter, line.importer, line.act, line.origins),
            *(line.kind, line.name, line.reason, line.missing),
        ),
    )
    return tuple(sorted((_refused(case) for case in cases.values()), key=lambda case: case.last, reverse=True))


def _refused(case: Sequence[EntryView]) -> RefusalRecord:
    latest = max(case, key=lambda line: line.at)
    return RefusalRecord(
        exporter=latest.exporter,
        importer=latest.importer,
        act=latest.act,
        destination=latest.destination,
        origins=latest.bound_by,
        categories=latest.categories,
        kind=latest.kind,
        name=latest.name,
        reason=latest.reason,
        missing=latest.missing,
        remedy=latest.remedy,
        rules=latest.rules,
        citations=latest.citations,
        count=len(case),
        first=min(line.at for line in case),
        last=latest.at,
        unsafe=any(line.unsafe for line in case),
    )


def models(crossings: Sequence[EntryView]) -> tuple[Model, ...]:
    """Every model that crossed, by its digest; one that was only planned, or refused, is none."""
    moved = [line for line in crossings if line.kind == "model" and line.verdict == "permit" and line.bytes]
    versions = grouped(moved, lambda line: (line.run, line.exporter.name, line.name, line.digest, line.bound_by))
    return tuple(
        Model(
            name=name,
            digest=digest,
            run=run,
            exporter=exporter,
            origins=origins,
            categories=union(line.categories for line in lines),
            restrictions=union(line.restrictions for line in lines),
            recipients=tuple(sorted({f"{line.importer.name} ({line.destination})" for line in lines})),
            crossings=len(lines),
            last=max(line.at for line in lines),
            unsafe=any(line.unsafe for line in lines),
        )
        for (run, exporter, name, digest, origins), lines in versions.items()
    )


def runs(lines: Sequence[EntryView]) -> tuple[Run, ...]:
    """Every run that an entry names, by its first entry."""
    by_run = grouped((line for line in lines if line.run), lambda line: line.run)
    several = [
        Run(
            run=run,
            first=min(line.at for line in of_run),
            last=max(line.at for line in of_run),
            days=union((line.day,) for line in of_run),
            count=counted(line for line in of_run if line.is_crossing),
            unsafe=sum(line.unsafe for line in of_run),
        )
        for run, of_run in by_run.items()
    ]
    return tuple(sorted(several, key=lambda run: run.first))


def places(lines: Sequence[EntryView]) -> Mapping[str, str]:
    """Codes of countries and their names, as far as entries tell them."""
    return {line.destination: line.destination_name for line in lines if line.destination_name}
