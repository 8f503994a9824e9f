"""What an ingestion would do with a source, before anything is written: ``fedsov ingest --dry-run``.

Each column's kind and why, what binds the rows of each region, who consents, what has no home. Values are shown masked:
letters as x, digits as 9, and the length no more than about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from fedsov.jurisdiction import Atlas, Region
from fedsov.partition.arrow_columns import levels
from fedsov.partition.columns.column_kinds import explained
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.routing import known_as
from fedsov.partition.sorting import SortedRows, report_of, sorted_rows
from fedsov.partition.sources import open_source

_LONGEST = 24
_EXAMPLES = 2


@dataclass(frozen=True, slots=True)
class ColumnPreview:
    """A column: its kind, why it is of that kind, and examples of its values, masked."""

    name: str
    kind: str
    why: str
    examples: tuple[str, ...]

    def such_as(self) -> str:
        """Its examples in words."""
        listed = ", ".join(f"'{example}'" for example in self.examples)
        return f"; such as {listed}" if listed else ""


@dataclass(frozen=True, slots=True)
class RegionPreview:
    """What a region would get: rows, and of these how many each restriction binds and whose people consented."""

    name: str
    rows: int
    restricted: Mapping[str, int]
    consenting: int

    def line(self) -> str:
        """Its counts in words."""
        bound = "".join(f", {count:,} bound by {name}" for name, count in self.restricted.items())
        return f"{self.rows:,} rows{bound}{f', {self.consenting:,} of people who consented' if self.consenting else ''}"


@dataclass(frozen=True, slots=True)
class Preview:
    """What an ingestion would do; `quarantined` has rows by reason, `said` what else its user must know."""

    rows_in: int
    columns: tuple[ColumnPreview, ...]
    regions: tuple[RegionPreview, ...]
    quarantined: Mapping[str, int]
    said: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """All of it for a terminal."""
        wide = max(len(each.name) for each in self.columns)
        held_back = sum(self.quarantined.values())
        columns = [f"  {each.name:<{wide}}  {each.kind:<11}  {each.why}{each.such_as()}" for each in self.columns]
        regions = [f"  {region.name}: {region.line()}" for region in self.regions]
        reasons = [f"  {reason}: {count:,} rows" for reason, count in self.quarantined.items()]
        return [
            f"{self.rows_in:,} rows in {len(self.columns)} columns beside the target; nothing was written",
            *(f"warning: {line}" for line in self.said),
            "columns (values are masked):",
            *columns,
            f"{self.rows_in - held_back:,} rows would be stored in {len(self.regions)} regions:",
            *regions,
            *(
                [f"{held_back:,} rows would be quarantined:", *reasons]
                if held_back
                else ["no row would be quarantined"]
            ),
        ]

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Preview:
        """The inverse of `to_json`."""
        return Preview(
            rows_in=value["rows_in"],
            columns=tuple(ColumnPreview(**{**each, "examples": tuple(each["examples"])}) for each in value["columns"]),
            regions=tuple(RegionPreview(**each) for each in value["regions"]),
            quarantined=value["quarantined"],
            said=tuple(value["said"]),
        )


def preview(spec: DatasetSpec, *, atlas: Atlas, regions: Mapping[str, Region] | Literal["auto"]) -> Preview:
    """Reads, classifies and routes the rows as `fedsov.partition.ingest.ingest` does, and writes nothing.

    Raises ConfigurationError, InputError.
    """
    with open_source(spec) as source:
        table = source.table()
        rows = sorted_rows(source, known_as(atlas, spec), regions, {})
    report = report_of(rows, keep_empty=regions != "auto")
    reasons = explained(table, spec)
    columns = [
        ColumnPreview(name, kind, reasons[name], _masked_examples(levels(table.column(name))[0]))
        for name, kind in report.kinds.items()
    ]
    return Preview(
        rows_in=report.rows_in,
        columns=tuple(columns),
        regions=tuple(_region(rows, region) for region in report.regions),
        quarantined=dict(report.quarantined),
        said=report.said,
    )


def masked(word: str) -> str:
    """A value's form alone: Xxxx 99."""
    form = "".join(
        "9" if letter.isdigit() else "X" if letter.isupper() else "x" if letter.isalpha() else letter for letter in word
    )
    return form if len(form) <= _LONGEST else f"{form[:_LONGEST]}…"


def _masked_examples(words: list[str]) -> tuple[str, ...]:
    return tuple(list(dict.fromkeys(map(masked, words[:100])))[:_EXAMPLES])


def _region(rows: SortedRows, region: Region) -> RegionPreview:
    own = np.flatnonzero(rows.homes.home == rows.homes.regions.index(region))
    counts = np.bincount(rows.label_of[own], minlength=len(rows.labels))
    restricted: dict[str, int] = {}
    for label, count in zip(rows.labels, counts.tolist(), strict=True):
        for restriction in sorted(label.restrictions) if count else ():
            restricted[restriction] = restricted.get(restriction, 0) + count
    return RegionPreview(region.name, len(own), restricted, int(np.count_nonzero(rows.consents[own])))
