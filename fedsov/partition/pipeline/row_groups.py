"""Rows wait in memory until a group of them is written: in one store's, or in those of all who get some.

A group of rows costs a store a kilobyte and a reader a step, so few large ones are better; what waits is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from fedsov.partition.pipeline.side_threads import Lane
from fedsov.partition.store import StoreWriter

ROWS_IN_MEMORY = 1 << 18
"""Rows that wait in memory for a group of rows to be full, those of all stores together."""
BYTES_IN_MEMORY = 32 << 20
"""And what they take."""
LEAST_GROUP = 1 << 12
MOST_OF_GROUP = 1 << 15


class Groups:
    """A new store whose rows wait until a group of them is full."""

    def __init__(self, store: StoreWriter, rows: int) -> None:
        self.store, self._rows = store, rows
        self._waiting: list[pa.Table] = []

    def append(self, table: pa.Table) -> None:
        """More rows."""
        self._waiting.append(table)
        if sum(each.num_rows for each in self._waiting) >= self._rows:
            self.flush(table)

    def flush(self, empty: pa.Table) -> None:
        """Writes what waits; a store to which nothing was ever written gets these columns without a row."""
        if self._waiting or not self.store.files:
            _write(self.store, self._waiting or [empty])
        self._waiting = []


def rows_of_group(recipients: int) -> int:
    """How many rows of each recipient wait in memory for a group of rows."""
    return max(LEAST_GROUP, ROWS_IN_MEMORY // recipients)


class SharedGroups:
    """New stores whose rows wait together: where too many do, the store with most of them writes its own."""

    def __init__(self, stores: Sequence[StoreWriter], lane: Lane) -> None:
        self._stores, self._lane = stores, lane
        self._waiting: list[list[pa.Table]] = [[] for _ in stores]
        self._rows, self._bytes = [0] * len(stores), [0] * len(stores)

    def append(self, place: int, table: pa.Table) -> None:
        """More rows of the store at a place, which may be written later."""
        self._waiting[place].append(table)
        self._rows[place] += table.num_rows
        self._bytes[place] += table.get_total_buffer_size()
        if self._rows[place] >= MOST_OF_GROUP:
            self._flush(place)
        while sum(self._bytes) > BYTES_IN_MEMORY:
            self._flush(max(range(len(self._bytes)), key=self._bytes.__getitem__))

    def finish(self, empty: Sequence[pa.Table]) -> None:
        """Writes what waits; a store to which nothing was ever written gets its columns without a row."""
        for place, table in enumerate(empty):
            if self._waiting[place]:
                self._flush(place)
            self._lane.submit(partial(_write_empty, self._stores[place], table))
        self._lane.finish()

    def _flush(self, place: int) -> None:
        waiting, self._waiting[place] = self._waiting[place], []
        self._rows[place] = self._bytes[place] = 0
        self._lane.submit(partial(_write, self._stores[place], waiting))


def _write(store: StoreWriter, waiting: Sequence[pa.Table]) -> None:
    """One group of rows."""
    store.append(pa.concat_tables(waiting).combine_chunks())


def _write_empty(store: StoreWriter, empty: pa.Table) -> None:
    if not store.files:
        store.append(empty)
