"""What the ingestion process reports: counts over the whole source, kinds of columns, the regions and their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedsov.artifact import Party
from fedsov.errors import counted

TO_USE_A_COLUMN = "to use one, declare its kind: dataset.kinds.COLUMN=numeric or categorical"

LIES_ABROAD, NOT_HELD_BACK = "rows_abroad", "not_held_back"
"""Notes of a region's ledger: its rows lay in a country where their law does not let them be; the border did not permit
their way home, and they went all the same (examples, or a source of which nobody said where it lay)."""
LOCATION_ASSUMED = "location assumed"
"""In `marks` of a crossing from a place that nobody stated."""

IN_TENS = "; counts of people's rows are given in tens, rounded down: no row is lost"
LOUD = 0.05
"""Rows without a home beyond this share are said in a line of their own."""


@dataclass(frozen=True, slots=True)
class IngestionReport:
    """What the ingestion process said: counts over the whole source, kinds of columns, the regions and their keys.

    `rounded` says that some counts are of people's rows: rounded down to tens, those of a region as far as its gate
    let them pass.
    `public_keys` are the regions' sealing keys, `key_signatures` each region's signature of its own (hexadecimal).
    `remarks` are what regions have to say to whoever runs this, in sentences.
    `stores` are digests of what each region's rows are: equal for the same rows, sorted by the same rules; `settings`
    are digests of the regions' own settings.
    `unused` says why each column that is not learned from is not; `settled` are the regions whose own settings were
    written now, from what this run asks for, and `loose` the settings that it made permanent there and that protect
    less than the closed ones; `said` is what else its user must know, in sentences; `location` is the country where the
    source lay.
    """

    rows_in: int
    stored: int
    quarantined: Mapping[str, int]
    kinds: Mapping[str, str]
    up_to_date: bool
    regions: Mapping[str, Party]
    public_keys: Mapping[str, str]
    stores: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    unused: Mapping[str, str] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    rounded: bool = False
    key_signatures: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    location: str = ""

    def sentence(self) -> str:
        """Counts in = counts stored + quarantined, in one line."""
        held_back = sum(self.quarantined.values())
        unknown = "jurisdiction unknown" in self.quarantined
        why = "; ".join(f"{self._told(count)} {reason}" for reason, count in sorted(self.quarantined.items()))
        return (
            f"{'about ' if self.rounded else ''}{self.rows_in:,} rows in = "
            f"{self.stored:,} stored in {counted(len(self.regions), 'region')} "
            f"+ {held_back:,} quarantined{f' ({why})' if why else ''}"
            f"{'; name unknown jurisdictions by dataset.aliases={SPELLING: CODE}' if unknown and not self.said else ''}"
            f"{'; the stores are up to date' if self.up_to_date else ''}"
            f"{IN_TENS if self.rounded else ''}"
        )

    def _told(self, count: int) -> str:
        return f"{count:,}" if count or not self.rounded else "fewer than 10"

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``ingest --json``."""
        return {
            "rows_in": self.rows_in,
            "stored": self.stored,
            "quarantined": dict(self.quarantined),
            "regions": sorted(self.regions),
            "kinds": dict(self.kinds),
            "unused": dict(self.unused),
            "up_to_date": self.up_to_date,
            "settled": list(self.settled),
            "remarks": list(self.remarks),
            "rounded": self.rounded,
            "loose": list(self.loose),
            "said": list(self.warnings()),
            "location": self.location,
        }

    def warnings(self) -> tuple[str, ...]:
        """What its user must know, in sentences: what was said of the source, and that many rows have no home."""
        held_back = sum(self.quarantined.values())
        if held_back <= LOUD * max(self.rows_in, 1):
            return self.said
        share = f"{held_back / self.rows_in:.0%}"
        return (*self.said, f"{share} of the rows are in quarantine and will be used by nobody")

    def columns(self, most: int = 6) -> str:
        """The columns that are learned from by kind, declared or inferred, in one line."""
        by_kind: dict[str, list[str]] = {}
        for name, kind in sorted(self.kinds.items()):
            if name not in self.unused:
                by_kind.setdefault(kind, []).append(name)
        return "; ".join(
            f"{len(names)} {kind} ({', '.join(names[:most])}{', …' if len(names) > most else ''})"
            for kind, names in sorted(by_kind.items())
        )


def settled_line(regions: Sequence[str], loose: Sequence[str]) -> str:
    """That regions got settings of their own, which of them protect less, and how to see and change them.

    >>> settled_line(["DE"], ["rehearsal"]).split("; ")[1]
    'what protects less stays so until their owner changes it: rehearsal'
    """
    stays = f"what protects less stays so until their owner changes it: {', '.join(loose)}; " if loose else ""
    return (
        f"wrote region.yaml of {', '.join(regions)} from this run's settings; {stays}from now on each is its region's "
        f"own: `fedsov region show {regions[0]}`, `fedsov region set {regions[0]} KEY=VALUE`; each pins where "
        "the hub and the regions are, whose they are, and their keys (parties, keys)"
    )


def unused_line(unused: Mapping[str, str]) -> str:
    """Every unused column, those of one reason together, as ``signup, birthday (a date); town (one value)``."""
    by_reason: dict[str, list[str]] = {}
    for name, why in sorted(unused.items()):
        by_reason.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())
