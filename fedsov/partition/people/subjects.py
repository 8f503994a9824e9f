"""Whose rows they are, batch by batch: places, folds and keyed pseudonyms of the subjects that were met lately.

A pseudonym costs a microsecond and a person has many rows, so those of up to `MOST` subjects are remembered for the
length of an ingestion, or while a process takes rows, and then forgotten all at once: memory grows neither with the
rows nor with the people.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fedsov.keys.protocol import RegionKeys
from fedsov.model.column_statistics import spelled
from fedsov.partition.arrow_columns import view
from fedsov.partition.people.repeats import DIGEST_BYTES
from fedsov.partition.routing import folds
from fedsov.partition.told_counts import about

MOST = 1 << 18


def unnamed_rows(column: pa.ChunkedArray) -> np.ndarray:
    """(rows,) bool: rows whose subject is missing, empty or of spaces alone."""
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    missing = column.is_null(nan_is_null=True)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        blank = pc.or_(pc.equal(pc.binary_length(column), 0), pc.utf8_is_space(column))
        missing = pc.or_(missing, blank.fill_null(True))
    return view(missing.cast(pa.uint8()).combine_chunks()).astype(bool)


def no_subject(column: str) -> str:
    """Why a row without a subject is quarantined, where the data set names the column of subjects."""
    return f"subject '{column}' missing"


def unnamed_line(rows: int, column: str) -> str:
    """That rows have no subject, and what follows."""
    return (
        f"{about(rows)} have no subject (dataset.subject={column}) and wait in quarantine: `fedsov erase --subject` "
        "would never find them; name their people in the source"
    )


class Subjects:
    """The subjects of a column; what is asked of places holds until the next call of `places`."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._known: pa.Array | None = None
        self.words: list[str | None] = []
        self._is_somebody = np.zeros(0, bool)
        self._folds = np.zeros(0, np.int64)
        self._keyed: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}

    def places(self, column: pa.ChunkedArray) -> np.ndarray:
        """(rows,) place of each row's subject in `words`, -1 where it has none."""
        import pyarrow.compute as pc

        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if len(self.words) > MOST or (self._known is not None and self._known.type != column.type):
            self._forget()
        known = self._known if self._known is not None else pa.array([], column.type)
        places = pc.index_in(column, value_set=known)
        if places.null_count:
            fresh = column.filter(pc.and_(places.is_null(), column.is_valid())).unique()
            if len(fresh):
                self._learn(known, fresh)
                places = pc.index_in(column, value_set=self._known)
        place_of = view(places.combine_chunks().fill_null(-1)).astype(np.int64)
        return np.where(np.append(self._is_somebody, False)[place_of], place_of, -1)

    def _learn(self, known: pa.Array, fresh: pa.Array) -> None:
        """Subjects that were not met before."""
        self._known = pa.concat_arrays([known, fresh])
        words = [spelled(value) for value in fresh.to_pylist()]
        self.words += words
        self._is_somebody = np.append(self._is_somebody, [word is not None for word in words])
        self._folds = np.append(self._folds, folds([f"subject:{word}" for word in words]))

    def folds(self, places: np.ndarray) -> np.ndarray:
        """(n,) where the persons at these places fall when rows are divided (`fedsov.partition.routing.folds`)."""
        folds_of: np.ndarray = self._folds[places]
        return folds_of

    def pseudonyms(self, places: np.ndarray, keys: RegionKeys) -> np.ndarray:
        """(n, 16) uint8: the pseudonyms of the subjects at these places under a region's key."""
        names, is_known = self._keyed.get(
            (keys.region, keys.key_id), (np.zeros((0, DIGEST_BYTES), np.uint8), np.zeros(0, bool))
        )
        if len(is_known) < len(self.words):
            more = len(self.words) - len(is_known)
            names = np.concatenate([names, np.zeros((more, DIGEST_BYTES), np.uint8)])
            is_known = np.append(is_known, np.zeros(more, bool))
            self._keyed[keys.region, keys.key_id] = names, is_known
        is_fresh = ~is_known[places]
        if is_fresh.any():
            fresh = np.unique(places[is_fresh])
            digits = "".join(keys.pseudonyms(f"subject:{self.words[place]}" for place in fresh.tolist()))
            names[fresh] = np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, DIGEST_BYTES)
            is_known[fresh] = True
        chosen: np.ndarray = np.take(names, places, axis=0)
        return chosen
