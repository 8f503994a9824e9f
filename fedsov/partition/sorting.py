"""A source's rows as they will be stored: of which kind, in which region, under which label, and what is said of them.

Nothing is written here, and no key is at hand: pseudonyms and releases are a region's own (`fedsov.partition.ingest`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from fedsov.jurisdiction import Atlas, Region
from fedsov.label import Label
from fedsov.partition.arrow_columns import from_levels, levels
from fedsov.partition.columns.clean import prepare
from fedsov.partition.columns.column_kinds import ColumnKinds, infer_columns
from fedsov.partition.columns.places import Column, unknown_line, with_spellings
from fedsov.partition.columns.rule_values import check_rules
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.routing import Homes, Levels, consenting, folds, label_rows, people, sort_rows
from fedsov.partition.row_names import by_subject, row_names
from fedsov.partition.sources import RAGGED, OpenSource
from fedsov.partition.store import TARGET
from fedsov.partition.told_counts import about

Stamp = dict[str, str]


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of the rows: counts by region and by reason, kinds by column; no value of any row.

    `unused` says why each column that is not learned from is not, `said` what else its user must know, in sentences.
    """

    rows_in: int
    stored: Mapping[str, int]
    quarantined: Mapping[str, int]
    kinds: Mapping[str, str]
    regions: tuple[Region, ...]
    up_to_date: bool = False
    unused: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SortedRows:
    """All rows as they will be stored, but for pseudonyms and releases, which are each region's own."""

    spec: DatasetSpec
    homes: Homes
    inferred: ColumnKinds
    columns: Mapping[str, pa.Array]
    named: list[str]  # what pseudonyms are made of: the subject, or the values where there is none
    values: list[str]
    folds: np.ndarray
    consents: np.ndarray
    labels: tuple[Label, ...]
    label_of: np.ndarray
    stamp: Stamp
    said: tuple[str, ...]


def sorted_rows(
    table: pa.Table,
    source: OpenSource,
    atlas: Atlas,
    regions: Mapping[str, Region] | Literal["auto"],
    stamp: Stamp,
) -> SortedRows:
    """The rows of a source in their places.

    Args:
        table: what the source holds (`OpenSource.table`).
        regions: the federation's, or "auto" for one per jurisdiction found, named by its code.
        stamp: what the stores will be known by.

    Raises InputError for a source that cannot be classified or routed.
    """
    spec = source.spec
    inferred = infer_columns(table, spec)
    prepared = prepare(table, spec, inferred.kinds)
    jurisdictions = levels(table.column(spec.jurisdiction))
    atlas, said = _spelled_out(atlas, spec, jurisdictions)
    homes = sort_rows(jurisdictions, spec, atlas=atlas, regions=regions, faults=prepared.faults)
    columns = {**prepared.columns, TARGET: prepared.target}
    restricting = sorted({rule.column for rule in spec.classify.restrictions})
    watched = {name: levels(table.column(name)) for name in restricting}
    consent_column = spec.consent.column if spec.consent is not None else None
    answers = None if consent_column is None else levels(table.column(consent_column))
    check_rules(spec, {**watched, **({consent_column: answers} if consent_column and answers else {})})
    labels, label_of = label_rows(homes, [*prepared.columns, spec.target.column], watched, spec.classify)
    subjects = None if spec.subject is None else levels(table.column(spec.subject))
    persons, person = people(table.num_rows, subjects, source.sha256)
    values = row_names(table)
    named = values if subjects is None else by_subject(subjects, persons, values)
    consents = consenting(homes, person, spec.consent, answers)
    # a restriction outlives consent: those rows are never put to release
    consents &= np.array([not label.restrictions for label in labels])[label_of]
    spoken = from_levels(*jurisdictions)
    return SortedRows(
        spec,
        homes,
        inferred,
        {**columns, spec.jurisdiction: columns.get(spec.jurisdiction, spoken)},
        named,
        values,
        folds(persons)[person],
        consents,
        labels,
        label_of,
        stamp,
        (*said, *_ragged_line(table)),
    )


def _ragged_line(table: pa.Table) -> tuple[str, ...]:
    """That rows were left out since they do not fit the header."""
    rows = int((table.schema.metadata or {}).get(RAGGED, b"0"))
    return (f"{about(rows)} do not fit the header and are left out (dataset.csv.ragged)",) if rows else ()


def _spelled_out(atlas: Atlas, spec: DatasetSpec, jurisdictions: Levels) -> tuple[Atlas, tuple[str, ...]]:
    """The atlas with what the column's spellings mean, and what is said of those that mean nothing."""
    words, word_of = jurisdictions
    counts = np.bincount(word_of, minlength=len(words) + 1)[: len(words)]
    column = Column(spec.jurisdiction, dict(zip(words, counts.tolist(), strict=True)), spec.within)
    atlas = with_spellings(atlas, column)
    line = unknown_line(column, atlas)
    return atlas, (line,) if line else ()


def report_of(source: SortedRows, *, keep_empty: bool) -> IngestReport:
    """Counts by region and by reason; `keep_empty` for regions without a row too."""
    homes = source.homes
    counts = [int(np.count_nonzero(homes.home == place)) for place in range(len(homes.regions))]
    counted = {region: count for region, count in zip(homes.regions, counts, strict=True) if count or keep_empty}
    refused = homes.reason_of[homes.home < 0]
    reasons = {reason: int(np.count_nonzero(refused == place)) for place, reason in enumerate(homes.reasons)}
    return IngestReport(
        rows_in=len(homes.home),
        stored={region.name: count for region, count in counted.items()},
        quarantined={reason: count for reason, count in reasons.items() if count},
        kinds=dict(source.inferred.kinds),
        regions=tuple(counted),
        unused=source.inferred.unused,
        said=source.said,
    )
