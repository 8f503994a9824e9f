"""A hub's accounts over a database of its own, and what was noted of them."""

from __future__ import annotations

import pytest

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.people.accounts import Accounts

NOW = 1_800_000_000.0


@pytest.fixture
def database(tmp_path):
    opened = Database.open(f"sqlite:///{tmp_path}/control.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def notes():
    return []


@pytest.fixture
def accounts(database, notes):
    return Accounts(database, note=notes.append)
