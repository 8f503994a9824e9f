"""Rows that wait: shown with their values masked, sent home under a jurisdiction that a person gives them, or removed.

A row is known by its name, 16 hexadecimal digits from the keyed digest of its values, the same however often the
quarantine is written anew. What goes home gets its region's pseudonym and label as if an ingestion had sorted it: the
quarantine keeps, encrypted, what those are made of. It is in its store before it leaves the quarantine, and a row that
its store has already is not stored again, so an assignment that was killed is run again.

Not here: rows that wait in their own region for a fault. Their home is known; their values are mended in the source.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from fedsov.errors import InputError, StoreDamaged, counted
from fedsov.keys.protocol import RegionKeys
from fedsov.label import Label
from fedsov.partition.arrow_columns import numbers, text
from fedsov.partition.further.merged_files import LABEL, REASON, integers, read_tags, tagged
from fedsov.partition.ingest import QUARANTINE
from fedsov.partition.lifecycle.erasure import IDENTIFIERS, RECORDS, remove_rows, restage
from fedsov.partition.people.row_names import PREFIX, keyed
from fedsov.partition.people.subjects import no_subject
from fedsov.partition.preview import masked
from fedsov.partition.recipients import NAMED, VALUES
from fedsov.partition.records import Records
from fedsov.partition.sources.location import NO_WAY_HOME
from fedsov.partition.store import JURISDICTION, ROW, SUBJECT, TARGET, Store
from fedsov.storage.atomic_files import sync_folder

_BESIDE = (REASON, NAMED, VALUES)


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A row in quarantine: its name, why it waits, and its columns with their values masked."""

    name: str
    reason: str
    masked: dict[str, str]


def dataset_of(store: str) -> str:
    """The data set whose rows, or whose quarantine, a region's store of this name holds."""
    return store.removeprefix(f"{QUARANTINE}@")


def _names_of(store: Store, records: Records) -> np.ndarray:
    """(rows,) names of the rows that wait."""
    digests = records.row_digests
    if digests is None:
        raise StoreDamaged(
            f"{store.folder} names no rows, as quarantines of before; `fedsov ingest --rebuild` mends it"
        )
    return np.array([f"{int(digest) % 2**64:016x}" for digest in digests], str)


def reasons_of(store: Store) -> np.ndarray:
    """(rows,) why each row waits."""
    return np.asarray(store.read().columns[REASON])


def waiting(store: Store, *, most: int) -> list[WaitingRow]:
    """The first rows of a quarantine, their values masked."""
    records, identifiers = store.read(), store.identifiers()
    columns = {**identifiers, **records.columns, "target": records.target}
    reasons = records.columns[REASON]
    shown = {name: values for name, values in columns.items() if name not in (*_BESIDE, "subject")}
    return [
        WaitingRow(name, str(reason), {column: _masked(values[row]) for column, values in shown.items()})
        for row, (name, reason) in enumerate(zip(_names_of(store, records)[:most], reasons, strict=False))
    ]


def _masked(value: object) -> str:
    missing = value is None or (isinstance(value, float) and np.isnan(value))
    return "" if missing else masked(str(value))


def chosen_rows(store: Store, *, names: Collection[str] = (), reason: str = "") -> np.ndarray:
    """(rows,) True for the rows of these names, or all that wait for one reason; all of them where neither is given.

    Raises InputError for a name or a reason that no row has.
    """
    records = store.read()
    own, reasons = _names_of(store, records), np.asarray(records.columns[REASON])
    if missing := sorted(set(names) - set(own)):
        raise InputError(f"no row {missing[0]} waits in {store.folder}; `fedsov quarantine show` lists them")
    if reason and reason not in reasons:
        listed = "; ".join(sorted(set(reasons))) or "none"
        raise InputError(f"no row waits in {store.folder} for '{reason}'; the reasons are: {listed}")
    return np.isin(own, sorted(names)) if names else reasons == reason if reason else np.ones(len(own), bool)


def send_home(held: Store, chosen: np.ndarray, home: Store, jurisdiction: str) -> int:
    """Puts rows into the store of a region that holds the jurisdiction, and takes them from the quarantine; how many.

    Args:
        chosen: (rows,) True for those that go.

    Raises:
        InputError: the two hold other columns; or a row lacks its target, or holds an infinite value.
        StoreDamaged, KeyUnavailable, WorkspaceUnusable: run it again once it is mended.
    """
    check_whole(held, chosen)
    check_held(home, jurisdiction)
    known = home.read().row_digests
    coming = _as_of(held, chosen, home, jurisdiction)
    is_new = ~np.isin(integers(coming.column(ROW)), [] if known is None else known)
    coming = coming.take(numbers(np.flatnonzero(is_new)))
    if coming.num_rows:
        first = [part for part in (RECORDS, IDENTIFIERS) if part in home.manifest.files]
        tables = {part: _appended(home.file(part)[1], coming) for part in first}
        restage(home, tables, rows=home.manifest.rows + coming.num_rows).commit()
        sync_folder(home.folder)
    remove_rows(held, chosen)
    return int(coming.num_rows)


