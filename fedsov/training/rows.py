"""A region's rows and their division: to train on, to choose on, and to report on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

SHARES = (0.6, 0.2)
"""Of all subjects: to train on, and to choose on; the rest is looked at once, for the table."""


class SplitMasks(NamedTuple):
    """(N,) boolean masks; each row is in exactly one."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, slots=True)
class Rows:
    """A region's rows as columns (see `fedsov.model.features`), with (N,) outcomes.

    `persons`, where given, is (N,): whose row each is, as `Statistics.from_records` understands it.
    """

    columns: Mapping[str, np.ndarray]
    kinds: Mapping[str, str]
    y: np.ndarray
    persons: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    def select(self, mask: np.ndarray) -> Rows:
        """The rows where the (N,) mask is true."""
        columns = {name: column[mask] for name, column in self.columns.items()}
        persons = None if self.persons is None else self.persons[mask]
        return Rows(columns, self.kinds, self.y[mask], persons)


@dataclass(frozen=True, slots=True)
class DataSplit:
    """A region's rows: to train on, to choose on, and to report on."""

    train: Rows
    validation: Rows
    test: Rows


def seed_key(seed: int) -> bytes:
    """The key of 8 bytes that a seed is, for rows whose division anybody may know."""
    return seed.to_bytes(8, "big", signed=True)


def split(subjects: np.ndarray, key: bytes) -> SplitMasks:
    """Divides rows 60/20/20 by a keyed hash of their subject.

    A person's rows stay together, and stay where they are when others are added or erased.

    Args:
        subjects: (N,) of str, pseudonymous keys.
        key: the hash's, of 1 to 64 bytes: `seed_key`, or a secret of whoever holds the rows. Who knows it knows the
            division of every person that they can name, and may subtract answers under one from answers under another.
    """
    digests = (hashlib.blake2b(str(one).encode(), key=key, digest_size=8).digest() for one in subjects.tolist())
    place = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.float64) / 2.0**64
    first, second = SHARES[0], sum(SHARES)
    return SplitMasks(place < first, (place >= first) & (place < second), place >= second)
