"""A registry that came to another folder finds its artifacts there."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.errors import WorkspaceUnusable
from fedsov.model.packaging import saved
from fedsov.registry import tracking
from fedsov.registry.moved import ADDRESSES, move
from fedsov.registry.values import ModelRecord, RunRecord
from tests.model.world import parameters_of, saved_model


def _addresses(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [row[0] for table, column in ADDRESSES for row in database.execute(f"SELECT {column} FROM {table}")]


def test_every_address_below_the_old_home_is_below_the_new_one_and_the_weights_are_found(tmp_path: Path) -> None:
    old, new = tmp_path / "old home", tmp_path / "new"
    described = saved_model()
    weights = saved.write(tmp_path, described, parameters_of(described))
    model = ModelRecord("people", weights, {"region": "DE"})
    record = RunRecord("r", "people", models=(model,))
    with tracking.opened(old / "mlflow.db") as client:
        tracking.write(client, record, artifacts=old / "artifacts")
    assert sum(address.startswith(f"{old.as_uri()}/") for address in _addresses(old / "mlflow.db")) >= 5
    shutil.move(old, new)
    assert move(new / "mlflow.db", old, new) >= 5
    assert not [address for address in _addresses(new / "mlflow.db") if old.as_uri() in address]
    with tracking.opened(new / "mlflow.db") as client:
        (found,) = client.search_model_versions()
        assert tracking._weights(found) == weights.read_bytes()
    assert move(new / "mlflow.db", old, new) == 0, "a second time nothing is left"


def test_a_file_that_is_no_registry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all")
    with pytest.raises(WorkspaceUnusable, match="cannot be moved"):
        move(tmp_path / "mlflow.db", Path("/old"), Path("/new"))
