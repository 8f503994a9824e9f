"""A copy of a source that lies elsewhere, while it is read: a file without a name, and nothing of it in the clear.

It is encrypted (AES-256 in counter mode) under a key that the process draws and never writes. So the disk holds noise,
also when the machine is cut off in the middle, and the file vanishes with the process, however that ends. It is written
once, from its first byte to its last: no part of the key stream serves twice.
"""

from __future__ import annotations

import io
import os
import secrets
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_BLOCK = 16


class SealedCopy(io.RawIOBase):
    """The copy, as a raw stream: `write` appends, everything else reads any part of it."""

    def __init__(self) -> None:
        super().__init__()
        self._file = TemporaryFile(buffering=0)  # noqa: SIM115  # closed with the stream
        self._cipher = algorithms.AES(secrets.token_bytes(32))
        self._place = self._size = 0

    def readable(self) -> bool:
        """True."""
        return True

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """The file's descriptor: what is read by it is noise."""
        return self._file.fileno()

    def write(self, content: ReadableBuffer, /) -> int:
        """Appends the content. Raises UnsupportedOperation at any other place than the end."""
        if self._place != self._size:
            raise io.UnsupportedOperation("a sealed copy is written once, from its beginning to its end")
        sealed = memoryview(self._stream(self._place, memoryview(content).cast("B")))
        self._place = self._size = self._place + len(sealed)
        written = 0
        while written < len(sealed):
            written += os.write(self.fileno(), sealed[written:])
        return written

    def readinto(self, into: WriteableBuffer, /) -> int:
        """Reads from the place where the stream is."""
        space = memoryview(into).cast("B")
        content = self.piece(len(space), self._place)
        space[: len(content)] = content
        self._place += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Goes to a place, counted from the beginning, from here or from the end."""
        self._place = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence])
        return self._place

    def piece(self, size: int, place: int) -> bytes:
        """Up to `size` bytes from a place on; where the stream is stays as it was."""
        return self._stream(place, os.pread(self.fileno(), size, place))

    def close(self) -> None:
        """The file is gone, and so is the key."""
        self._file.close()
        super().close()

    def _stream(self, place: int, content: bytes | memoryview) -> bytes:
        """The content of a place, sealed where it was in the clear, in the clear where it was sealed."""
        before = place % _BLOCK
        counter = (place // _BLOCK).to_bytes(_BLOCK, "big")
        return Cipher(self._cipher, modes.CTR(counter)).encryptor().update(bytes(before) + bytes(content))[before:]


def piece_of(file: BinaryIO, size: int, place: int) -> bytes:
    """Up to `size` bytes of a file from a place on, whatever else reads it."""
    copy = getattr(file, "raw", None)
    return copy.piece(size, place) if isinstance(copy, SealedCopy) else os.pread(file.fileno(), size, place)
