"""A region's disk that a test fills: a small file system in memory where root permits it, else a limit of file sizes.

`USED` counts which of the two a session's tests had, and `conftest.py` says so at its end.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

USED: Counter[str] = Counter()
SIZE = 16 << 20
SMALL_DISK, LIMITS = "a small file system", "a limit of file sizes, since this system permits no mount"


class SmallDisk:
    """The disk of a folder that is there already; its processes are named when it is filled."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._before = folder, folder.with_name(f"{folder.name}.before")
        folder.rename(self._before)
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(folder)]
        done = os.geteuid() == 0 and subprocess.run(words, check=False, capture_output=True).returncode == 0
        self.kind = SMALL_DISK if done else LIMITS
        shutil.copytree(self._before, folder, dirs_exist_ok=True)
        shutil.rmtree(self._before)
        self._free: Callable[[], None] = lambda: None

    def fill(self, process: int) -> None:
        """Leaves no byte for what this process writes."""
        if self.kind == LIMITS:
            before = resource.prlimit(process, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            self._free = lambda: resource.prlimit(process, resource.RLIMIT_FSIZE, before) and None
            return
        ballast = self._folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 16, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue
        self._free = ballast.unlink

    def free(self) -> None:
        """There is room again."""
        self._free()
        self._free = lambda: None

    def end(self) -> None:
        if self.kind == SMALL_DISK:
            subprocess.run(["umount", "-l", str(self._folder)], check=False, capture_output=True)
