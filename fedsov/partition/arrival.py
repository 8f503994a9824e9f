"""A source before its rows are stored: what is asked of the regions then, and what they may look at.

    conditions = Conditions(check_rows=check, admitted=lambda arrival: print(arrival.of_region("DE").pseudonyms(keys)))
    ingest(spec, ..., conditions=conditions)

Rows are read from the source only when somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from fedsov.jurisdiction import Region
from fedsov.keys.protocol import RegionKeys
from fedsov.partition.backends.place import FOLDER, StorePlace
from fedsov.partition.people.row_names import keyed_halves, whose
from fedsov.partition.recipients import Gathered
from fedsov.partition.sorting import SortedSource
from fedsov.partition.sources.location import SentHome, Share


@dataclass(frozen=True, slots=True)
class ArrivingRows:
    """A region's rows before they are stored; the source is read for them when they are asked for.

    Attributes:
        gathered: what is in memory of them then.
        ingested: the day on which their source was first ingested, ISO 8601.
    """

    gathered: Callable[[], Gathered]
    ingested: str

    def row_digests(self, keys: RegionKeys) -> np.ndarray:
        """(rows,) int64 digests of their values, under a region's key."""
        return keyed_halves(self.gathered().names.keyed(keys))

    def pseudonyms(self, keys: RegionKeys) -> list[str]:
        """Whose rows they are, under a region's key."""
        rows = self.gathered()
        return whose(rows.subjects, rows.names.keyed(keys), keys)

    @property
    def columns(self) -> Mapping[str, np.ndarray]:
        """Name to column."""
        return self.gathered().columns


CheckRows = Callable[[Region, ArrivingRows], None]
PlaceOf = Callable[[str], StorePlace]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A whole source before a store is written.

    Attributes:
        regions: those that get rows.
        replaced: names of these, and of those whose stores leave since the source has no rows of theirs any more; none
            where rows are appended.
        of_region: by a region's name the rows that come into its store, or wait there for a fault.
        homeless: the rows that wait in nobody's region.
        source_sha256: the source's digest.
        ingested: the day on which it was first ingested, ISO 8601.
    """

    regions: Sequence[Region]
    replaced: Collection[str]
    of_region: Callable[[str], ArrivingRows]
    homeless: ArrivingRows
    source_sha256: str
    ingested: str


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which stores are written.

    Attributes:
        basis: what a release relies on; where it changes (a document expired, say) the stores are not up to date.
        rebuild: writes the stores anew even where they are up to date.
        drops_appended: replaces rows that were appended, which the source need not have.
        check_rows: told of each region's rows before any store is written; raises what ends the ingestion.
        admitted: told of the whole source once every region's rows were checked, before any store is written; raises
            what ends the ingestion.
        location: the country where the source lies, an ISO code; "" where nobody asks.
        send_home: told of each region's share of the source, once the whole was admitted; says whose rows stay.
        may_go_home: whether a share that stayed would go home now.
        first_day: by a source's digest, a day on which it was ingested that no store remembers; None for none.
        place_of: by a region's name, where the files of its new stores are to lie.
        narrowed: the surveyed source without the rows that are refused before anything else is asked.
        narrows: what is refused so, in a word that decides whether stores are up to date; "" for nothing.
    """

    basis: str = "consent"
    rebuild: bool = False
    drops_appended: bool = False
    check_rows: CheckRows = lambda region, rows: None
    admitted: Callable[[Arrival], None] = lambda arrival: None
    location: str = ""
    send_home: Callable[[Sequence[Share]], SentHome] = lambda shares: SentHome()
    may_go_home: Callable[[Share], bool] = lambda share: True
    first_day: Callable[[str], date | None] = lambda source_sha256: None
    place_of: PlaceOf = lambda region: FOLDER
    narrowed: Callable[[SortedSource], SortedSource] = lambda source: source
    narrows: str = ""


NO_CONDITIONS = Conditions()
