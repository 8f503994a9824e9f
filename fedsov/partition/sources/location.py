"""Where a mixed source lies, and how its rows get home from there.

A source is in some country before it is sorted (`dataset.location`). So each region's share of it crosses a border,
from the `ROUTER`, the party that sorts, to the region. The border decides, and asks the law of the place that sends, as
of everything that leaves it. What may not go home stays where it is: in the quarantine, which lies beside the source,
and the region's store gets none of it.

That the rows are there at all was a crossing too, from home, before anybody asked. It cannot be refused any more, and
sending them home is the mend; where their law forbids it, that is said by name.

Pure: shares and decisions in, sentences out. The region's gate decides and records (`fedsov.runtimes.ways_home`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np

from fedsov.artifact import INGESTION, Artifact, Crossing, Kind, Party
from fedsov.border.decisions import Decision, Permit
from fedsov.jurisdiction import Region
from fedsov.label import Label, join
from fedsov.partition.sorting import IngestReport, SortedSource, report_of
from fedsov.partition.told_counts import FEWEST, in_tens

ROUTER = "router"
"""What the party that sorts a mixed source is called."""
NO_WAY_HOME = "no way home from"
"""What reasons begin with, of rows that wait since the border refused their way home."""
_SPELLED_OUT = 3
"""Regions of which a line says what is missing."""


@dataclass(frozen=True, slots=True)
class Share:
    """A region's part of a mixed source, rows with a fault among it.

    Attributes:
        label: of all its rows.
        rows: in tens, and always more than there are: a law that asks about so many people or more is asked about no
            fewer, and no ledger tells an exact number.
    """

    region: Region
    label: Label
    rows: int

    @staticmethod
    def of(party: Party, label: Label, rows: int) -> Share:
        """So many rows of one label that go to a region, given as a party."""
        region = Region(
            party.name, label.origins, party.location, party.entity, party.name, None, party.owners, party.role
        )
        return Share(region, label, in_tens(rows) + FEWEST)

    @property
    def party(self) -> Party:
        """The region as the one that gets them."""
        region = self.region
        return Party(region.name, region.location, region.entity, region.owners, region.role)

    def artifact(self, dataset: str) -> Artifact:
        """What crosses; its content is never at hand as a whole."""
        return Artifact(Kind.RECORDS, self.label, count=self.rows, name=f"rows of {dataset}")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"region": self.region.to_json(), "label": self.label.to_json(), "rows": self.rows}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Share:
        """The inverse of `to_json`."""
        return Share(Region.from_json(value["region"]), Label.from_json(value["label"]), value["rows"])


@dataclass(frozen=True, slots=True)
class Ways:
    """What the border says of a share: of its way home, which is the crossing, and of the way by which it came."""

    share: Share
    crossing: Crossing
    home: Decision
    out: Decision


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where a source lies.

    Attributes:
        router: the party that sorts it; its location is the source's.
        is_stated: whether somebody said so; else it is taken to be the hub's.
        holds: whether rows that may not go home from there stay. Examples go in any case, and so do rows of a source of
            which nobody said where it lies: an assumption refuses nothing.
    """

    router: Party
    is_stated: bool
    holds: bool


@dataclass(frozen=True, slots=True)
class SentHome:
    """What became of the shares: by region why its rows stay, and what is said of them, in sentences.

    `is_stated` as in `SourceLocation`.
    """

    stays: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    is_stated: bool = False


def shares_of(source: SortedSource) -> list[Share]:
    """The share of each region that has rows in the source."""
    found, homes = source.combinations, source.homes
    shares = []
    for place, region in enumerate(homes.regions):
        own = _of(source, place)
        if own.any():
            label = join(found.labels[each] for each in np.unique(found.label_of[own]))
            shares.append(Share(region, label, in_tens(int(found.counts[own].sum())) + FEWEST))
    return shares


