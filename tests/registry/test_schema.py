from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from fedsov.registry import record, schema
from fedsov.registry.values import RunRecord


def meaning(path: Path) -> tuple[object, ...]:
    """What a schema says, whatever the order of a table's constraints (it varies from run to run)."""
    with closing(sqlite3.connect(path)) as file:
        made = file.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        tables = [name for kind, name, *_ in made if kind == "table"]
        columns = {name: file.execute(f'PRAGMA table_xinfo("{name}")').fetchall() for name in tables}
        seeds = [file.execute(f"SELECT * FROM {name}").fetchall() for name in schema.SEEDED_BY_MIGRATIONS]
    texts = [(*names, sorted(line.strip(" \t,") for line in (sql or "").splitlines())) for *names, sql in made]
    return texts, columns, seeds


def test_the_template_is_what_mlflow_s_own_migrations_make(tmp_path):
    """Slow (3 to 15 s), and the reason why everybody else's registry is fast."""
    import mlflow

    address = f"sqlite:///{tmp_path}/migrated.db"
    mlflow.MlflowClient(address, address).search_experiments()
    assert mlflow.__version__ == schema.DUMPED_FROM
    schema.create(tmp_path / "template.db")
    assert meaning(tmp_path / "template.db") == meaning(tmp_path / "migrated.db")


def test_a_registry_made_from_the_template_dumps_to_the_template(tmp_path):
    assert schema.create(tmp_path / "deep" / "mlflow.db")
    _, _, dumped = files("fedsov.registry").joinpath("schema.sql").read_text().partition("\n")
    assert schema.dump(tmp_path / "deep" / "mlflow.db") == dumped


def test_a_registry_that_exists_is_left_as_it_is(tmp_path):
    (tmp_path / "mlflow.db").write_text("mine")
    assert schema.create(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_text() == "mine"


def test_with_another_mlflow_its_own_migrations_run_and_say_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(schema, "DUMPED_FROM", "3.0.0")
    with caplog.at_level(logging.WARNING):
        assert record(tmp_path, RunRecord("r", "e")) == ()
    assert "runs its own migrations" in caplog.text
    assert schema.dump(tmp_path / "mlflow.db")


def test_an_interrupted_creation_leaves_nothing(tmp_path, monkeypatch):
    def broken(script: str, path: Path) -> None:
        with closing(sqlite3.connect(path)) as file:
            file.execute("CREATE TABLE half (made INTEGER)")
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "_execute", broken)
    with pytest.raises(KeyboardInterrupt):
        schema.create(tmp_path / "mlflow.db")
    assert not list(tmp_path.iterdir())
