"""What a store holds, as far as further rows must know it: its batches, rows, people and labels.

    before = StoredBefore.of(store)
    before.has(batches)                          # rows of these batches are stored: they are not stored twice
    before.named_after(names, keys)              # a row that is equal to a stored one is another person's, or another's
    before.add(table, labels)                    # once they are in force

It is kept in memory: 8 bytes a row, 8 a person, about 100 a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fedsov.errors import InputError
from fedsov.keys.protocol import RegionKeys
from fedsov.label import Label, join
from fedsov.partition.further.merged_files import BATCH, CONTENT, LABEL, integers, read_tags
from fedsov.partition.people.row_names import RowNames, halves_of, keyed_halves
from fedsov.partition.store import ROW, SUBJECT, Store

if TYPE_CHECKING:
    from fedsov.partition.further.arrived import Batches

_READ = (BATCH, CONTENT, LABEL, ROW, SUBJECT)


class KnownNumbers:
    """A set of int64 that grows: sorted arrays, each at most half as long as the one before."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def has(self, values: np.ndarray) -> np.ndarray:
        """(n,) bool: which are in it."""
        is_known = np.zeros(len(values), bool)
        for part in self._parts:
            at = np.searchsorted(part, values)
            is_known |= part[np.minimum(at, len(part) - 1)] == values
        return is_known

    def add(self, values: np.ndarray) -> None:
        """More numbers."""
        fresh = np.unique(values)
        fresh = fresh[~self.has(fresh)]
        while self._parts and len(self._parts[-1]) < 2 * len(fresh):
            fresh = np.sort(np.concatenate([self._parts.pop(), fresh]))
        if len(fresh):
            self._parts.append(fresh)


class StoredBefore:
    """See the module."""

    def __init__(self) -> None:
        self.batches: dict[int, int] = {}
        self._rows, self._bound, self._public = KnownNumbers(), KnownNumbers(), KnownNumbers()
        self._labels: dict[Label, None] = {}
        self._equal: dict[bytes, int] = {}

    @staticmethod
    def of(store: Store) -> StoredBefore:
        """What a store in force holds. Raises as `Store.read`, and InputError for a store that names no rows."""
        before = StoredBefore()
        for part in store.manifest.files:
            if part.partition("-")[0] == "records":
                path, table = store.file(part, _READ)
                if ROW not in table.column_names:
                    raise InputError(f"{path} names no rows, as stores of before; `fedsov ingest --rebuild` mends it")
                before.add(table, [Label.from_json(label) for label in read_tags(path, table)["labels"]])
        return before

    def add(self, table: pa.Table, labels: Sequence[Label]) -> None:
        """Rows that are in force now, by the columns of a store; `labels` are those that they have places in."""
        self._rows.add(integers(table.column(ROW)))
        places, people = integers(table.column(LABEL)), halves_of(table.column(SUBJECT))
        is_public = np.array([*(label.is_public for label in labels), False])[places]
        self._public.add(people[is_public])
        self._bound.add(people[~is_public])
        self._labels |= dict.fromkeys(labels[place] for place in np.unique(places).tolist())
        if BATCH in table.column_names:
            keys, rows = np.unique(integers(table.column(BATCH)), return_index=True)
            contents = integers(table.column(CONTENT))[rows]
            self.batches |= {key: content for key, content in zip(keys.tolist(), contents.tolist(), strict=True) if key}

    def has(self, batches: Batches) -> np.ndarray:
        """(rows,) bool: whose batch is stored already. Raises KeyReused where one of its key had other content."""
        stored, contents = [self.batches.get(key) for key in batches.keys.tolist()], batches.contents.tolist()
        if any(before not in (None, content) for before, content in zip(stored, contents, strict=True)):
            raise KeyReused(
                "this idempotency key was used for other rows, which are stored; nothing was stored now; send these "
                "rows under a key of their own"
            )
        known: np.ndarray = np.array([before is not None for before in stored], bool)[batches.of_row]
        return known

    def named_after(self, names: RowNames, keys: RegionKeys) -> RowNames:
        """The names of further rows: each counts how many equal ones are stored, as if all were of one source."""
        plain = RowNames(names.digests, np.zeros(len(names), np.int64))
        meets = self._rows.has(keyed_halves(plain.keyed(keys)))
        if not meets.any():
            return names
        repeats = names.repeats.astype(np.int64).copy()
        words, of_row = np.unique(names.digests[meets], axis=0, return_inverse=True)
        stored = np.array([self._stored_of(word, keys) for word in words], np.int64)
        repeats[meets] += stored[of_row.ravel()]
        return RowNames(names.digests, repeats)

    def _stored_of(self, digest: np.ndarray, keys: RegionKeys) -> int:
        """After which repeat of a row none is stored; rows that left leave gaps, so longer stretches are tried."""
        count, step = self._equal.get(digest.tobytes(), 0), 64
        while True:
            of_row = RowNames(np.repeat(digest[None], step, 0), np.arange(count, count + step))
            stored = np.flatnonzero(self._rows.has(keyed_halves(of_row.keyed(keys))))
            if not len(stored):
                self._equal[digest.tobytes()] = count
                return count
            last, length = count + int(stored[-1]) + 1, step
            count, step = last, min(2 * length, 1 << 16)

    def notes(self) -> dict[str, Any]:
        """How many people its bound rows are about, and the label of all, as `fedsov.partition.recipients.Tally`."""
        return {"people": len(self._bound) or len(self._public), "label": join(self._labels).to_json()}


class KeyReused(InputError):
    """An idempotency key came with other rows than before."""
