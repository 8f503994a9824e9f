"""Further rows beside those that are stored: as further encrypted files, under the manifest that names them all.

    stores = open_appendable(spec, atlas=atlas, workspace=workspace, today=today)
    outcome = stores.append(source, batches_of(key, source.sha256, rows), conditions)

What the first ingestion recorded decides: which columns there are and of which kind, the regions, what sorts the rows.
It promises:
- exactly once: a row carries the key of its batch, in the same file. A batch whose key a store holds is not stored
  there again, so one that was killed at any instant, between two regions too, is sent again and completed;
- what it answers is on the disk: each file and each manifest is, before the next store;
- a store is the old one or the new one: replacing its manifest, in one step, puts the further file in force;
- rows count as if all came in one source: equal rows are different people's, people are counted once.

Not here: data sets whose rows a consent releases or marks. One person's answer decides all of that person's rows, those
stored before too, so that they are ingested as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fedsov.errors import InputError, counted
from fedsov.jurisdiction import Atlas, Region
from fedsov.partition.arrival import Arrival, Conditions
from fedsov.partition.arrow_columns import levels
from fedsov.partition.backends.place import FOLDER
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.description import DESCRIBED, description_digest, description_of
from fedsov.partition.further.arrived import Batches, Recorded
from fedsov.partition.further.compaction import compacted
from fedsov.partition.further.merged_files import BATCH, CONTENT, LABEL, REASON
from fedsov.partition.further.stored_before import StoredBefore
from fedsov.partition.ingest import (
    QUARANTINE,
    REASONS,
    arriving,
    contents_of,
    keys_of,
    last_ingestion,
    of_regions,
    quarantine_of,
    store_folder,
)
from fedsov.partition.lifecycle.retention import days_of, first_day
from fedsov.partition.manifest import MANIFEST
from fedsov.partition.people.subjects import Subjects
from fedsov.partition.pipeline.row_groups import Groups, rows_of_group
from fedsov.partition.recipients import Recipient, Sorter, labels_of
from fedsov.partition.routing import known_as
from fedsov.partition.sorting import IngestReport, SortedRows, SortedSource, survey
from fedsov.partition.sources import Source
from fedsov.partition.sources.location import shares_of
from fedsov.partition.store import ROW, SUBJECT, TARGET, Store, StoreWriter, stage_further, stage_store
from fedsov.storage.atomic_files import sha256_hex, sync_folder


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of appended rows, this time or the first.

    Attributes:
        stored: region to rows.
        quarantined: reason to rows.
        fresh: rows that were stored now; 0 where all were stored already.
        said: what was refused of them, in sentences.
    """

    stored: Mapping[str, int]
    quarantined: Mapping[str, int]
    fresh: int
    said: tuple[str, ...] = ()

    def sentence(self) -> str:
        """In words."""
        rows = sum(self.stored.values()) + sum(self.quarantined.values())
        homes = ", ".join(f"{name} {count:,}" for name, count in sorted(self.stored.items())) or "none in a region"
        why = "".join(f"; {count:,} {reason}" for reason, count in sorted(self.quarantined.items()))
        if not self.fresh:
            return f"already stored: {counted(rows, 'row')} ({homes}{why}); nothing was stored twice"
        return f"appended {self.fresh:,} of {counted(rows, 'row')} ({homes}{why})"


def batches_of(key: str, content: str, rows: int, day: date) -> Batches:
    """One batch: its idempotency key and the digest of what it says, for each of its rows."""
    keys, contents = np.array([number_of(key)]), np.array([number_of(content)])
    return Batches(keys, contents, np.zeros(rows, np.int64), days_of(day))


