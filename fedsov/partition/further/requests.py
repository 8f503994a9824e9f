"""Rows that somebody sends: bodies as tables, and many requests as one append.

    answers = Door(stores, conditions).commit([Request(key, body, JSON)], today=today)

Small requests that come together are stored together, one file and one wait for the disk a region (group commit). Each
gets an answer of its own: one that is refused takes none of the others with it. No socket is here.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from fedsov.errors import FedsovError, InputError
from fedsov.model.column_statistics import spelled
from fedsov.partition.arrival import Conditions
from fedsov.partition.arrow_columns import numbers, text
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.further.append import AppendableStores, OtherColumns, check_columns, number_of
from fedsov.partition.further.arrived import Batches
from fedsov.partition.lifecycle.retention import days_of
from fedsov.partition.sources.scans import Scan, whole

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
_NUMBERS, _WORDS = {int, float, bool, type(None)}, {str, int, float, bool, type(None)}


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody sent: an idempotency key, and a body of one of the media types `JSON` and `ARROW`."""

    key: str
    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request's rows: by region, by reason in quarantine, and whether they were stored before."""

    stored: Mapping[str, int]
    quarantined: Mapping[str, int]
    already: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values; no value of a row."""
        state = "already stored" if self.already else "stored"
        return {"state": state, "stored": dict(self.stored), "quarantined": dict(self.quarantined)}


class BodyUnreadable(InputError):
    """A body is not of its media type, or holds no records."""


class OtherRegion(InputError):
    """A record belongs to a region that is not served here; `region` is its name."""

    def __init__(self, region: str) -> None:
        super().__init__(f"a record belongs to region {region}, which is not served here; send it there")
        self.region = region


@dataclass(frozen=True, slots=True, eq=False)
class _Sent:
    """The rows of some requests, as a source."""

    spec: DatasetSpec
    sha256: str
    table: pa.Table

    def scan(self) -> Scan:
        """The rows."""
        return whole(self.table)

    def no_rows(self) -> InputError:
        """What is refused without rows."""
        return BodyUnreadable("the body holds no records")


_Answers = dict[int, Answer | FedsovError]


@dataclass(frozen=True, slots=True)
class Door:
    """Where rows come in: the stores, what is asked before they are stored, and whose are taken ("" for all)."""

    stores: AppendableStores
    conditions: Conditions
    served: str = ""

    def commit(self, requests: Sequence[Request], *, today: date) -> list[Answer | FedsovError]:
        """Stores what requests sent; an answer to each, in their order. What was answered is on the disk.

        Args:
            requests: no two of one key.
        """
        answers: _Answers = {}
        alike: dict[pa.Schema, list[tuple[int, pa.Table]]] = defaultdict(list)
        records: dict[int, list[dict[str, Any]]] = {}
        for place, request in enumerate(requests):
            try:
                if request.media_type == JSON:
                    records[place] = self._records(request.body)
                else:
                    table = self._of_arrow(request.body)
                    alike[table.schema].append((place, table))
            except FedsovError as error:
                answers[place] = error
        for place, table_or_error in (self._tables(records) if records else {}).items():
            if isinstance(table_or_error, FedsovError):
                answers[place] = table_or_error
            else:
                alike[table_or_error.schema].append((place, table_or_error))
        for tables in alike.values():
            answers |= self._stored(requests, tables, today)
        return [answers[place] for place in range(len(requests))]

    def _stored(self, requests: Sequence[Request], tables: Sequence[tuple[int, pa.Table]], today: date) -> _Answers:
        """All of them together; one by one where that is refused."""
        try:
            return self._together(requests, tables, today)
        except FedsovError as error:
            if len(tables) == 1:
                return {tables[0][0]: error}
        answers: _Answers = {}
        for each in tables:
            answers |= self._stored(requests, [each], today)
        return answers

    def _together(self, requests: Sequence[Request], tables: Sequence[tuple[int, pa.Table]], today: date) -> _Answers:
        stores = self.stores
        table = pa.concat_tables([table for _, table in tables]).combine_chunks()
        whose = np.repeat(np.arange(len(tables)), [table.num_rows for _, table in tables])
        sent = [requests[place] for place, _ in tables]
        keys = np.array([number_of(request.key) for request in sent], np.int64)
        contents = np.array([number_of(hashlib.sha256(request.body).hexdigest()) for request in sent], np.int64)
        source = stores.surveyed(_Sent(stores.spec, secrets.token_hex(32), table), today)
        source = replace(source, batches=Batches(keys, contents, whose, days_of(today)))
        pieces = list(source.tables())
        homes, place = source.homes, np.concatenate([piece.place for piece in pieces])
        belongs = np.where(homes.home < 0, homes.held_by, homes.home)
        names = [region.name for region in homes.regions]
        if self.served and (others := {names[home] for home in belongs[place] if home >= 0} - {self.served}):
            raise OtherRegion(min(others))
        counts = _pairs(whose, place)
        parts = {(own, int(belongs[at])) for own, at in counts}
        known = {home: stores.batches_in(names[home] if home >= 0 else "") for home in {home for _, home in parts}}
        fresh = {own for own, home in parts if not any(int(keys[own]) in batches for batches in known[home])}
        stores.store(source, pieces, today, self.conditions)
        stored: list[Counter[str]] = [Counter() for _ in tables]
        waiting: list[Counter[str]] = [Counter() for _ in tables]
        for (own, at), rows in counts.items():
            if homes.home[at] >= 0:
                stored[own][names[homes.home[at]]] += rows
            else:
                waiting[own][homes.reasons[homes.reason_of[at]]] += rows
        return {at: Answer(stored[own], waiting[own], own not in fresh) for own, (at, _) in enumerate(tables)}

    def _records(self, body: bytes) -> list[dict[str, Any]]:
        """A body's records. Raises BodyUnreadable, OtherColumns."""
        try:
            records = json.loads(body)
        except (ValueError, RecursionError):
            raise BodyUnreadable("the body is no JSON; send a record, or a list of records") from None
        records = records if isinstance(records, list) else [records]
        if not records or not all(isinstance(record, dict) for record in records):
            raise BodyUnreadable("the body holds no records; send a record, or a list of records")
        columns = self.stores.columns
        for record in records:
            if record.keys() != columns:
                check_columns(list(record), self.stores)
        return records

    def _tables(self, records: Mapping[int, list[dict[str, Any]]]) -> dict[int, pa.Table | FedsovError]:
        """Each request's records as a table: made of all of them at once, and one by one where one is refused."""
        try:
            table = self._of_records([record for own in records.values() for record in own])
        except FedsovError as error:
            if len(records) == 1:
                return dict.fromkeys(records, error)
            return {at: table for place in records for at, table in self._tables({place: records[place]}).items()}
        tables: dict[int, pa.Table | FedsovError] = {}
        first = 0
        for place, own in records.items():
            tables[place], first = table.slice(first, len(own)), first + len(own)
        return tables

    def _of_records(self, records: Sequence[dict[str, Any]]) -> pa.Table:
        names = sorted(self.stores.columns)
        arrays = [self._column(name, [record[name] for record in records]) for name in names]
        return pa.Table.from_arrays(arrays, names=names)

    def _column(self, name: str, values: list[Any]) -> pa.Array:
        """Raises OtherColumns where a value is of another kind; also where some targets are text and some numbers."""
        recorded, types = self.stores.recorded, {*map(type, values)}
        is_target = name == self.stores.spec.target.column
        is_number = types <= _NUMBERS if is_target else recorded.kinds[name] == "numeric" and name not in recorded.dates
        is_mixed = is_target and str in types and bool(types & {int, float, bool})
        if is_mixed or not types <= (_NUMBERS if is_number else _WORDS):
            raise OtherColumns(f"column '{name}' is of another kind than the one that is stored", name)
        if is_number:
            return numbers(np.array([np.nan if value is None else value for value in values], np.float64))
        return text([value if type(value) is str else spelled(value) for value in values])

    def _of_arrow(self, body: bytes) -> pa.Table:
        try:
            with pa.ipc.open_stream(body) as reader:
                table = reader.read_all().replace_schema_metadata()
                table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError):
            raise BodyUnreadable("the body is no Arrow IPC stream") from None
        check_columns(table.column_names, self.stores)
        if not table.num_rows:
            raise BodyUnreadable("the body holds no records")
        for column in table.schema:
            if column.type.num_fields:
                raise OtherColumns(f"column '{column.name}' holds nested values", column.name)
        return table.select(sorted(table.column_names))


def _pairs(first: np.ndarray, second: np.ndarray) -> dict[tuple[int, int], int]:
    """How often each pair occurs of (rows,) whole numbers from 0 on, of which few are different."""
    width = int(second.max(initial=0)) + 1
    pairs, counts = np.unique(first * width + second, return_counts=True)
    return {divmod(pair, width): count for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)}
