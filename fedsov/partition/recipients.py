"""Who gets a source's rows, and what each gets: a region, its quarantine, the quarantine of rows without a home.

Everything here is one recipient's own: the labels of its rows, the pseudonyms under its key, how many people its rows
are about. Rows come in batches (`SortedRows`) and leave as tables for `fedsov.partition.store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from fedsov.artifact import Artifact, Kind
from fedsov.jurisdiction import Region
from fedsov.keys.protocol import RegionKeys
from fedsov.label import PUBLIC, Label, join
from fedsov.model.column_statistics import spelled
from fedsov.partition.arrow_columns import from_levels, numbers, text
from fedsov.partition.backends.place import FOLDER, StorePlace
from fedsov.partition.columns.clean import cast
from fedsov.partition.columns.column_kinds import LEARNED
from fedsov.partition.further.merged_files import LABEL, REASON
from fedsov.partition.further.stored_before import StoredBefore
from fedsov.partition.people.repeats import DIGEST_BYTES
from fedsov.partition.people.row_names import RowNames, hexadecimal, keyed_halves, packed, row_folds
from fedsov.partition.people.subjects import Subjects
from fedsov.partition.sorting import SortedRows, SortedSource
from fedsov.partition.sources import RESERVED
from fedsov.partition.store import CONSENT, FOLD, JURISDICTION, ROW, SUBJECT, TARGET, stored_values

NAMED, VALUES = "fedsov:named", "fedsov:values"
"""What a quarantined row's pseudonym and its digest are made of: without them it could not go home later."""

