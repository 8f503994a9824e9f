"""The service of regions: who is let in, what a long poll waits for, and what a region reports."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fedsov.control_plane.database.notices import announce
from fedsov.control_plane.regions.directory import directory
from fedsov.errors import WorkspaceUnusable
from fedsov.protocol.control import APPROVED, CONFIGURATION
from fedsov.protocol.control import control_pb2 as control
from tests.runtimes.deployment.control.world import ControlWorld


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlWorld]:
    with ControlWorld.begin(tmp_path_factory.mktemp("hub"), ["DE", "FR"]) as world:
        yield world


def test_a_region_says_hello(world: ControlWorld) -> None:
    told = world.client("DE").hello()
    assert (told.hub, told.protocol, told.instance) == ("hub", 1, world.service.instance)


def test_a_long_poll_is_answered_as_soon_as_there_is_news_for_its_region(world: ControlWorld) -> None:
    client = world.client("DE")
    seen = client.watch({}, wait=0.0)
    answered: list[tuple[float, dict[str, int]]] = []
    waiting = threading.Thread(target=lambda: answered.append((time.monotonic(), client.watch(seen, wait=20.0))))
    waiting.start()
    with world.database.changing() as connection:
        announce(connection, APPROVED, "DE")
    waiting.join(15)
    assert list(answered[0][1]) == [APPROVED]


def test_news_of_another_region_wake_nobody_and_news_for_all_wake_everybody(world: ControlWorld) -> None:
    client = world.client("FR")
    seen = client.watch({}, wait=0.0)
    with world.database.changing() as connection:
        announce(connection, APPROVED, "DE")
    assert client.watch(seen, wait=0.2) == {}
    with world.database.changing() as connection:
        announce(connection, CONFIGURATION)
    assert list(client.watch(seen, wait=20.0)) == [CONFIGURATION]


def test_what_a_region_reports_stands_in_the_directory(world: ControlWorld) -> None:
    running = control.RunningVersion(model="m", version=2, mode="champion", digest="ab" * 32, since="2026-11-30")
    before = world.database.changes
    world.client("DE").report(control.RunningReport(counter=4, versions=[running], endpoint="serving"))
    until = time.monotonic() + 20
    while world.database.changes == before and time.monotonic() < until:
        time.sleep(0.005)
    with world.database.reading() as connection:
        state = next(each for each in directory(connection) if each.name == "DE")
    assert (state.counter, state.running[0].version, state.report["endpoint"]) == (4, 2, "serving")
    assert state.is_reachable(state.seen_at)


def test_a_database_that_fails_once_ends_no_news(world: ControlWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    client, failed, read = world.client("DE"), threading.Event(), world.service._all_notices
    seen = client.watch({}, wait=0.0)

    def fails_once() -> object:
        if failed.is_set():
            return read()
        failed.set()
        raise WorkspaceUnusable("the database is away")

    monkeypatch.setattr(world.service, "_all_notices", fails_once)
    with world.database.changing() as connection:
        announce(connection, APPROVED, "DE")
    assert list(client.watch(seen, wait=20.0)) == [APPROVED]
    assert failed.is_set()
