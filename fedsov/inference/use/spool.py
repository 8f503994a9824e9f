"""Where workers put what they counted, until the region closes the window: a folder a window, with a secret of its own.

    serving/use/BEGINS-SECONDS/secret      under which this window's people are digests; deleted with the folder
                               NAME.jsonl  what one worker counted, a line every few seconds

    spool = UseSpool(folder)
    spool.secret(begins, seconds)                  # the same for all workers of the region
    spool.append(frame, seconds)                   # a worker's own file
    spool.windows()                                # at the region's side: those that are there
    spool.frames(window); spool.remove(window)

A line that a kill cut off, or that cannot be read, is left out. The lines of a worker that is late do not bring a
window back that was removed: they are dropped.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from fedsov.inference.use.cells import UseFrame
from fedsov.storage.atomic_files import written_beside
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.private_files import make_private_folder, open_private

LARGEST = 2**28
"""Bytes of what one worker counts of one window; what comes beyond them is not counted."""
SECRET_BYTES = 32
_SECRET = "secret"


class Window(NamedTuple):
    """A window, by when it begins (seconds since 1970) and how long it is."""

    begins: int
    seconds: int

    @property
    def ends(self) -> int:
        return self.begins + self.seconds


class UseSpool:
    """The folder of a region's windows; `append` is for one process, the rest for any."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._name = folder, f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"

    def secret(self, window: Window) -> bytes:
        """The secret of a window: made by whoever asks first. Raises OSError."""
        path = self._of(window) / _SECRET
        if not path.exists():
            make_private_folder(path.parent)
            with written_beside(path, secrets.token_bytes(SECRET_BYTES)) as aside, suppress(FileExistsError):
                os.link(aside, path)
        return read_bounded(path, largest=SECRET_BYTES)

    def append(self, frame: UseFrame, window: Window) -> bool:
        """Adds a line to this process's file; False where its window is closed or its file is full. Raises OSError."""
        path = self._of(window) / self._name
        if not path.parent.is_dir():
            return False
        line = orjson.dumps(frame.to_json()) + b"\n"
        opened = open_private(path, os.O_WRONLY | os.O_APPEND)
        try:
            before = os.fstat(opened).st_size
            if before + len(line) > LARGEST:
                return False
            if os.write(opened, line) < len(line):  # the disk is full: half a line would spoil the next one
                os.ftruncate(opened, before)
                return False
        finally:
            os.close(opened)
        return True

    def windows(self) -> list[Window]:
        """The windows that are there, the oldest first."""
        names = [path.name.split("-") for path in self._folder.glob("*-*") if path.is_dir()]
        return sorted(Window(*map(int, parts)) for parts in names if len(parts) == 2 and all(map(str.isdigit, parts)))

    def frames(self, window: Window) -> Iterator[UseFrame]:
        """What all workers counted of a window. Raises OSError, TooLarge."""
        for path in sorted(self._of(window).glob("*.jsonl")):
            for line in read_bounded(path, largest=LARGEST).splitlines():
                with suppress(ValueError, TypeError, KeyError):
                    yield UseFrame.from_json(orjson.loads(line))

    def remove(self, window: Window) -> None:
        """Deletes a window, its secret first: from then on nothing tells who its people were."""
        folder = self._of(window)
        (folder / _SECRET).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _of(self, window: Window) -> Path:
        return self._folder / f"{window.begins}-{window.seconds}"
