"""A source's rows as they will be stored: of which kind, in which region, under which label, and what is said of them.

The source passes twice. The first time, `survey` judges each column as a whole and counts the combinations of what
decides where a row goes: its jurisdiction, what its restrictions and its consent say, its faults. There are few, and
each is routed and classified once. The second time, `SortedSource.batches` gives the rows with their combination.
Memory grows with the different spellings of those columns and, for a drawn share of consent, by 12 bytes a row.

Nothing is written here, and no key is at hand: pseudonyms and releases are a region's own (`fedsov.partition.ingest`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from fedsov.jurisdiction import Atlas, Region
from fedsov.label import Label
from fedsov.partition.arrow_columns import from_levels, levels
from fedsov.partition.columns.clean import TargetSurvey, cast, check_finite, infinite_in, missing_target, not_dates
from fedsov.partition.columns.column_kinds import AS_DAYS, ColumnKinds, kinds_of, surveys_of
from fedsov.partition.columns.combinations import Combination, combined, levels_of, restricting
from fedsov.partition.columns.places import Column, unknown_line, with_spellings
from fedsov.partition.columns.rule_values import check_rules
from fedsov.partition.columns.surveys import ColumnSurvey
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.further.arrived import Batches, Recorded
from fedsov.partition.people.repeats import Repeated, Repeats
from fedsov.partition.people.row_names import RowNames, row_digests
from fedsov.partition.people.subjects import no_subject, unnamed_line, unnamed_rows
from fedsov.partition.pipeline.side_threads import ahead
from fedsov.partition.routing import Homes, consenting, label_rows, person_numbers, sort_rows
from fedsov.partition.sources import Source
from fedsov.partition.sources.scans import Scan
from fedsov.partition.store import TARGET
from fedsov.partition.told_counts import about

Stamp = dict[str, str]


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of the rows: counts by region and by reason, kinds by column; no value of any row.

    `unused` says why each column that is not learned from is not, `said` what else its user must know, in sentences;
    `dates` are the columns of dates, as of `Recorded`; `location` is the country where the source lay,
    `is_stated` whether somebody said so, `stayed` the regions' shares that could not go home from there
    (`fedsov.partition.sources.location.Share`, as plain values).
    """

    rows_in: int
    stored: Mapping[str, int]
    quarantined: Mapping[str, int]
    kinds: Mapping[str, str]
    regions: tuple[Region, ...]
    up_to_date: bool = False
    unused: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    dates: Mapping[str, bool | None] = field(default_factory=dict)
    location: str = ""
    is_stated: bool = False
    stayed: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Combinations:
    """The different combinations, each with what becomes of its rows.

    Attributes:
        places: combination to its place.
        counts: (combinations,) rows, 1 at least.
        homes: where each goes, as of a table of one row each.
        labels: the different labels.
        label_of: (combinations,) place in `labels`.
        consents: (combinations,) bool: whether its rows are put to release, where a column says so.
        refuses: (combinations,) bool: whether that column says anything else in its rows; silence is a refusal too.
    """

    places: Mapping[Combination, int]
    counts: np.ndarray
    homes: Homes
    labels: tuple[Label, ...]
    label_of: np.ndarray
    consents: np.ndarray
    refuses: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class SortedRows:
    """Some rows as they will be stored, but for pseudonyms and releases, which are each region's own.

    Attributes:
        columns: name to column, `TARGET` among them, and what the jurisdictions say where a row is quarantined.
        place: (rows,) place of each row's combination.
        names: by their values.
        subjects: whose rows they are; None where no column says.
        consents: (rows,) bool: rows that are put to release.
        first: how many rows of the source come before.
        batches: of rows that are appended.
    """

    columns: Mapping[str, pa.Array]
    place: np.ndarray
    names: RowNames
    subjects: pa.ChunkedArray | None
    consents: np.ndarray
    first: int
    batches: Batches | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SortedSource:
    """A source that was surveyed: what its columns are, and what becomes of each combination.

    Attributes:
        examples: column to texts of its first rows.
        day_first: by column of dates, whether the day stands before the month.
        drawn: (rows,) bool: rows of people who were drawn as consenting; None where nobody is.
        consenting: region to how many of its rows are put to release.
    """

    spec: DatasetSpec
    sha256: str
    scan: Scan
    inferred: ColumnKinds
    combinations: Combinations
    repeated: Repeated
    day_first: Mapping[str, bool | None]
    examples: Mapping[str, tuple[str, ...]]
    drawn: np.ndarray | None
    consenting: Mapping[str, int]
    stamp: Stamp
    said: tuple[str, ...]
    batches: Batches | None = None

    @property
    def homes(self) -> Homes:
        """Where each combination goes."""
        return self.combinations.homes

    @property
    def dates(self) -> dict[str, bool | None]:
        """The columns of dates; see `Recorded`."""
        declared = {name for name, kind in self.spec.kinds.items() if kind == "date"}
        inferred = {name for name, why in self.inferred.reasons.items() if why == AS_DAYS}
        return {name: self.day_first.get(name) for name in sorted(declared | inferred)}

    def tables(self) -> Iterator[SortedRows]:
        """The rows in their order; the source is read again."""
        first = 0
        for table in self.scan.tables():
            yield self._sorted(table, first)
            first += table.num_rows

    def _sorted(self, table: pa.Table, first: int) -> SortedRows:
        spec, places = self.spec, self.combinations.places
        prepared = cast(table, spec, self.inferred.kinds, self.day_first)
        different, of_row = combined(table, spec, {**prepared.faults, **_of_subject(table, spec)})
        place = np.array([places[combination] for combination in different], np.int64)[of_row]
        last = first + table.num_rows
        consents = self.combinations.consents[place] if self.drawn is None else self.drawn[first:last]
        names = RowNames(row_digests(table), self.repeated.between(first, last))
        columns = {**prepared.columns, TARGET: prepared.target}
        if spec.jurisdiction not in columns and (self.homes.home[place] < 0).any():  # only a quarantine asks
            columns[spec.jurisdiction] = from_levels(*levels(table.column(spec.jurisdiction)))
        subjects = None if spec.subject is None else table.column(spec.subject)
        batches = None if self.batches is None else self.batches.select(slice(first, last))
        return SortedRows(columns, place, names, subjects, consents, first, batches)


