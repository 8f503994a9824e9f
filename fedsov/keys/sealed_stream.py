"""A long stream of bytes, encrypted in pieces as it passes, so that memory does not grow with it.

Each piece is AES-256-GCM (NIST SP 800-38D) under one fresh key; its nonce is its number and whether it is the last, as
in STREAM (Hoang et al. 2015, https://eprint.iacr.org/2015/189): a piece that was changed, left out, moved or cut off
the end does not open. What the stream is stands before it and is bound to every piece.

    with SealedWriter(file, key, b"header") as out:
        out.write(b"rows")
    SealedReader(file, key, b"header").read(4)
"""

from __future__ import annotations

from types import TracebackType
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PIECE = 2**20
"""Bytes of a piece before it is encrypted; the last may have fewer."""
_TAG = 16
_NUMBER = 11
"""Bytes of a piece's number in its nonce of 12."""


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_NUMBER, "big") + bytes([last])


class SealedWriter:
    """Writes what it is given, encrypted; whole only once the block has ended without an error.

    `key` has 32 bytes and is used for this stream alone; `bound` must be the same when it is read.
    """

    def __init__(self, file: BinaryIO, key: bytes, bound: bytes) -> None:
        self._file, self._cipher, self._bound = file, AESGCM(key), bound
        self._waiting, self._number = bytearray(), 0

    def __enter__(self) -> SealedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._put(bytes(self._waiting), last=True)

    def write(self, content: bytes) -> None:
        """Takes bytes; a piece is written when more than a piece is there."""
        self._waiting += content
        while len(self._waiting) > PIECE:
            self._put(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]

    def _put(self, piece: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), piece, self._bound))
        self._number += 1


class SealedReader:
    """Reads what `SealedWriter` wrote; only bytes that are authentic are given out."""

    def __init__(self, file: BinaryIO, key: bytes, bound: bytes) -> None:
        self._file, self._cipher, self._bound = file, AESGCM(key), bound
        self._opened, self._number, self._ended = bytearray(), 0, False
        self._next = file.read(PIECE + _TAG)

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end alone. Raises ValueError where a piece does not open."""
        while len(self._opened) < size and not self._ended:
            self._open_piece()
        content = bytes(self._opened[:size])
        del self._opened[:size]
        return content

    def _open_piece(self) -> None:
        piece, self._next = self._next, self._file.read(PIECE + _TAG)
        self._ended = not self._next
        try:
            self._opened += self._cipher.decrypt(_nonce(self._number, last=self._ended), piece, self._bound)
        except (InvalidTag, ValueError):
            raise ValueError("does not decrypt: another key, or it was changed or cut") from None
        self._number += 1
