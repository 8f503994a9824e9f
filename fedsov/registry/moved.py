"""A registry that came to another folder: MLflow keeps the whole address of every artifact in its database.

move(folder / "mlflow.db", Path("/old/home"), Path("/new/home"))
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from fedsov.errors import WorkspaceUnusable

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns in which MLflow keeps where artifacts are."""


def move(path: Path, old: Path, new: Path) -> int:
    """Lets addresses below the folder `old` be below `new`; how many. Both are absolute; no file is moved.

    Raises WorkspaceUnusable where the database cannot be read or written.
    """
    before, after = f"{old.as_uri()}/", f"{new.as_uri()}/"
    try:
        with closing(sqlite3.connect(path)) as database, database:
            return sum(
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (after, len(before) + 1, len(before), before),
                ).rowcount
                for table, column in ADDRESSES
            )
    except sqlite3.Error as problem:
        raise WorkspaceUnusable(f"the registry {path} cannot be moved: {problem}") from problem