def survey(
    source: Source,
    atlas: Atlas,
    regions: Mapping[str, Region] | Literal["auto"],
    stamp: Stamp,
    *,
    recorded: Recorded | None = None,
) -> SortedSource:
    """What becomes of the rows of a source, which passes once.

    Args:
        regions: the federation's, or "auto" for one per jurisdiction found, named by its code.
        stamp: what the stores will be known by.
        recorded: what the columns are; None where these rows show it.

    Raises InputError for a source that cannot be classified or routed.
    """
    spec, scan = source.spec, source.scan()
    columns, target, repeats = surveys_of(scan.schema, spec), TargetSurvey(spec), Repeats()
    counter: Counter[Combination] = Counter()
    draw = _Draw(spec) if spec.consent is not None and spec.consent.column is None else None
    rows = 0
    with ahead((table, row_digests(table)) for table in scan.tables()) as pieces:
        for table, digests in pieces:
            faults = _faults(table, columns, target, spec)
            different, of_row = combined(table, spec, faults)
            counts = np.bincount(of_row, minlength=len(different)).tolist()
            for combination, count in zip(different, counts, strict=True):
                counter[combination] += count
            repeats.add(digests)
            if draw is not None:
                draw.add(table, different, of_row)
            rows += table.num_rows
    if not rows:
        raise source.no_rows()
    inferred = kinds_of(columns, spec) if recorded is None else ColumnKinds(recorded.kinds, {})
    if recorded is None:
        _check_dates(columns, spec)
    _check_finite(columns, inferred, spec)
    target.check(whole=recorded is None)
    atlas, unknown = _spelled_out(atlas, spec, counter, whole=recorded is None)
    combinations = _judged(counter, inferred, spec, atlas=atlas, regions=regions, whole=recorded is None)
    drawn = None if draw is None else draw.drawn(combinations)
    return SortedSource(
        spec,
        source.sha256,
        scan,
        inferred,
        combinations,
        repeats.told(),
        {name: each.texts.forms.day_first for name, each in columns.items() if each.texts is not None}
        if recorded is None
        else recorded.dates,
        {name: each.examples for name, each in columns.items()},
        None if drawn is None else drawn.rows,
        _by_region(combinations.homes, combinations.counts * combinations.consents) if drawn is None else drawn.counts,
        stamp,
        (*unknown, *_unnamed(counter, spec.subject), *_ragged_line(scan.left_out)),
    )


