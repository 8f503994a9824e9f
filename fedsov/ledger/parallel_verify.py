"""Following a long ledger with two processes: the first half in another, the second half here.

Hashing a million entries keeps one core busy for seconds, and Python's threads do not share that work. The second half
starts from the subtrees that the rows claim at the middle; they are the true ones where the other process, which
followed every row before them, arrived there with the same. That process is this module itself, and says one line. If
it says anything else, or nothing, nobody relies on it: the caller follows all rows alone and names the fault.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from fedsov.ledger.backends.opening import open_backend
from fedsov.ledger.entry_hashes import FIRST, ROWS, follow
from fedsov.ledger.merkle import HASH

LONG = 100_000
"""Entries from which a second process pays for its start, about a tenth of a second."""


def middle(size: int, end: int, *, long: int = LONG) -> int | None:
    """Where to part the entries after `size` up to `end`; None where there is one core, or one process is as quick."""
    if end - size < long or len(os.sched_getaffinity(0)) < 2:
        return None
    return (size + end) // 2


class ParallelVerifier:
    """The process that follows the entries after `size` up to `end`."""

    def __init__(self, path: Path, size: int, end: int, frontier: Sequence[bytes]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(path), str(size), str(end), b"".join(frontier).hex()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )

    def arrives_at(self, frontier: Sequence[bytes]) -> bool:
        """Waits for its end: True where all its rows hold and make up this frontier."""
        output, _ = self._process.communicate()
        return self._process.returncode == 0 and output.decode().strip() == b"".join(frontier).hex()

    def close(self) -> None:
        """Ends it, where it has not ended yet."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def main(arguments: Sequence[str]) -> int:
    """Follows a part and prints the frontier at its end, in hex; 1 where a row does not hold."""
    path, size, end, subtrees = Path(arguments[0]), int(arguments[1]), int(arguments[2]), bytes.fromhex(arguments[3])
    frontier = [subtrees[start : start + HASH] for start in range(0, len(subtrees), HASH)]
    with closing(open_backend(path, reads_only=True)) as backend, backend.reading() as transaction:
        reached, fault = follow(transaction.stream(ROWS, (size + 1 if size else FIRST, end)), size, frontier)
    print(b"".join(frontier).hex())
    return 1 if fault or reached != end else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
