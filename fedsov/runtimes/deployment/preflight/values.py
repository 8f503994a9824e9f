"""What is examined, and what a check says of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from fedsov.infrastructure.workload.values import HEALTH_PORT
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import PartyFile, read_party
from fedsov.storage.workspace import Workspace


class Amiss(Exception):
    """What is wrong, and `mend`: the command or the act that mends it."""

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says.

    Attributes:
        check: its name.
        seen: what was found where all is well.
        problem: what is wrong, or why the check was not made; empty where all is well.
        mend: what to do about it.
        made: False where the check needs another one that failed.
    """

    check: str
    seen: str = ""
    problem: str = ""
    mend: str = ""
    made: bool = True

    @property
    def is_well(self) -> bool:
        return not self.problem

    def line(self) -> str:
        """The finding in one line."""
        if self.is_well:
            return f"ok         {self.check}: {self.seen}"
        return f"{'PROBLEM    ' if self.made else 'not made   '}{self.check}: {self.problem}; {self.mend}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _requirements() -> tuple[str, ...]:
    try:
        return tuple(metadata.requires("fedsov") or ())
    except metadata.PackageNotFoundError:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a check asks of the machine, and a test may say otherwise.

    Attributes:
        requirements: of fedsov, as its package states them (PEP 508).
        installed: the version of a package, empty where there is none.
        free: bytes that are free where a path lies.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    requirements: Sequence[str] = field(default_factory=_requirements)
    installed: Callable[[str], str] = _installed
    free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free


@dataclass(frozen=True, slots=True)
class ExaminedHome:
    """A party, by where it keeps what is its own.

    Attributes:
        home: its workspace.
        folder: its certificate, its key, and who it is.
        health_port: where its health will be told.
    """

    home: Path
    folder: DeploymentFolder
    health_port: int = HEALTH_PORT
    machine: Machine = field(default_factory=Machine)

    @property
    def party(self) -> PartyFile:
        """Who it is. Raises ConfigurationError."""
        return read_party(self.folder.party)

    @property
    def own_folder(self) -> Path:
        """The folder with its ledger. Raises ConfigurationError."""
        workspace = Workspace(self.home)
        return workspace.hub if self.party.role == "hub" else workspace.region(self.party.name)
