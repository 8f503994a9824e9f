"""A new registry file in a tenth of a second, identical to the one MLflow would make.

MLflow builds a new SQLite store by running every migration it ever had: 2 to 15 seconds, and fedsov keeps one
registry per region. The file schema.sql beside this module is what those migrations leave behind; `create`
executes it. It is true for one version of MLflow (`DUMPED_FROM`). With any other version `create` writes
nothing and MLflow runs its own migrations, slowly and rightly. ``scripts/dump_registry_schema`` writes
schema.sql anew, and a test compares the two.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from fedsov.storage.private_files import beside, create_private_file, make_private_folder

DUMPED_FROM = "3.17.2"
SEEDED_BY_MIGRATIONS = ("alembic_version", "workspaces")

_log = logging.getLogger(__name__)


def create(path: Path) -> bool:
    """Create an empty registry at `path` from schema.sql; True where a file is there afterwards.

    False, with one line of progress, where the installed MLflow is not the one that was dumped: MLflow
    then creates the file itself when it first opens it. Raises OSError or sqlite3.Error where the folder
    cannot be written.
    """
    if path.exists():
        return True
    make_private_folder(path.parent)
    if version("mlflow") != DUMPED_FROM:
        _log.warning("MLflow %s runs its own migrations for %s (up to 15 s)", version("mlflow"), path)
        return False
    unfinished = beside(path)
    try:
        _execute(files(__package__).joinpath("schema.sql").read_text(), unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return True


def _execute(script: str, path: Path) -> None:
    create_private_file(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.executescript(script)


def dump(path: Path) -> str:
    """The schema of the SQLite file at `path` and the rows that migrations seed, as one script in one
    transaction."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        statements = [*_definitions(file), *_seeds(file)]
    return "\n".join(["BEGIN;", *(f"{statement};" for statement in statements), "COMMIT;", ""])


def _definitions(file: sqlite3.Connection) -> Iterator[str]:
    query = (
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        " ORDER BY type = 'trigger', type = 'view', type = 'index', name"
    )
    return (row[0] for row in file.execute(query))


def _seeds(file: sqlite3.Connection) -> Iterator[str]:
    for line in file.iterdump():
        if line.startswith(tuple(f'INSERT INTO "{table}"' for table in SEEDED_BY_MIGRATIONS)):
            yield line.rstrip(";")
