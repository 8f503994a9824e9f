"""Runs of these tests share their fork servers."""

from __future__ import annotations

import pytest

from tests.hostile.people_region import PeopleRegion, drawn


@pytest.fixture(scope="session", autouse=True)
def warm(fork_servers: None) -> None:
    """Before the first test of this folder that a process runs."""


@pytest.fixture(scope="session")
def thirty_people(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """A region of 30 people, which no test changes."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(30)))
    return region