def number_of(word: str) -> int:
    """63 bits of a word's digest, never 0, which marks rows of no batch."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big") >> 1 or 1


@dataclass(slots=True)
class _Open:
    """A store in force, what it holds, and which of its manifests that was read from."""

    store: Store
    before: StoredBefore
    seen: tuple[int, int, int]
    target: pa.DataType | None = None


@dataclass(frozen=True, slots=True)
class AppendableStores:
    """The stores of a data set that was ingested, open for further rows.

    Attributes:
        spec: the data set; each column has the kind that was recorded.
        recorded: what the first ingestion said.
        stamp: by which the stores are known.
    """

    spec: DatasetSpec
    atlas: Atlas
    workspace: Path
    recorded: IngestReport
    stamp: Mapping[str, str]
    _opened: dict[Path, _Open] = field(default_factory=dict)
    _subjects: Subjects = field(default_factory=Subjects)

    @property
    def columns(self) -> frozenset[str]:
        """Those that a row has, all of them."""
        return frozenset({*self.recorded.kinds, self.spec.target.column})

    def append(
        self, source: Source, batches: Callable[[int, date], Batches], *, today: date, conditions: Conditions
    ) -> Outcome:
        """Stores the rows of a source that are not stored yet; they are on the disk when this returns.

        Args:
            batches: of so many rows, which arrived on this day.
            conditions: as for an ingestion; what is refused is refused before a row is stored.

        Raises:
            InputError: other columns, a value that is none of its column's kind, or no way home; KeyReused.
            StoreDamaged, KeyUnavailable, WorkspaceUnusable; and what the conditions raise.
        """
        check_columns(source.scan().schema.names, self)
        begun = min(today, conditions.first_day(source.sha256) or date.max)
        quarantines = store_folder(self.workspace, QUARANTINE, self.spec.name).parent
        first = first_day(quarantines, source.sha256, begun)
        rows = self.surveyed(source, first)
        rows = replace(rows, batches=batches(int(rows.combinations.counts.sum()), first))
        narrowed = conditions.narrowed(rows)
        outcome = self.store(narrowed, narrowed.tables(), first, conditions)
        return replace(outcome, said=narrowed.said[len(rows.said) :])

    def surveyed(self, source: Source, first: date) -> SortedSource:
        """Where rows go, that arrived on a day. Raises InputError, as `append`."""
        regions = {region.name: region for region in self.recorded.regions}
        recorded = Recorded(self.recorded.kinds, self.recorded.dates)
        return survey(source, self.atlas, regions, {**self.stamp, "ingested": first.isoformat()}, recorded=recorded)

    def store(self, rows: SortedSource, pieces: Iterable[SortedRows], first: date, conditions: Conditions) -> Outcome:
        """Stores surveyed rows, `pieces`, as `append` does."""
        recipients = self._recipients(rows, conditions)
        self._ask(rows, recipients, first, conditions)
        if stays := conditions.send_home(shares_of(rows)).stays:
            raise InputError(
                f"rows of {', '.join(stays)} have {next(iter(stays.values()))}; nothing was appended; "
                "`fedsov ledger show REGION --refused` says what is missing"
            )
        return self._stored(rows, pieces, recipients)

    def batches_in(self, region: str) -> list[Mapping[int, int]]:
        """Key to content of the batches in a region's store and quarantine; "" is the quarantine of no region."""
        names = [self.spec.name] if not region else [self.spec.name, quarantine_of(self.spec.name)]
        stores = (self._open(region or QUARANTINE, name) for name in names)
        return [each.before.batches for each in stores if each is not None]

    def rows_in(self, region: str) -> int:
        """How many rows a region's store holds."""
        opened = self._open(region, self.spec.name)
        return 0 if opened is None else opened.store.manifest.rows

    def _ask(self, rows: SortedSource, recipients: Sequence[Recipient], first: date, conditions: Conditions) -> None:
        """Raises what the conditions do."""
        for each in recipients:
            if each.region is not None and not each.is_quarantine:
                conditions.check_rows(each.region, arriving(rows, each.takes, first))
        regions = list({each.region.name: each.region for each in recipients if each.region is not None}.values())
        of_region, homeless = of_regions(rows, self.recorded.regions, first)
        conditions.admitted(Arrival(regions, (), of_region, homeless, rows.sha256, first.isoformat()))

    def _recipients(self, rows: SortedSource, conditions: Conditions) -> list[Recipient]:
        """Who gets some of the rows, those without a home last."""
        homes, found = rows.homes, list[Recipient]()
        for place, region in enumerate(homes.regions):
            for takes, waits in ((homes.home == place, False), (homes.held_by == place, True)):
                if takes.any():
                    found.append(self._recipient(rows, region, takes, conditions, is_quarantine=waits))
        homeless = (homes.home < 0) & (homes.held_by < 0)
        if not homeless.any():
            return found
        return [*found, self._recipient(rows, None, homeless, conditions, is_quarantine=True)]

    def _recipient(
        self,
        rows: SortedSource,
        region: Region | None,
        takes: np.ndarray,
        conditions: Conditions,
        *,
        is_quarantine: bool,
    ) -> Recipient:
        name = QUARANTINE if region is None else region.name
        opened = self._open(name, quarantine_of(self.spec.name) if region and is_quarantine else self.spec.name)
        labels, before = labels_of(rows, takes), opened.before if opened else StoredBefore()
        place = FOLDER if opened or region is None else conditions.place_of(name)
        keys = keys_of(self.workspace, name)
        return Recipient(region, keys, takes, labels, is_quarantine, before=before, place=place)

    def _open(self, region: str, dataset: str) -> _Open | None:
        """A store as it is now, read anew where another process changed it; None where there is none."""
        folder = store_folder(self.workspace, region, dataset)
        if not (folder / MANIFEST).exists():
            return None
        known = self._opened.get(folder)
        seen = _seen(folder)
        if known is None or known.seen != seen:
            store = Store.open(folder, keys_of(self.workspace, region))
            known = self._opened[folder] = _Open(store, StoredBefore.of(store), seen, _target_of(store))
        return known

    def _stored(self, source: SortedSource, pieces: Iterable[SortedRows], recipients: Sequence[Recipient]) -> Outcome:
        """Writes all further files, then puts one store after the other in force."""
        sorter = Sorter(source, subjects=self._subjects)
        with ExitStack() as undo:
            further = [self._further(source, each, len(recipients)) for each in recipients]
            for each in further:
                undo.callback(each.discard)
            for rows in pieces:
                for place, table in sorter.tables(rows, recipients):
                    self._check_target(recipients[place], table)
                    further[place].append(table)
            batches = _digest(source)
            for each in further:
                if each.rows:
                    self._opened.pop(each.folder, None)  # until it is in force, nobody knows what is stored
                    self._opened[each.folder] = each.commit(batches)
            undo.pop_all()
        counts, reasons = _counted(source, recipients)
        return Outcome(counts, reasons, sum(each.rows for each in further))

    def _check_target(self, recipient: Recipient, table: pa.Table) -> None:
        """Raises InputError where the target is text and was numbers, or the other way."""
        region = QUARANTINE if recipient.region is None else recipient.region.name
        opened = self._open(region, self.spec.name)
        if opened is None or opened.target is None or opened.target == table.schema.field(TARGET).type:
            return
        before = "numbers" if pa.types.is_floating(opened.target) else "text"
        raise InputError(f"column '{self.spec.target.column}' is of another kind than the {before} that are stored")

    def _further(self, source: SortedSource, recipient: Recipient, recipients: int) -> _Further:
        folder, contents = contents_of(self.workspace, source, recipient)
        opened = self._opened.get(folder)
        store = None if opened is None else opened.store
        writer = StoreWriter(folder, contents, recipient.keys, beside=store, place=recipient.place)
        return _Further(recipient, store, writer, recipients)


