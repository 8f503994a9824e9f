"""Databases of a hub: one without anything, and one as it is after some weeks."""

from __future__ import annotations

import pytest

from fedsov.control_plane.database.engine import Database
from tests.control_plane.pages.overview_world import fill


@pytest.fixture
def database(tmp_path):
    opened = Database.open(f"sqlite:///{tmp_path}/control.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def filled(database):
    return fill(database)
