"""The folders of a run: ``hub/``, one folder per region, and the quarantine, all under one workspace.

The workspace belongs to one run at a time (a lock in the hub's folder says which), so that Ctrl-C or a crash can
never leave two runs writing. The run's processes hold the lock with it: those of a run that was killed end by
themselves within some seconds, and the next run waits for them. Opening it proves that it can be written before
anything is computed.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fedsov.border.home import is_there
from fedsov.errors import ConfigurationError, WorkspaceUnusable

LONGEST_WAIT = 15.0
"""Seconds for the processes of a killed run to end; they are given two to notice (`fedsov.federation.warm`)."""


NOBODY = b" " * 12


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths of one workspace; nothing is created until it is needed. `lock` is its lock's descriptor while held."""

    root: Path
    lock: int | None = None

    @property
    def hub(self) -> Path:
        return self.root / "hub"

    @property
    def regions(self) -> Path:
        return self.root / "regions"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    def region(self, name: str) -> Path:
        """The folder of one region. Raises ConfigurationError for a name that would leave the workspace."""
        if not name or not name.replace("-", "").replace("_", "").isalnum():
            raise ConfigurationError(f"region name {name!r} must be letters, digits, '-' or '_'")
        return self.regions / name

    def region_names(self) -> list[str]:
        """Names of the regions that have a folder, sorted."""
        return sorted(path.name for path in self.regions.glob("*") if path.is_dir())

    def ledgers(self) -> dict[str, Path]:
        """The ledgers that exist: ``hub`` first, then each region's."""
        folders = {"hub": self.hub, **{name: self.region(name) for name in self.region_names()}}
        found = {name: folder / "ledger.sqlite" for name, folder in folders.items()}
        return {name: path for name, path in found.items() if is_there(path)}

    def require(self) -> None:
        """Raises ConfigurationError where no run has written here yet."""
        if not self.hub.is_dir():
            raise ConfigurationError(
                f"workspace {self.root} holds no run yet; run `python -m fedsov train` first, "
                "or name another with workspace=DIR"
            )


@contextmanager
def occupied(workspace: Workspace) -> Iterator[Workspace]:
    """Holds the workspace for one run.

    Raises:
        WorkspaceUnusable: it cannot be created or written, or another run holds it.
    """
    try:
        workspace.hub.mkdir(parents=True, exist_ok=True)
        workspace.regions.mkdir(exist_ok=True)
        lock = os.open(workspace.hub / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
        if not wait or _is_there(_holder(lock)):
            raise
        return False


def _holder(lock: int) -> str:
    return os.pread(lock, 12, 0).decode(errors="replace").strip()


def _is_there(holder: str) -> bool:
    """Whether another process of this number is alive; this one may have ended a run and begun the next."""
    if not holder.isdecimal() or int(holder) == os.getpid():
        return False
    try:
        os.kill(int(holder), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