class _Further:
    """One store's further rows, from the first of them until they are in force."""

    def __init__(self, recipient: Recipient, store: Store | None, writer: StoreWriter, recipients: int) -> None:
        self.folder = writer.folder
        self._recipient, self._store, self._writer = recipient, store, writer
        self._groups = Groups(writer, rows_of_group(recipients))
        self._known: list[pa.Table] = []
        self._reasons: Counter[str] = Counter()
        self._in_force, self._types = False, dict[str, pa.Field]()

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(table.num_rows for table in self._known)

    def append(self, table: pa.Table) -> None:
        """More rows."""
        self._types = {each.name: each for each in table.schema}
        self._known.append(table.select([SUBJECT, ROW, LABEL, BATCH, CONTENT]))
        self._groups.append(table)
        if REASON in table.column_names:
            words, codes = levels(table.column(REASON))
            self._reasons.update(dict(zip(words, np.bincount(codes, minlength=len(words)).tolist(), strict=True)))

    def commit(self, batches: str) -> _Open:
        """Puts the rows in force; they are on the disk. `batches` is the digest of what they are."""
        self._groups.flush(self._known[0])
        before = self._recipient.before or StoredBefore()
        for table in self._known:
            before.add(table, self._recipient.labels)
        if self._store is None:
            staged = stage_store(self._writer, self._notes({}, before), durable=True)
        else:
            notes = self._notes(self._store.manifest.notes, before)
            staged = stage_further(self._writer, self._store, notes, batches=batches)
        self._in_force = True
        manifest = staged.commit()
        sync_folder(self.folder)
        store = compacted(Store(self.folder, manifest, self._recipient.keys))
        return _Open(store, before, _seen(self.folder), self._types[TARGET].type)

    def _notes(self, notes: Mapping[str, Any], before: StoredBefore) -> dict[str, Any]:
        if not self._recipient.is_quarantine:
            return {**notes, **before.notes()}
        return {**notes, REASONS: dict(Counter(notes.get(REASONS, {})) + self._reasons)}

    def discard(self) -> None:
        """Removes what is written and not in force."""
        if not self._in_force:
            self._writer.discard()


