"""One holder of a workspace at a time.

A workspace belongs to one run (a lock in the hub's folder says which), so that Ctrl-C or a crash never leaves two runs
writing. The run's processes hold the lock with it: those of a killed run end by themselves within seconds, and the next
run waits for them.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fedsov.errors import WorkspaceUnusable
from fedsov.processes import is_alive
from fedsov.storage.private_files import make_private_folder, open_private
from fedsov.storage.workspace import Workspace

LONGEST_WAIT = 15.0
"""Seconds for the processes of a killed run to end; they are given two to notice (`fedsov.runtimes.fork_server`)."""


NOBODY = b" " * 12


@contextmanager
def hold_workspace(workspace: Workspace) -> Iterator[Workspace]:
    """Holds the workspace for one run.

    Raises:
        WorkspaceUnusable: it cannot be created or written, or another run holds it.
    """
    try:
        make_private_folder(workspace.hub)
        make_private_folder(workspace.regions)
        lock = open_private(workspace.hub / "lock", os.O_RDWR)
    except OSError as error:
        raise WorkspaceUnusable(
            f"workspace {workspace.root} cannot be written ({error.strerror}); free or unlock it, "
            "or name another with workspace=DIR"
        ) from error
    try:
        _take(lock, workspace)
        try:
            yield replace(workspace, lock=lock)
        finally:
            os.pwrite(lock, NOBODY, 0)  # its processes hold the lock until they have ended, which is soon
    finally:
        os.close(lock)


@contextmanager
def hold_file(path: Path) -> Iterator[None]:
    """Holds a lock file while the block runs, and waits for whoever holds it. Raises WorkspaceUnusable."""
    try:
        make_private_folder(path.parent)
        lock = open_private(path, os.O_RDWR)
    except OSError as error:
        raise WorkspaceUnusable(f"{path} cannot be written ({error.strerror}); make room or allow writing") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _take(lock: int, workspace: Workspace) -> None:
    until = time.monotonic() + LONGEST_WAIT
    try:
        while not _taken(lock, wait=time.monotonic() < until):
            time.sleep(0.05)
        os.pwrite(lock, f"{os.getpid():<12}".encode(), 0)
    except BlockingIOError as error:
        holder = _holder(lock)
        by = f"the run with process id {holder}" if holder else "processes of a run that is over"
        raise WorkspaceUnusable(
            f"workspace {workspace.root} is in use by {by}; wait for it, or name another with workspace=DIR"
        ) from error
    except OSError as error:
        raise WorkspaceUnusable(f"workspace {workspace.root} cannot be written ({error.strerror})") from error


def _taken(lock: int, *, wait: bool) -> bool:
    """True once the lock is ours; False while only what a run that is over left behind holds it, and we may `wait`."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        if not wait or _is_alive(_holder(lock)):
            raise
        return False


def _holder(lock: int) -> str:
    return os.pread(lock, 12, 0).decode(errors="replace").strip()


def _is_alive(holder: str) -> bool:
    """Whether another process of this number is alive; this one may have ended a run and begun the next."""
    if not holder.isdecimal() or int(holder) == os.getpid():
        return False
    return is_alive(int(holder))
