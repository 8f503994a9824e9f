"""``worker.log`` of a region: what its process prints, bounded whatever it is sent.

    log = RegionLog(folder)             # standard output and error go there from now on
    with log.of_message():              # what one message has printed
        ...

The file is moved to ``worker.log.1`` where it grows over `LARGEST`, so that the two take twice as much. Of what one
message prints `OF_MESSAGE` characters are kept; what is the same as for the message before is counted, and not written
again.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fedsov.errors import counted
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.private_files import make_private_folder, open_private

LARGEST = 2**20
OF_MESSAGE = 2**14
NAME, BEFORE = "worker.log", "worker.log.1"


class RegionLog:
    """The log of this process. A full disk loses lines, and nothing else."""

    def __init__(self, folder: Path) -> None:
        make_private_folder(folder)
        self._path, self._last, self._repeats = folder / NAME, "", 0
        self._open()

    def _open(self) -> None:
        """Sends standard output and error to the file, a new one where it has grown too large."""
        with suppress(OSError):
            if self._path.stat().st_size > LARGEST:
                os.replace(self._path, self._path.with_name(BEFORE))
        log = open_private(self._path, os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)

    @contextmanager
    def of_message(self) -> Iterator[None]:
        """What is printed within belongs to one message."""
        begins, before = os.fstat(2).st_size, (sys.stdout, sys.stderr)
        printed = _Bounded()
        sys.stdout = sys.stderr = printed
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
            with suppress(OSError):
                self._ended(begins, printed)

    def _ended(self, begins: int, printed: _Bounded) -> None:
        digest = sha256_hex(printed.text().encode("utf-8", "replace")) if printed.size else ""
        if digest and digest == self._last:
            self._repeats += 1
            os.ftruncate(2, begins)
            if self._repeats & (self._repeats - 1) == 0:  # 1, 2, 4, 8, ...
                os.write(2, f"(the same once more, {counted(self._repeats, 'time')} by now)\n".encode())
        elif digest:
            self._last, self._repeats = digest, 0
        if os.fstat(2).st_size > LARGEST:
            self._open()


class _Bounded(io.TextIOBase):
    """A stream that writes what comes at once, until it is too much."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self._parts: list[str] = []

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Writes a text, or as much of it as there is room for; a full disk takes none."""
        left, self.size = OF_MESSAGE - self.size, self.size + len(text)
        if left > 0:
            part = text if len(text) <= left else f"{text[:left]}\n(and more, which is left out)\n"
            self._parts.append(part)
            with suppress(OSError):
                os.write(2, part.encode("utf-8", "replace"))
        return len(text)

    def text(self) -> str:
        """What was kept of it."""
        return "".join(self._parts)
