"""The folders of a run: ``hub/``, one folder per region, and the quarantine, all under one workspace.

Every path of a workspace is asked for here, as a value; nothing is created until it is needed.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.checks import refused, text
from fedsov.errors import ConfigurationError

LARGEST_UNBORN = 2**17
"""Bytes of a database, its log with it, that may hold tables and no row; a larger one holds rows."""

POSTGRESQL = ".postgresql"
"""How the file beside a ledger ends that names PostgreSQL as its store."""


def named_path(name: str, value: Any, called: str = "a path") -> Path:
    """The path that a setting names, a leading ``~`` being the user's folder.

    Raises:
        ConfigurationError: no text, or text that names nothing, which would be the current folder.
    """
    path = text(name, value, called)
    if not path.strip():
        raise refused(name, called, value)
    return Path(os.path.expanduser(path))


def named_path_or_none(name: str, value: Any) -> Path | None:
    """As `named_path`; None stays None."""
    return None if value is None else named_path(name, value, "a path, or null")


def ledger_of(folder: Path) -> Path:
    """The ledger of a hub's or a region's folder."""
    return folder / "ledger.sqlite"


def registry_of(folder: Path) -> Path:
    """The database of MLflow in a hub's or a region's folder."""
    return folder / "mlflow.db"


def store_of(folder: Path, dataset: str) -> Path:
    """Where a region's folder, or the quarantine, keeps a data set."""
    return folder / "store" / dataset


def is_there(path: Path) -> bool:
    """True where a ledger was made at this path, or PostgreSQL was named as its store.

    A file in which no ledger was begun (a full disk or a kill at its birth) is none; the next run makes it whole.
    """
    return (path.is_file() and not _is_unborn(path)) or _address_file(path).is_file()


def _is_unborn(path: Path) -> bool:
    """True for an empty file, and for a database without tables, or with no row in any of them."""
    size, logged = path.stat().st_size, log_size(path)
    if not size or size + logged > LARGEST_UNBORN:
        return not size
    address = f"{path.resolve().as_uri()}?mode=ro" + ("" if logged else "&immutable=1")
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return not any(database.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() for name in tables)
    except (sqlite3.Error, UnicodeDecodeError):
        return False  # whatever it is, it is not empty


def log_size(database: Path) -> int:
    """Bytes in the log beside a SQLite file; 0 where there is none, or its last user takes it away meanwhile."""
    try:
        return database.with_name(database.name + "-wal").stat().st_size
    except FileNotFoundError:
        return 0


def _address_file(path: Path) -> Path:
    return path.with_suffix(POSTGRESQL)


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

    @property
    def reviewers(self) -> Path:
        """The register of those who may approve a review."""
        return self.root / "reviewers.yaml"

    @property
    def law(self) -> Path:
        """Where an installed bundle of law lies, and what was confirmed."""
        return self.root / "law"

    @property
    def trial(self) -> Path:
        """The issuer of a trial's tokens: its key, its published keys, and the table that names it."""
        return self.root / "trial"

    @staticmethod
    def around(region: Path) -> Workspace:
        """The workspace that a region's folder lies in."""
        return Workspace(region.parent.parent)

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
        found = {name: ledger_of(folder) for name, folder in folders.items()}
        return {name: path for name, path in found.items() if is_there(path)}

    def require(self) -> None:
        """Raises ConfigurationError where no run has written here yet."""
        if not self.hub.is_dir() and not self.ledgers():
            raise ConfigurationError(
                f"workspace {self.root} holds no run yet; run `fedsov train` first, or name another with workspace=DIR"
            )