def _faults(
    table: pa.Table, columns: Mapping[str, ColumnSurvey], target: TargetSurvey, spec: DatasetSpec
) -> dict[str, np.ndarray]:
    """Reason to the rows that might be quarantined for it; whether they are depends on the column's kind."""
    infinite = {name: survey.add(table.column(name)) for name, survey in columns.items()}
    faults = {infinite_in(name): rows for name, rows in infinite.items() if rows is not None and rows.any()}
    of_target = target.add(table.column(spec.target.column)).faults(spec)
    return (faults if spec.nonfinite == "quarantine" else {}) | of_target | _of_subject(table, spec)


def _of_subject(table: pa.Table, spec: DatasetSpec) -> dict[str, np.ndarray]:
    """The rows that no erasure would find by a subject, where the data set has some."""
    rows = None if spec.subject is None else unnamed_rows(table.column(spec.subject))
    return {} if spec.subject is None or rows is None or not rows.any() else {no_subject(spec.subject): rows}


def _unnamed(counter: Counter[Combination], column: str | None) -> tuple[str, ...]:
    rows = 0 if column is None else sum(rows for each, rows in counter.items() if no_subject(column) in each[3])
    return (unnamed_line(rows, column),) if rows and column else ()


def _check_dates(columns: Mapping[str, ColumnSurvey], spec: DatasetSpec) -> None:
    """Raises InputError for a declared column of dates that is none."""
    for name, survey in columns.items():
        if spec.kinds.get(name) == "date":
            is_text = survey.texts is not None and survey.texts.forms.day_first is not None
            if not is_text and (survey.numbers is None or survey.numbers.rows < survey.rows):
                raise not_dates(name)


def _check_finite(columns: Mapping[str, ColumnSurvey], inferred: ColumnKinds, spec: DatasetSpec) -> None:
    """Raises InputError for infinite values that nobody allowed."""
    for name, survey in columns.items():
        if inferred.kinds.get(name) == "numeric" and survey.numbers is not None:
            check_finite(name, survey.numbers.infinite, survey.numbers.first_infinite, spec)


def _judged(
    counter: Counter[Combination],
    inferred: ColumnKinds,
    spec: DatasetSpec,
    *,
    atlas: Atlas,
    regions: Mapping[str, Region] | Literal["auto"],
    whole: bool,
) -> Combinations:
    """What becomes of each combination; faults of columns that are not stored as numbers are none.

    `whole` says that these are all rows, so that one at least has a home, and rules' values occur.
    """
    reasons = [infinite_in(name) for name, kind in inferred.kinds.items() if kind == "numeric"]
    reasons += [infinite_in(spec.target.column), missing_target(spec)]
    reasons += [] if spec.subject is None else [no_subject(spec.subject)]
    places: dict[Combination, int] = {}
    different: dict[Combination, int] = {}
    for combination in counter:
        own = (*combination[:3], tuple(reason for reason in reasons if reason in combination[3]))
        places[combination] = different.setdefault(own, len(different))
        places.setdefault(own, places[combination])
    counts = np.zeros(len(different), np.int64)
    np.add.at(counts, [places[combination] for combination in counter], list(counter.values()))
    rows = list(different)
    faults = {reason: np.array([reason in row[3] for row in rows]) for reason in reasons}
    faults = {reason: mask for reason, mask in faults.items() if mask.any()}
    jurisdictions = levels_of([row[0] for row in rows])
    homes = sort_rows(jurisdictions, spec, atlas=atlas, regions=regions, faults=faults, counts=counts, whole=whole)
    watched = {name: levels_of([row[1][place] for row in rows]) for place, name in enumerate(restricting(spec))}
    asked = spec.consent_column
    answers = None if asked is None else levels_of([row[2] for row in rows])
    if whole:
        check_rules(spec, {**watched, **({asked: answers} if asked and answers else {})}, counts=counts)
    stored = [name for name, kind in inferred.kinds.items() if kind != "drop"]
    labels, label_of = label_rows(homes, [*stored, spec.target.column], watched, spec.classify)
    consents = consenting(homes, np.arange(len(rows)), spec.consent if asked else None, answers)
    refuses = ~consents if asked else np.zeros(len(rows), bool)
    # a restriction outlives consent: those rows are never put to release
    consents = consents & _unrestricted(labels)[label_of]
    return Combinations(places, counts, homes, labels, label_of, consents, refuses)


