"""A region of people with a run's worth of everything, and a passphrase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsov.api.backups.archive import VARIABLE
from fedsov.protocol.flower_messages import flower_process
from tests.hostile.people_region import PeopleRegion, answered_once

WORDS = "a passphrase of the tests"


@pytest.fixture(scope="module", autouse=True)
def flower() -> Iterator[None]:
    """This process is the hub's, as in a run."""
    with flower_process():
        yield


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory, fork_servers: None, flower: None) -> PeopleRegion:
    """A region of 200 people that answered twice."""
    region = answered_once(tmp_path_factory.mktemp("people"), 200)
    return region


@pytest.fixture
def region(answered: PeopleRegion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PeopleRegion:
    """The same, which a test may change."""
    monkeypatch.setenv(VARIABLE, WORDS)
    return answered.copied(tmp_path / "place")


@pytest.fixture
def home(region: PeopleRegion) -> Path:
    return region.place / "w"
