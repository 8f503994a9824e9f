"""What an ingestion would do with a source, before anything is written: ``fedsov ingest --dry-run``.

Each column's kind and why, what binds the rows of each region, who consents, what has no home. Values are shown masked:
letters as x, digits as 9, and the length no more than about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fedsov.errors import counted
from fedsov.jurisdiction import Atlas, Region
from fedsov.partition.arrival import NO_CONDITIONS, Conditions
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.routing import known_as
from fedsov.partition.sorting import SortedSource, survey
from fedsov.partition.sources import open_source
from fedsov.partition.sources.location import without_stays
from fedsov.partition.told_counts import in_tens

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

    def line(self, *, is_rounded: bool = False) -> str:
        """Its counts in words."""
        bound = "".join(f", {_told(count, is_rounded)} bound by {name}" for name, count in self.restricted.items())
        consent = f", {self.consenting:,} of people who consented" if self.consenting else ""
        return f"{_told(self.rows, is_rounded)} rows{bound}{consent}"

    def rounded(self) -> RegionPreview:
        """The same with counts in tens."""
        bound = {name: in_tens(count) for name, count in self.restricted.items()}
        return replace(self, rows=in_tens(self.rows), restricted=bound, consenting=in_tens(self.consenting))


@dataclass(frozen=True, slots=True)
class Preview:
    """What an ingestion would do; `quarantined` has rows by reason, `said` what else its user must know.

    `is_rounded` says that counts are in tens, rounded down; `location` is the country where the source lies, which
    `is_stated`, or assumed and said so.
    """

    rows_in: int
    columns: tuple[ColumnPreview, ...]
    regions: tuple[RegionPreview, ...]
    quarantined: Mapping[str, int]
    said: tuple[str, ...]
    is_rounded: bool = False
    location: str = ""
    is_stated: bool = False

    def rounded(self) -> Preview:
        """The same with counts in tens, for rows of people; those of all rows are sums of the others."""
        regions = tuple(region.rounded() for region in self.regions)
        quarantined = {reason: in_tens(count) for reason, count in self.quarantined.items()}
        rows = sum(region.rows for region in regions) + sum(quarantined.values())
        return replace(self, rows_in=rows, regions=regions, quarantined=quarantined, is_rounded=True)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """All of it for a terminal."""
        wide = max(len(each.name) for each in self.columns)
        held_back = sum(self.quarantined.values())
        columns = [f"  {each.name:<{wide}}  {each.kind:<11}  {each.why}{each.such_as()}" for each in self.columns]
        regions = [f"  {region.name}: {region.line(is_rounded=self.is_rounded)}" for region in self.regions]
        reasons = [f"  {reason}: {_told(count, self.is_rounded)} rows" for reason, count in self.quarantined.items()]
        some = "about " if self.is_rounded else ""
        return [
            f"{some}{self.rows_in:,} rows in {len(self.columns)} columns beside the target; nothing was written",
            *(["counts are given in tens, rounded down: no row is lost"] if self.is_rounded else []),
            *([f"the source lies in {self.location}"] if self.location and self.is_stated else []),
            *(f"warning: {line}" for line in self.said),
            "columns (values are masked):",
            *columns,
            f"{some}{self.rows_in - held_back:,} rows would be stored in {counted(len(self.regions), 'region')}:",
            *regions,
            *(
                [f"{_told(held_back, self.is_rounded)} rows would be quarantined:", *reasons]
                if self.quarantined
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
            is_rounded=value["is_rounded"],
            location=value["location"],
            is_stated=value["is_stated"],
        )


def preview(
    spec: DatasetSpec,
    *,
    atlas: Atlas,
    regions: Mapping[str, Region] | Literal["auto"],
    conditions: Conditions = NO_CONDITIONS,
) -> Preview:
    """Reads, classifies and routes the rows as `fedsov.partition.ingest.ingest` does, and writes nothing.

    Args:
        conditions: where the source lies, whose rows may go home from there, and which are refused; nothing else of it
            is asked.

    Raises ConfigurationError, InputError.
    """
    with open_source(spec) as source:
        rows = conditions.narrowed(survey(source, known_as(atlas, spec), regions, {}))
    rows, report = without_stays(rows, conditions.send_home, conditions.location, keep_empty=regions != "auto")
    columns = [
        ColumnPreview(name, kind, rows.inferred.reasons[name], _masked_examples(rows.examples[name]))
        for name, kind in report.kinds.items()
    ]
    return Preview(
        rows_in=report.rows_in,
        columns=tuple(columns),
        regions=tuple(_region(rows, region, report.stored[region.name]) for region in report.regions),
        quarantined=dict(report.quarantined),
        said=report.said,
        location=report.location,
        is_stated=report.is_stated,
    )


def _told(count: int, is_rounded: bool) -> str:
    return f"{count:,}" if count or not is_rounded else "fewer than 10"


def masked(word: str) -> str:
    """A value's form alone: Xxxx 99."""
    form = "".join(
        "9" if letter.isdigit() else "X" if letter.isupper() else "x" if letter.isalpha() else letter for letter in word
    )
    return form if len(form) <= _LONGEST else f"{form[:_LONGEST]}…"


def _masked_examples(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(list(dict.fromkeys(map(masked, words)))[:_EXAMPLES])


def _region(source: SortedSource, region: Region, rows: int) -> RegionPreview:
    found = source.combinations
    own = found.homes.home == found.homes.regions.index(region)
    restricted: dict[str, int] = {}
    for place, count in zip(found.label_of[own], found.counts[own].tolist(), strict=True):
        for restriction in sorted(found.labels[place].restrictions):
            restricted[restriction] = restricted.get(restriction, 0) + count
    return RegionPreview(region.name, rows, restricted, source.consenting[region.name])
