"""Rows past their period: not used from the next day on, and removed by `apply`, unless a legal hold keeps them.

    in_use(store, own, on=ledger.today())        # what a run may look at
    plan(premises)                               # what is past its period, by data set, and what of it is on hold
    apply(premises, by="A. Person", why="yearly")

The ledger has an entry before a row leaves: a tombstone with the data set, the day, the rows in tens and the digest of
their source. It also knows the day on which each source of people's rows first came (`note_arrival`), so a source that
comes again after another, or after its expiry, is as old as it was. Days are the ledger's own.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.errors import ConfigurationError, counted, unknown
from fedsov.ledger.ledger import Ledger
from fedsov.partition.lifecycle.erasure import remove_rows, sweep
from fedsov.partition.lifecycle.quarantine import dataset_of
from fedsov.partition.lifecycle.retention import StoredAges, check_dates, expired
from fedsov.partition.manifest import read_manifest
from fedsov.partition.records import Records
from fedsov.partition.store import Store
from fedsov.partition.told_counts import in_tens
from fedsov.region.answers import synthetic_rows
from fedsov.region.lifecycle.erasure import Premises, stores_in
from fedsov.region.lifecycle.legal_holds import held_rows
from fedsov.region.settings import RegionSettings

NOTE = "expiry"
ARRIVAL = "source_arrived"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """What of one store is past its period: so many of its `rows`, and of these so many on hold."""

    store: str
    rows: int
    past: int
    on_hold: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def line(self) -> str:
        """In words."""
        beside = f", {self.on_hold:,} of them on a legal hold" if self.on_hold else ""
        return f"{self.store}: {self.past:,} of {counted(self.rows, 'row')} past their period{beside}"


def in_use(store: Store, own: RegionSettings, *, on: date) -> Records:
    """The rows that may be used on a day; what is past its period is left out, and the region's log says so.

    Raises as `Store.read`, and ConfigurationError for a column of dates that is none.
    """
    records = store.read()
    past = past_period(store, records, own, on=on)
    if not past.any():
        return records
    _LOG.warning("%s of %s are past their period and not used", counted(int(past.sum()), "row"), store.folder.name)
    return records.select(~past)


def plan(premises: Premises) -> list[Due]:
    """What is past its period, of every store of the region. Raises as `in_use`."""
    return [due(store, past, is_held) for store, past, is_held, _ in _judged(premises)]


def apply(premises: Premises, *, by: str, why: str) -> list[Due]:
    """Removes what is past its period and on no hold; gives what there was. Killed and run again, it ends the same.

    Raises as `in_use`, and WorkspaceUnusable, LedgerBroken; what has left is gone then, the rest stays.
    """
    judged = _judged(premises)
    for store, past, is_held, records in judged:
        leaves = past & ~is_held
        if not leaves.any():
            sweep(store.folder, store.manifest)
            continue
        premises.ledger.note({NOTE: tombstone(store, leaves, premises.ledger.today(), by=by, why=why)})
        synthetic_rows.erase_tables(premises.answers, {*records.subjects[leaves].tolist()})
        remove_rows(store, leaves)
    return [due(store, past, is_held) for store, past, is_held, _ in judged]


def tombstone(store: Store, leaves: np.ndarray, on: date, *, by: str, why: str) -> dict[str, Any]:
    """What a ledger says of rows that leave a store; `leaves` is (rows,) bool."""
    return {
        "store": store.folder.name,
        "on": on.isoformat(),
        "rows": in_tens(int(leaves.sum())),
        "source": store.manifest.source_sha256,
        "ingested": store.manifest.ingested,
        "by": by,
        "why": why,
    }


def check_starts(folder: Path, before: RegionSettings, new: RegionSettings) -> None:
    """Looks at the columns that a change says start a clock, where rows are stored that have them or not.

    Raises ConfigurationError for one that they lack or that holds no dates, and for a data set that nobody knows here.
    """
    stores = {dataset_of(path.name): path for path in reversed(stores_in(folder))}
    known = sorted({*stores, *new.datasets, *before.retention.starts})
    for dataset, column in sorted({*new.retention.starts.items()} - {*before.retention.starts.items()}):
        if known and dataset not in known:
            raise ConfigurationError(f"retention.starts: {unknown('data set', dataset, known)}")
        kinds = read_manifest(stores[dataset]).kinds if dataset in stores else {column: "numeric"}
        dates = [name for name, kind in kinds.items() if kind == "numeric"]  # a date is stored as its days
        if column not in dates:
            fault = f"its {kinds[column]} values are no dates" if column in kinds else unknown("column", column, dates)
            raise ConfigurationError(
                f"retention.starts.{dataset}={column}: {fault}; name a column of {dataset} that `fedsov ingest "
                "--dry-run` calls a date, or null for the day of ingestion"
            )


def first_noted(ledger: Ledger, source_sha256: str) -> date | None:
    """The day on which a source was first ingested, by arrivals and tombstones. Raises LedgerBroken."""
    days = []
    for name in (ARRIVAL, NOTE):
        for note in (entry.body["note"][name] for entry in ledger.notes(name)):
            with suppress(ValueError):  # an older tombstone may know no day
                days += [date.fromisoformat(note["ingested"])] if note["source"] == source_sha256 else []
    return min(days, default=None)


def note_arrival(ledger: Ledger, dataset: str, source_sha256: str, ingested: str) -> None:
    """Notes the day on which a source was first ingested, unless that day or an earlier one is noted."""
    known = first_noted(ledger, source_sha256)
    if ingested and (known is None or known.isoformat() > ingested):
        ledger.note({ARRIVAL: {"dataset": dataset, "source": source_sha256, "ingested": ingested}})


def _judged(premises: Premises) -> list[tuple[Store, np.ndarray, np.ndarray, Records]]:
    """Each store, (rows,) whether past their period, (rows,) whether on hold, and its rows."""
    judged = []
    for path in stores_in(premises.folder):
        store = Store.open(path, premises.keys)
        records = store.read()
        past = past_period(store, records, premises.settings, on=premises.ledger.today())
        is_held = past & held_rows(premises.ledger, premises.keys, path, records.subjects)
        judged.append((store, past, is_held, records))
    return judged


def past_period(store: Store, records: Records, own: RegionSettings, *, on: date) -> np.ndarray:
    """(rows,) True for the rows of a store past their period by a region's settings. Raises as `in_use`."""
    dataset = dataset_of(store.folder.name)
    column, starts = own.retention.starts.get(dataset), None
    if column is not None:
        starts = check_dates(dataset, column, records.columns.get(column))
    ages = StoredAges(records.labels, records.label_of, store.manifest.ingested, starts, records.arrived)
    return expired(ages, own.retention, own.retention_days, on=on)


def due(store: Store, past: np.ndarray, is_held: np.ndarray, *, beside: str = "") -> Due:
    """Counts of these (rows,) masks; `beside` stands before the store's name."""
    return Due(beside + store.folder.name, len(past), int(past.sum()), int(is_held.sum()))
