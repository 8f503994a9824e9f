"""A hub's accounts over a database of its own (SQLite; in the long run PostgreSQL too), and what was noted of them."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update

from fedsov.control_plane.database.engine import CHANGES, Database
from fedsov.control_plane.database.place import SCHEME
from fedsov.control_plane.people.accounts import ACCOUNTS, Accounts
from fedsov.control_plane.people.attempts import ATTEMPTS
from fedsov.control_plane.people.openid import BEGUN
from fedsov.control_plane.people.sessions import SESSIONS
from tests.postgresql_server import postgresql_server

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def postgresql():
    server = postgresql_server()
    try:
        yield SCHEME + server.get_uri().split("://", 1)[1]
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def database(request, tmp_path):
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/control.sqlite" if is_file else request.getfixturevalue("postgresql")
    opened = Database.open(url)
    with opened.changing(wakes=False) as connection:
        connection.execute(update(CHANGES).values(counter=0))
        for table in (ACCOUNTS, SESSIONS, ATTEMPTS, BEGUN):
            connection.execute(delete(table))
    yield opened
    opened.close()


@pytest.fixture
def notes():
    return []


@pytest.fixture
def accounts(database, notes):
    return Accounts(database, note=notes.append)