def _unrestricted(labels: Sequence[Label]) -> np.ndarray:
    return np.array([not label.restrictions for label in labels])


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """(rows,) bool: those of people who were drawn; and how many there are in each region."""

    rows: np.ndarray
    counts: Mapping[str, int]


class _Draw:
    """Whose each row is and how it combines, kept for a draw of people: 12 bytes a row, and a subject's text once."""

    def __init__(self, spec: DatasetSpec) -> None:
        self._spec = spec
        self._words: dict[str, int] = {}
        self._places: dict[Combination, int] = {}
        self._persons: list[np.ndarray] = []
        self._of_row: list[np.ndarray] = []

    def add(self, table: pa.Table, different: Sequence[Combination], of_row: np.ndarray) -> None:
        """The next rows."""
        own = np.array([self._places.setdefault(each, len(self._places)) for each in different], np.int32)
        self._of_row.append(own[of_row])
        if self._spec.subject is None:
            self._persons.append(np.full(table.num_rows, -1))
            return
        words, word_of = levels(table.column(self._spec.subject))
        places = np.array([*(self._words.setdefault(word, len(self._words)) for word in words), -1])
        self._persons.append(places[word_of])

    def drawn(self, combinations: Combinations) -> _Drawn:
        """The rows of people who were drawn, but for those under a restriction."""
        place = np.array([combinations.places[each] for each in self._places], np.int64)[np.concatenate(self._of_row)]
        homes = replace(combinations.homes, home=combinations.homes.home[place])
        people = person_numbers(np.concatenate(self._persons), len(self._words))
        free = _unrestricted(combinations.labels)[combinations.label_of]
        chosen = consenting(homes, people, self._spec.consent, None) & free[place]
        return _Drawn(chosen, _by_region(homes, chosen))


def _by_region(homes: Homes, rows: np.ndarray) -> dict[str, int]:
    return {region.name: int(rows[homes.home == place].sum()) for place, region in enumerate(homes.regions)}


def _ragged_line(left_out: int) -> tuple[str, ...]:
    """That rows were left out since they do not fit the header."""
    return (f"{about(left_out)} do not fit the header and are left out (dataset.csv.ragged)",) if left_out else ()


def _spelled_out(
    atlas: Atlas, spec: DatasetSpec, counter: Counter[Combination], *, whole: bool
) -> tuple[Atlas, tuple[str, ...]]:
    """The atlas with what the column's spellings mean, and what is said of those that mean nothing."""
    counts: Counter[str] = Counter()
    for (word, *_), rows in counter.items():
        if word is not None:
            counts[word] += rows
    column = Column(spec.jurisdiction, dict(counts), spec.within)
    atlas = with_spellings(atlas, column, whole=whole)
    line = unknown_line(column, atlas)
    return atlas, (line,) if line else ()


def report_of(source: SortedSource, *, keep_empty: bool) -> IngestReport:
    """Counts by region and by reason; `keep_empty` for regions without a row too."""
    homes, rows = source.homes, source.combinations.counts
    counts = _by_region(homes, rows)
    regions = tuple(region for region in homes.regions if counts[region.name] or keep_empty)
    refused, of_refused = homes.reason_of[homes.home < 0], rows[homes.home < 0]
    reasons = {reason: int(of_refused[refused == place].sum()) for place, reason in enumerate(homes.reasons)}
    return IngestReport(
        rows_in=int(rows.sum()),
        stored={region.name: counts[region.name] for region in regions},
        quarantined={reason: count for reason, count in reasons.items() if count},
        kinds=dict(source.inferred.kinds),
        regions=regions,
        unused=source.inferred.unused,
        said=source.said,
        dates=source.dates,
    )