def kept_back(source: SortedSource, stays: Mapping[str, str]) -> SortedSource:
    """The source with the rows of some regions (by name, with the reason) in the quarantine of rows without a home."""
    homes, consenting = source.homes, dict(source.consenting)
    for place, region in enumerate(homes.regions):
        if region.name in stays:
            own, homes = _of(source, place), replace(homes, reasons=(*homes.reasons, stays[region.name]))
            homes = replace(
                homes,
                home=np.where(own, -1, homes.home),
                held_by=np.where(own, -1, homes.held_by),
                reason_of=np.where(own, len(homes.reasons) - 1, homes.reason_of),
            )
            consenting[region.name] = 0
    return replace(source, combinations=replace(source.combinations, homes=homes), consenting=consenting)


def without_stays(
    source: SortedSource, send_home: Callable[[Sequence[Share]], SentHome], location: str, *, keep_empty: bool
) -> tuple[SortedSource, IngestReport]:
    """The source with those rows in quarantine that may not go home from where it lies, and the report of it."""
    shares = shares_of(source)
    sent = send_home(shares)
    source = replace(kept_back(source, sent.stays), said=(*source.said, *sent.said))
    stayed = tuple(share.to_json() for share in shares if share.region.name in sent.stays)
    report = report_of(source, keep_empty=keep_empty)
    return source, replace(report, location=location, is_stated=sent.is_stated, stayed=stayed)


def ways_of(
    share: Share, dataset: str, located: SourceLocation, judge: Callable[[Crossing], Decision], on: date
) -> Ways:
    """What `judge` says of a share's two crossings on a day."""
    artifact, router, region = share.artifact(dataset), located.router, share.party
    crossing = Crossing(artifact, router, region, INGESTION, on)
    return Ways(share, crossing, judge(crossing), judge(Crossing(artifact, region, router, INGESTION, on)))


def sent_home(ways: Sequence[Ways], located: SourceLocation) -> SentHome:
    """Who stays, and what is said."""
    where = located.router.location
    refused = [each for each in ways if not isinstance(each.home, Permit)]
    abroad = [each for each in ways if not isinstance(each.out, Permit)]
    stays = {each.share.region.name: _reason(each, where) for each in refused} if located.holds else {}
    said = [] if located.is_stated else [_assumed(where)]
    if refused:
        then = "they stay in quarantine" if located.holds else f"nothing was held back, since {_why_not(located)}"
        names = ", ".join(each.share.region.name for each in refused)
        why = lacking([each.home for each in refused])
        said.append(
            f"rows of {names} may not go home from {where} (dataset.location), and {then}: {why}; enter what "
            "is missing (`fedsov report` has it whole) and ingest again"
        )
    if abroad:
        origins = ", ".join(sorted({origin for each in abroad for origin in at_fault(each.share, each.out)}))
        why = lacking([each.out for each in abroad])
        said.append(
            f"rows of {origins} residents lie in {where} (dataset.location), where their law does not let them be: "
            f"{why}; collect them in {origins}, or enter what is missing (`fedsov report` has it whole)"
        )
    return SentHome(stays, tuple(said), located.is_stated)


def at_fault(share: Share, answer: Decision) -> list[str]:
    """The origins of a share whose law does not permit it."""
    return sorted(share.label.origins.intersection(answer.at_fault) or share.label.origins)


def _assumed(location: str) -> str:
    """That nobody said where the source lies, and what says it."""
    return (
        f"dataset.location is not set: the source is taken to lie in {location}, the hub's country (the address of a "
        "bucket or a database says nothing of it), and no row is held back on an assumption; say where it lies: "
        "dataset.location=CODE"
    )


def _of(source: SortedSource, place: int) -> np.ndarray:
    """(combinations,) bool: those of one region."""
    own: np.ndarray = (source.homes.home == place) | (source.homes.held_by == place)
    return own


def _reason(ways: Ways, where: str) -> str:
    return f"{NO_WAY_HOME} {where} to region {ways.share.region.name}"


def _why_not(located: SourceLocation) -> str:
    return "they are examples" if located.is_stated else "nobody said where they lie"


def lacking(answers: Sequence[Decision]) -> str:
    """What is missing for the first few crossings, or why else not."""
    why = "; ".join("; ".join(answer.missing) or answer.reason.rstrip(".") for answer in answers[:_SPELLED_OUT])
    return f"{why}; and {len(answers) - _SPELLED_OUT} more" if len(answers) > _SPELLED_OUT else why
