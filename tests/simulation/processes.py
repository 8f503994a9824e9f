"""What the tests ask the system about processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def end_within(pids: Iterable[int], seconds: float) -> bool:
    """Whether all of these processes end in so many seconds."""
    until, left = time.monotonic() + seconds, set(pids)
    while left and time.monotonic() < until:
        left = {pid for pid in left if is_running(pid)}
        time.sleep(0.02)
    return not left


def children_of(pid: int) -> set[int]:
    """The children of a process, and theirs."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, new = set[int](), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found
