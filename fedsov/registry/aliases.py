"""A registered model's alias, written without MLflow: its import takes seconds, and a process of the hub has none.

    point(folder, "people", "champion", 2)

MLflow keeps aliases in a table of its SQLite file (see `fedsov.registry.lookup`; a test compares with what MLflow
says). An alias is a view for people: what a region serves is on its approved list.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from fedsov.errors import WorkspaceUnusable
from fedsov.storage.workspace import registry_of

_HAS = "SELECT 1 FROM model_versions WHERE name = ? AND version = ?"
_SET = "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?, ?, ?)"
_DROP = "DELETE FROM registered_model_aliases WHERE name = ? AND alias = ?"


def point(folder: Path, model: str, alias: str, version: int | None) -> None:
    """Has an alias point to a version that the registry of a folder holds, or to none.

    Does nothing where there is no registry, or no such version. Raises WorkspaceUnusable for a damaged one.
    """
    path = registry_of(folder)
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=10)) as file, file:
            if version is not None and file.execute(_HAS, (model, version)).fetchone() is None:
                return
            file.execute(_DROP, (model, alias))
            if version is not None:
                file.execute(_SET, (model, alias, version))
    except sqlite3.Error as error:
        raise WorkspaceUnusable(f"the registry {path} cannot be written ({error}); restore your copy") from error