def _counted(source: SortedSource, recipients: Sequence[Recipient]) -> tuple[dict[str, int], dict[str, int]]:
    """Region to rows, and reason to rows in quarantine."""
    homes, rows = source.homes, source.combinations.counts
    stored = {
        each.region.name: int(rows[each.takes].sum())
        for each in recipients
        if each.region is not None and not each.is_quarantine
    }
    waiting: Counter[str] = Counter()
    for place in np.flatnonzero(homes.home < 0).tolist():
        waiting[homes.reasons[homes.reason_of[place]]] += int(rows[place])
    return stored, dict(waiting)


def _digest(source: SortedSource) -> str:
    """What the rows are, by their batches."""
    batches = source.batches
    pairs = [] if batches is None else sorted(zip(batches.keys.tolist(), batches.contents.tolist(), strict=True))
    return sha256_hex(json.dumps(pairs).encode())


def _target_of(store: Store) -> pa.DataType | None:
    """Of which type the target is stored; None where no row is."""
    _, table = store.file("records", [TARGET])
    return table.schema.field(TARGET).type if table.num_rows else None


def _seen(folder: Path) -> tuple[int, int, int]:
    """What changes where a manifest is replaced."""
    stat = os.stat(folder / MANIFEST)
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def open_appendable(spec: DatasetSpec, *, atlas: Atlas, workspace: Path) -> AppendableStores:
    """The stores of a data set that was ingested, to which rows may be appended.

    Raises:
        InputError: it was not ingested, or its rows were sorted by other settings, or cannot be appended to.
        StoreDamaged, KeyUnavailable.
    """
    previous = last_ingestion(workspace, spec.name)
    if previous is None:
        raise InputError(f"nothing of {spec.name} is stored in {workspace} yet; run: fedsov ingest")
    if spec.consent is not None:
        raise InputError(
            f"{spec.name} has dataset.consent, and what one row says of consent decides all rows of its person, those "
            "stored before too; ingest the whole source again by `fedsov ingest`"
        )
    stamp, report = previous
    if stamp["description"] != description_digest(description_of(spec)):
        raise InputError(
            f"the rows of {spec.name} were sorted by other settings than these (dataset.*, {', '.join(DESCRIBED)}); "
            "append with those of the first ingestion, as `fedsov region show REGION` shows them"
        )
    return AppendableStores(spec, known_as(atlas, spec), workspace, report, stamp)


def check_columns(names: Sequence[str], stores: AppendableStores) -> None:
    """Raises InputError for the first column that is missing, or that no stored row has."""
    if missing := sorted(stores.columns - {*names}):
        raise OtherColumns(f"column '{missing[0]}' is missing; rows of {stores.spec.name} have it", missing[0])
    if beyond := sorted({*names} - stores.columns):
        raise OtherColumns(f"column '{beyond[0]}' is none of {stores.spec.name}; leave it out", beyond[0])


class OtherColumns(InputError):
    """Rows have other columns than those that are stored; `column` is the first of them."""

    def __init__(self, message: str, column: str) -> None:
        super().__init__(message)
        self.column = column