Release = Callable[[Region, Artifact], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Recipient:
    """Who gets rows.

    Attributes:
        region: whose they are; None for rows without a home.
        keys: under which they are stored.
        takes: (combinations,) bool: those whose rows it gets.
        labels: of its rows, `PUBLIC` last where its gate released rows.
        is_quarantine: whether the rows wait, each with its reason.
        is_released: whether its rows of people who consented are public.
        before: what its store holds already, where rows are appended.
        place: where the files of a new store of its are to lie.
    """

    region: Region | None
    keys: RegionKeys
    takes: np.ndarray
    labels: tuple[Label, ...]
    is_quarantine: bool = False
    is_released: bool = False
    before: StoredBefore | None = None
    place: StorePlace = FOLDER


def labels_of(source: SortedSource, takes: np.ndarray) -> tuple[Label, ...]:
    """Only the labels that occur: a store names no label of another region."""
    every = source.combinations
    return tuple(every.labels[place] for place in np.unique(every.label_of[takes]))


def stored_kinds(source: SortedSource, *, is_quarantine: bool) -> dict[str, str]:
    """The kinds of the columns that are stored."""
    kinds = {name: kind for name, kind in source.inferred.kinds.items() if kind != "drop"}
    if not is_quarantine:
        return kinds
    kinds = {source.spec.jurisdiction: "identifier"} | kinds
    return {**kinds, REASON: "categorical", NAMED: "identifier", VALUES: "identifier"}


class Tally:
    """How many people a recipient's bound rows are about, and which labels its rows have."""

    def __init__(self) -> None:
        self._people, self._nobody = {False: _Distinct(), True: _Distinct()}, {False: 0, True: 0}
        self._labels: set[Label] = set()

    def add(self, names: np.ndarray, named: np.ndarray, label_of: np.ndarray, labels: Sequence[Label]) -> None:
        """More rows.

        Args:
            names: (rows, 16) uint8 pseudonyms.
            named: (rows,) bool: those of a subject; every other row is a person of its own.
            label_of: (rows,) places among `labels`.
        """
        self._labels |= {labels[place] for place in np.flatnonzero(np.bincount(label_of)).tolist()}
        if not named.any() and not any(label.is_public for label in labels):
            self._nobody[False] += len(names)
            return
        is_public = np.array([label.is_public for label in labels] or [False])[label_of]
        for public, people in self._people.items():
            own = is_public == public
            if own.any():
                people.add(keyed_halves(np.take(names, np.flatnonzero(named & own), axis=0)))
                self._nobody[public] += int(np.count_nonzero(~named & own))

    def notes(self) -> dict[str, Any]:
        """For the manifest; where no row is bound, all people are counted."""
        bound, public = (len(self._people[each]) + self._nobody[each] for each in (False, True))
        return {"people": bound or public, "label": join(self._labels).to_json()}


class _Distinct:
    """How many different numbers there are, 8 bytes each."""

    def __init__(self) -> None:
        self._known, self._fresh, self._waiting = np.zeros(0, np.int64), [np.zeros(0, np.int64)], 0

    def add(self, values: np.ndarray) -> None:
        self._fresh.append(values)
        self._waiting += len(values)
        if self._waiting > max(len(self._known), 1 << 16):
            self._merge()

    def _merge(self) -> None:
        every = np.sort(np.concatenate([self._known, *self._fresh]))
        is_first = np.ones(len(every), bool)
        np.not_equal(every[1:], every[:-1], out=is_first[1:])
        self._known = every[is_first]
        self._fresh, self._waiting = [], 0

    def __len__(self) -> int:
        self._merge()
        return len(self._known)


class Sorter:
    """Gives each recipient its rows of a batch. `refusing` are people of whom no row is marked as consented.

    `subjects` are those that were met lately, in the regions of the same keys.
    """

    def __init__(
        self, source: SortedSource, *, refusing: frozenset[str] = frozenset(), subjects: Subjects | None = None
    ) -> None:
        self._source, self._refusing = source, refusing
        self._subjects = Subjects() if subjects is None else subjects

    def people(self, rows: SortedRows) -> np.ndarray:
        """(rows,) place of each row's subject, -1 for rows of nobody; once for a batch."""
        return np.full(len(rows.place), -1) if rows.subjects is None else self._subjects.places(rows.subjects)

    def pseudonyms(self, rows: SortedRows, people: np.ndarray, chosen: np.ndarray, keys: RegionKeys) -> np.ndarray:
        """(n, 16) uint8: whose the chosen rows are, under a region's key."""
        return self._whose(rows.names.select(chosen).keyed(keys), people[chosen], keys)

    def _whose(self, own: np.ndarray, people: np.ndarray, keys: RegionKeys) -> np.ndarray:
        named = people >= 0
        if not named.any():
            return own
        if named.all():
            return self._subjects.pseudonyms(people, keys)
        names = own.copy()
        names[named] = self._subjects.pseudonyms(people[named], keys)
        return names

    def folds(self, rows: SortedRows, people: np.ndarray) -> np.ndarray:
        """(rows,) where their persons fall when rows are divided."""
        named = people >= 0
        if named.all():
            return self._subjects.folds(people)
        folds = row_folds(self._source.sha256, rows.first, len(people))
        folds[named] = self._subjects.folds(people[named])
        return folds

    def words(self, people: np.ndarray) -> list[str]:
        """(rows,) what pseudonyms of rows with a subject are made of; ``""`` for rows of nobody."""
        return [f"subject:{self._subjects.words[place]}" if place >= 0 else "" for place in people.tolist()]

    def tables(
        self, rows: SortedRows, recipients: Sequence[Recipient], tallies: Sequence[Tally] = ()
    ) -> Iterator[tuple[int, pa.Table]]:
        """(place among the recipients, its rows), for each recipient that gets some."""
        people = self.people(rows)
        columns = self._columns(rows, people)
        for place, chosen in self._chosen(rows, recipients):
            recipient = recipients[place]
            by_value = rows.names.select(chosen)
            if recipient.before is not None:
                by_value = recipient.before.named_after(by_value, recipient.keys)
            own = by_value.keyed(recipient.keys)
            names = self._whose(own, people[chosen], recipient.keys)
            label_of = self._labels(rows, recipient, chosen)
            if tallies:
                tallies[place].add(names, people[chosen] >= 0, label_of, recipient.labels)
            codes = from_levels(self._source.homes.codes, self._source.homes.code_of[rows.place[chosen]])
            beside = {JURISDICTION: codes, SUBJECT: packed(names), LABEL: numbers(label_of)}
            beside[ROW] = numbers(keyed_halves(own))
            table = columns.take(numbers(chosen))
            kinds = stored_kinds(self._source, is_quarantine=recipient.is_quarantine)
            stored = [name for name in columns.column_names if name in kinds or name.startswith(RESERVED)]
            table = _with(table.select(stored), beside)
            if recipient.is_quarantine:
                table = self._with_reasons(table, rows.place[chosen], by_value, people[chosen])
            yield place, table

    def _columns(self, rows: SortedRows, people: np.ndarray) -> pa.Table:
        """The columns of every row that are the same for whoever gets it."""
        beside = {FOLD: numbers(self.folds(rows, people))}
        if self._source.spec.consent_column is not None:
            beside[CONSENT] = numbers(self._marks(rows, people))
        if rows.batches is not None:
            beside |= {name: numbers(part) for name, part in rows.batches.columns().items()}
        kinds = stored_kinds(self._source, is_quarantine=True)
        columns = {name: rows.columns[name] for name in (*kinds, TARGET) if name in rows.columns} | beside
        return pa.Table.from_arrays(list(columns.values()), names=list(columns))

    @staticmethod
    def _chosen(rows: SortedRows, recipients: Sequence[Recipient]) -> Iterator[tuple[int, np.ndarray]]:
        """(place among the recipients, places of its rows in their order), for each recipient that gets some."""
        takes = np.array([each.takes for each in recipients])
        gets = np.where(takes.any(axis=0), takes.argmax(axis=0), len(recipients)).astype(np.uint16)[rows.place]
        order = np.argsort(gets, kind="stable")
        ends = np.cumsum(np.bincount(gets, minlength=len(recipients) + 1))
        for place, recipient in enumerate(recipients):
            chosen = order[ends[place - 1] if place else 0 : ends[place]]
            if len(chosen) and recipient.before is not None and rows.batches is not None:
                chosen = chosen[~recipient.before.has(rows.batches)[chosen]]
            if len(chosen):
                yield place, chosen

    def _labels(self, rows: SortedRows, recipient: Recipient, chosen: np.ndarray) -> np.ndarray:
        combinations = self._source.combinations
        own = {label: place for place, label in enumerate(recipient.labels)}
        local = np.array([own.get(label, -1) for label in combinations.labels])
        label_of: np.ndarray = local[combinations.label_of[rows.place[chosen]]]
        return np.where(rows.consents[chosen], own[PUBLIC], label_of) if recipient.is_released else label_of

    def _marks(self, rows: SortedRows, people: np.ndarray) -> np.ndarray:
        """(rows,) bool: whose people consented to a base model, in every row of theirs."""
        is_torn = np.array([*(word in self._refusing for word in self._subjects.words), False])
        marked: np.ndarray = rows.consents & ~is_torn[people]
        return marked

    def _with_reasons(self, table: pa.Table, place: np.ndarray, names: RowNames, people: np.ndarray) -> pa.Table:
        homes, values = self._source.homes, names.words()
        beside = {
            REASON: from_levels(homes.reasons, homes.reason_of[place]),
            NAMED: text([person or word for person, word in zip(self.words(people), values, strict=True)]),
            VALUES: text(values),
        }
        return _with(table, beside)


def _with(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """The table with further columns."""
    return pa.Table.from_arrays([*table.columns, *columns.values()], names=[*table.column_names, *columns])


def refusing(source: SortedSource) -> frozenset[str]:
    """Subjects of a row, a restricted or a quarantined one too, in which they do not consent."""
    if source.spec.consent_column is None or source.spec.subject is None:
        return frozenset()
    found: set[str] = set()
    for rows in source.tables():
        if rows.subjects is not None:
            refused = source.combinations.refuses[rows.place]
            whose = rows.subjects.take(numbers(np.flatnonzero(refused))).unique()
            found.update(word for word in map(spelled, whose.to_pylist()) if word is not None)
    return frozenset(found)


def empty_rows(source: SortedSource, recipient: Recipient) -> pa.Table:
    """The columns of a recipient that gets no row, without one."""
    none = np.zeros(0, np.int64)
    is_number = {name for name, kind in source.inferred.kinds.items() if kind == "numeric"}
    kinds = stored_kinds(source, is_quarantine=recipient.is_quarantine)
    columns = {name: numbers(np.zeros(0)) if name in is_number else text([]) for name in kinds}
    columns[TARGET] = cast(source.scan.schema.empty_table(), source.spec, {}).target
    places = (LABEL, FOLD, ROW) if source.spec.consent_column is None else (LABEL, FOLD, ROW, CONSENT)
    columns |= {JURISDICTION: text([]), SUBJECT: packed(np.zeros((0, DIGEST_BYTES), np.uint8))} | {
        name: numbers(none) for name in places
    }
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def consented(source: SortedSource, recipients: Sequence[Recipient]) -> dict[str, Artifact]:
    """Region to what is put to its release; regions without rows of people who consented are not there.

    An artifact's content is the pseudonyms, so that its digest says whose rows.
    """
    rule, sorter = source.spec.consent, Sorter(source)
    people: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    places: dict[str, set[int]] = {}
    for rows in source.tables():
        whose = sorter.people(rows)
        for recipient in recipients:
            chosen = np.flatnonzero(recipient.takes[rows.place] & rows.consents)
            if not len(chosen):
                continue
            name = recipient.keys.region
            names = hexadecimal(sorter.pseudonyms(rows, whose, chosen, recipient.keys)).to_pylist()
            people.setdefault(name, set()).update(names)
            counts[name] = counts.get(name, 0) + len(chosen)
            places.setdefault(name, set()).update(source.combinations.label_of[rows.place[chosen]].tolist())
    return {
        name: Artifact(
            Kind.RECORDS,
            join(source.combinations.labels[place] for place in places[name]),
            content="\n".join(sorted(pseudonyms)).encode(),
            count=counts[name],
            name=f"records of {source.spec.name} whose people consented to global use",
            evidence=(rule.document,) if rule is not None and rule.document else (),
        )
        for name, pseudonyms in people.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Rows in memory, before they are stored.

    Attributes:
        names: by their values.
        subjects: (rows,) what pseudonyms of rows with a subject are made of; ``""`` for rows of nobody.
        columns: those that are learned from, as they will be stored, with NaN or None for what is missing.
    """

    names: RowNames
    subjects: Sequence[str]
    columns: Mapping[str, np.ndarray]


def gathered(source: SortedSource, takes: np.ndarray) -> Gathered:
    """Some combinations' rows."""
    learned = [name for name, kind in source.inferred.kinds.items() if kind in LEARNED]
    sorter, names, subjects = Sorter(source), [], []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in learned}
    for rows in source.tables():
        chosen = np.flatnonzero(takes[rows.place])
        people = sorter.people(rows)[chosen]
        subjects += sorter.words(people)
        names.append(rows.names.select(chosen))
        for name in learned:
            columns[name].append(stored_values(pa.chunked_array([rows.columns[name].take(numbers(chosen))])))
    every = RowNames(np.concatenate([own.digests for own in names]), np.concatenate([own.repeats for own in names]))
    return Gathered(every, subjects, {name: np.concatenate(parts) for name, parts in columns.items()})


def asked(source: SortedSource, recipients: Sequence[Recipient], release: Release) -> list[Recipient]:
    """The recipients, with what their gates answered about the rows of people who consented."""
    stores = [each for each in recipients if not each.is_quarantine]
    artifacts = consented(source, stores) if any(source.consenting.values()) else {}
    answered = []
    for each in recipients:
        artifact = None if each.is_quarantine or each.region is None else artifacts.get(each.region.name)
        if artifact is not None and each.region is not None and release(each.region, artifact):
            each = replace(each, labels=(*each.labels, PUBLIC), is_released=True)
        answered.append(each)
    return answered