def pseudonyms_at(held: Store, chosen: np.ndarray, keys: RegionKeys) -> list[str]:
    """What a region would know the chosen rows' people by."""
    beside = held.identifiers()
    return keyed(beside[NAMED].tolist(), beside[VALUES].tolist(), np.flatnonzero(chosen), keys)[0]


def check_whole(held: Store, chosen: np.ndarray, *, subject: str | None = None) -> None:
    """Raises InputError where a chosen row could not have been stored, or may not go home.

    Args:
        subject: the column of the data set that says whose row it is; None for none.
    """
    if subject and any(word.startswith(PREFIX) for word in held.identifiers()[NAMED][chosen].tolist()):
        raise InputError(
            f"rows among the chosen have {no_subject(subject)}: no erasure would find them; mend the source"
        )
    records = held.read().select(chosen)
    if stays := sorted(reason for reason in {*map(str, records.columns[REASON])} if reason.startswith(NO_WAY_HOME)):
        raise InputError(
            f"rows among the chosen have {stays[0]}, as the border decided; `fedsov ledger show REGION --refused` says "
            "what is missing; once it permits, run `fedsov ingest` again: it sends them home"
        )
    target = records.target
    missing = np.isnan(target) if target.dtype.kind == "f" else np.array([value is None for value in target], bool)
    infinite = [values for values in records.columns.values() if values.dtype.kind == "f" and np.isinf(values).any()]
    if missing.any() or infinite:
        fault = f"{counted(int(missing.sum()), 'row')} without a target" if missing.any() else "infinite values"
        raise InputError(f"{fault} among the chosen rows; mend the source, or `fedsov quarantine delete` these")


def check_held(home: Store, jurisdiction: str) -> None:
    """Raises InputError where a store's region holds no rows of a jurisdiction."""
    jurisdictions = read_tags(home.folder, home.file(RECORDS, [TARGET])[1])["jurisdictions"]
    if not {jurisdiction, jurisdiction.partition("-")[0]} & set(jurisdictions):
        listed = ", ".join(jurisdictions)
        raise InputError(f"region {home.keys.region} holds no rows of {jurisdiction}; it holds {listed}")


def _as_of(held: Store, chosen: np.ndarray, home: Store, jurisdiction: str) -> pa.Table:
    """The chosen rows as their home stores rows: its pseudonyms and digests, the jurisdiction and its label.

    Raises InputError where the home does not hold the jurisdiction, or stores other columns.
    """
    (_, records), (_, identifiers) = (held.table(group) for group in (RECORDS, IDENTIFIERS))
    (_, stored) = home.file(RECORDS)
    tags = read_tags(home.folder, stored)
    rows = numbers(np.flatnonzero(chosen))
    table, beside = records.take(rows), identifiers.take(rows)
    named, values = (beside.column(name).to_pylist() for name in (NAMED, VALUES))
    labels = [Label.from_json(label) for label in tags["labels"]]
    own = [replace(label, origins=frozenset({jurisdiction})) for label in held.read().select(chosen).labels]
    labels += [label for label in own if label not in labels]
    places = integers(table.column(LABEL))
    columns = {name: table.column(name) for name in table.column_names}
    columns |= {name: beside.column(name) for name in beside.column_names}
    pseudonyms, digests = keyed(named, values, np.arange(len(named)), home.keys)
    columns[SUBJECT], columns[ROW] = text(pseudonyms), numbers(digests)
    columns[JURISDICTION] = text([jurisdiction] * len(named))
    columns[LABEL] = numbers(np.array([labels.index(own[place]) for place in places], np.int64))
    tags = {**tags, "labels": [label.to_json() for label in labels]}
    return tagged(pa.table(columns), tags)


def _appended(table: pa.Table, coming: pa.Table) -> pa.Table:
    """A file's rows with those that come; raises InputError where these lack one of its columns."""
    if lacking := sorted(set(table.column_names) - set(coming.column_names)):
        raise InputError(f"the rows lack the column '{lacking[0]}', which their home stores; ingest the source again")
    columns = coming.select(table.column_names).cast(table.schema.remove_metadata())
    return pa.concat_tables(
        [table.replace_schema_metadata(None), columns.replace_schema_metadata(None)]
    ).replace_schema_metadata(coming.schema.metadata)
