"""A region's records in memory: columns, target, pseudonyms, and the label of each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from fedsov.label import Label, join


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Rows of one region; identifiers are never among them.

    Attributes:
        region: the region's name.
        columns: name to (rows,) array: float64 with NaN for missing, or object of str and None.
        kinds: name to "numeric" or "categorical".
        target: (rows,) float64, or object of str.
        subjects: (rows,) pseudonyms of 32 hexadecimal digits, known to this region alone.
        labels: the different labels of the rows.
        label_of: (rows,) places in `labels`.
        folds: (rows,) of 0 to 65535, equal for one person's rows and in every workspace; None for rows of nobody.
        row_digests: (rows,) int64, keyed digests of the rows' values; None where they are not known.
        consents: (rows,) bool, whose people consented to a base model; None where nobody was asked.
        arrived: (rows,) days since 1970 on which rows were appended, NaN for others; None where none was.
    """

    region: str
    columns: Mapping[str, np.ndarray]
    kinds: Mapping[str, str]
    target: np.ndarray
    subjects: np.ndarray
    labels: tuple[Label, ...]
    label_of: np.ndarray
    folds: np.ndarray | None = None
    row_digests: np.ndarray | None = None
    consents: np.ndarray | None = None
    arrived: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.label_of)

    @property
    def label(self) -> Label:
        """The join over the rows that are present; `PUBLIC` for none."""
        return join(self.labels[place] for place in np.unique(self.label_of))

    @property
    def public(self) -> np.ndarray:
        """(rows,) bool: rows that nothing binds."""
        return self._where([label.is_public for label in self.labels])

    @property
    def unrestricted(self) -> np.ndarray:
        """(rows,) bool: rows that carry no restriction."""
        return self._where([not label.restrictions for label in self.labels])

    @property
    def consented(self) -> np.ndarray:
        """(rows,) bool: bound rows without a restriction whose people consented to a base model."""
        bound: np.ndarray = self.unrestricted & ~self.public
        return np.zeros_like(bound) if self.consents is None else bound & self.consents

    def select(self, rows: np.ndarray) -> Records:
        """The rows of a (rows,) bool mask or of an integer index; labels go with their rows."""
        chosen = np.asarray(rows)
        if chosen.size == 0 and chosen.dtype != bool:
            chosen = chosen.astype(np.int64)
        columns = {name: values[chosen] for name, values in self.columns.items()}
        target, subjects, label_of = self.target[chosen], self.subjects[chosen], self.label_of[chosen]
        folds = None if self.folds is None else self.folds[chosen]
        digests = None if self.row_digests is None else self.row_digests[chosen]
        consents = None if self.consents is None else self.consents[chosen]
        arrived = None if self.arrived is None else self.arrived[chosen]
        return Records(
            self.region, columns, self.kinds, target, subjects, self.labels, label_of, folds, digests, consents, arrived
        )

    def _where(self, flags: list[bool]) -> np.ndarray:
        return np.array(flags, bool)[self.label_of] if flags else np.zeros(len(self), bool)


def keyed_numbers(pseudonyms: Iterable[str]) -> np.ndarray:
    """(n,) int64: the first half of each pseudonym as a number, which sorts, intersects and compresses fast."""
    halves = bytes.fromhex("".join(pseudonym[:16] for pseudonym in pseudonyms))
    return np.frombuffer(halves, ">i8").astype(np.int64)
