"""The migrations make the tables of the code, on SQLite and on PostgreSQL, whoever opens a database first."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import fedsov.control_plane
from fedsov.control_plane.database.engine import METADATA, Database
from fedsov.control_plane.database.migrations import FOLDER, NEWEST
from fedsov.control_plane.database.place import SCHEME
from fedsov.errors import WorkspaceUnusable
from tests.postgresql_server import postgresql_server

for _module in pkgutil.walk_packages(fedsov.control_plane.__path__, "fedsov.control_plane."):
    if ".migrations" not in _module.name:
        importlib.import_module(_module.name)


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = postgresql_server()
    try:
        yield SCHEME + server.get_uri().split("://", 1)[1]
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.sqlite'}"
    return str(request.getfixturevalue("postgresql"))


def test_the_migrations_make_the_tables_of_the_code(url: str) -> None:
    """Where this fails: python scripts/control_migration.py "what changed"."""
    with closing(Database.open(url)) as database, database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert set(inspect(connection).get_table_names()) == {"alembic_version", *METADATA.tables}


def test_those_who_open_a_new_database_at_once_make_it_once(url: str, postgresql: str) -> None:
    if url == postgresql:
        with closing(Database.open(url)) as database, database.changing(wakes=False) as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    with ThreadPoolExecutor(4) as several:
        opened = list(several.map(Database.open, [url] * 4))
    assert [database.changes for database in opened] == [0, 0, 0, 0]
    for database in opened:
        database.close()


def test_a_database_of_another_version_is_not_opened(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'control.sqlite'}"
    with closing(Database.open(url)) as database, database.changing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WorkspaceUnusable, match="another version of fedsov"):
        Database.open(url)


def test_one_that_cannot_be_reached_is_said_with_the_way_out() -> None:
    with pytest.raises(WorkspaceUnusable, match="see that its server runs"):
        Database.open(f"{SCHEME}nobody@127.0.0.1:1/none")


def test_the_newest_change_is_the_one_that_the_package_names() -> None:
    assert ScriptDirectory(str(FOLDER)).get_heads() == [NEWEST]
