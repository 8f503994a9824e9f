"""How many equal rows came before each row, in memory that does not grow with the rows.

Rows are known by a digest under a key that this process draws and never writes. Up to `IN_MEMORY` of them are kept in
memory; more are put aside by digest, 16 bytes a row, in files that have no name (`tempfile.TemporaryFile`): they are
gone with the process, however it ends. Only rows that repeat one before them are remembered, 16 bytes each.

>>> repeats = Repeats()
>>> repeats.add(np.zeros((2, 16), np.uint8))
>>> repeats.told().between(0, 2).tolist()
[0, 1]
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

DIGEST_BYTES = 16
IN_MEMORY = 1 << 20
_FILES = 64
_ENTRY = np.dtype([("row", "<u8"), ("name", "<u8")])


@dataclass(frozen=True, slots=True, eq=False)
class Repeated:
    """The rows that repeat one before them: their numbers, ascending, and how many equal ones came before each."""

    rows: np.ndarray
    before: np.ndarray

    def between(self, first: int, last: int) -> np.ndarray:
        """(last - first,) int64: how many equal rows came before each of these."""
        counts = np.zeros(last - first, np.int64)
        start, stop = np.searchsorted(self.rows, [first, last])
        counts[self.rows[start:stop] - first] = self.before[start:stop]
        return counts


class Repeats:
    """Rows that are added in their order, and then told."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)
        self._rows, self._waiting = 0, 0
        self._parts: list[np.ndarray] = []
        self._files: list[BinaryIO] = []

    def add(self, digests: np.ndarray) -> None:
        """The next rows, by (rows, 16) uint8 digests of their values."""
        entries = np.zeros(len(digests), _ENTRY)
        entries["row"] = np.arange(self._rows, self._rows + len(digests))
        entries["name"] = enciphered(digests, self._key).view("<u8")[:, 0]  # single blocks, no text
        self._parts.append(entries)
        self._rows += len(digests)
        self._waiting += len(digests)
        if self._waiting > IN_MEMORY:
            self._put_aside()

    def told(self) -> Repeated:
        """What repeats, of all rows that were added. Files are closed and gone."""
        if self._files:
            self._put_aside()
        parts = [_repeated(entries) for entries in self._each()]
        found = np.concatenate(parts) if parts else np.zeros(0, _ENTRY)
        found = found[np.argsort(found["row"], kind="stable")]
        self._parts, self._files = [], []
        return Repeated(found["row"].astype(np.int64), found["name"].astype(np.int64))

    def _put_aside(self) -> None:
        """Appends what waits to the files, by the first bits of its names."""
        if not self._files:
            self._files = [tempfile.TemporaryFile() for _ in range(_FILES)]  # noqa: SIM115  # closed when told
        waiting = np.concatenate(self._parts) if self._parts else np.zeros(0, _ENTRY)
        place = (waiting["name"] >> np.uint64(58)).astype(np.uint8)
        ordered = np.take(waiting, np.argsort(place, kind="stable"))
        ends = np.cumsum(np.bincount(place, minlength=_FILES))
        for file, start, stop in zip(self._files, [0, *ends[:-1]], ends, strict=True):
            file.write(ordered[start:stop].tobytes())
        self._parts, self._waiting = [], 0

    def _each(self) -> Iterator[np.ndarray]:
        """The entries, so that equal names are in one part, in the order of their rows."""
        if not self._files:
            yield np.concatenate(self._parts) if self._parts else np.zeros(0, _ENTRY)
        for file in self._files:
            with file:
                file.seek(0)
                yield np.frombuffer(file.read(), _ENTRY)


def _repeated(entries: np.ndarray) -> np.ndarray:
    """The entries of rows that repeat one before them, their count in the place of their name."""
    names = np.sort(entries["name"])
    twice = names[1:][names[1:] == names[:-1]]
    if not len(twice):  # a sort alone is many times faster than one that says where each was
        return entries[:0]
    at = np.minimum(np.searchsorted(twice, entries["name"]), len(twice) - 1)
    entries = entries[twice[at] == entries["name"]]
    ordered = entries[np.argsort(entries["name"], kind="stable")]
    is_first = np.ones(len(ordered), bool)
    is_first[1:] = ordered["name"][1:] != ordered["name"][:-1]
    place = np.arange(len(ordered))
    before = place - np.maximum.accumulate(np.where(is_first, place, 0))
    ordered["name"] = before
    return ordered[before > 0]


def enciphered(blocks: np.ndarray, key: bytes) -> np.ndarray:
    """(rows, 16) uint8 of blocks of 16 bytes, each by itself: a permutation of the names, not a way to hide a text."""
    names: np.ndarray = np.empty(blocks.nbytes + DIGEST_BYTES, np.uint8)  # OpenSSL asks for a block more
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    if blocks.nbytes:
        cipher.update_into(np.ascontiguousarray(blocks).data.cast("B"), names.data)
    return names[: blocks.nbytes].reshape(-1, DIGEST_BYTES)
