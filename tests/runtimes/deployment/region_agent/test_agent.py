"""A region's agent: it acts on news, tries again what failed, reports at once, and says since when it is cut off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedsov.control_plane.database.notices import announce
from fedsov.control_plane.regions.directory import region_state
from fedsov.errors import FedsovError
from fedsov.protocol.control import APPROVED, CONFIGURATION
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.runtimes.deployment.region_agent.agent import RegionActs, RegionAgent, RepeatedAct
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.runtimes.deployment.supervision.health import Health
from tests.runtimes.deployment.control.world import SECONDS, ControlWorld, serving


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlWorld]:
    with ControlWorld.begin(tmp_path_factory.mktemp("hub"), ["DE"]) as world:
        yield world


class RunningAgent:
    """An agent in a thread, and what it says."""

    def __init__(self, world: ControlWorld, acts: RegionActs) -> None:
        self.events: list[tuple[str, str]] = []
        self.health, self.stop = Health(), threading.Event()
        self.client = ControlClient(world.address, Credentials.of(world.trial.regions["DE"]))
        self.agent = RegionAgent(self.client, acts, self._tell, self.health)
        self.thread = threading.Thread(target=self.agent.serve, args=(self.stop,))

    def _tell(self, event: str, text: str, **_: object) -> None:
        self.events.append((event, text))

    def heard(self, event: str) -> list[str]:
        return [text for word, text in self.events if word == event]


@contextmanager
def running(world: ControlWorld, acts: RegionActs) -> Iterator[RunningAgent]:
    agent = RunningAgent(world, acts)
    agent.thread.start()
    try:
        yield agent
    finally:
        agent.stop.set()
        agent.agent.interrupt()
        agent.thread.join(SECONDS)
        assert not agent.thread.is_alive()


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def nothing() -> control.RunningReport:
    return control.RunningReport(endpoint="none")


def test_an_act_that_fails_is_said_and_done_again_until_it_is_done(world: ControlWorld) -> None:
    tries: list[int] = []

    def take(client: ControlClient) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise FedsovError("the disk is full; free some space")

    with running(world, RegionActs(running=nothing, on_news={APPROVED: take})) as agent:
        until(lambda: agent.health.state.connected)
        with world.database.changing() as connection:
            announce(connection, APPROVED, "DE")
        until(lambda: len(tries) == 3)
        until(lambda: agent.agent._seen.get(APPROVED))
    assert agent.heard("not done")[0].endswith("the disk is full; free some space; it is tried again")
    assert len(tries) == 3


def test_an_error_that_nobody_foresaw_is_told_by_its_kind_alone_and_ends_no_agent(world: ControlWorld) -> None:
    done = threading.Event()

    def take(client: ControlClient) -> None:
        if not done.is_set():
            done.set()
            raise ValueError("Anna Schmidt, 43")

    with world.database.changing() as connection:
        announce(connection, APPROVED, "DE")
    with running(world, RegionActs(running=nothing, on_news={APPROVED: take})) as agent:
        until(lambda: agent.agent._seen.get(APPROVED))
    assert "ValueError" in agent.heard("not done")[0]
    assert not [text for _, text in agent.events if "Anna" in text]


def test_what_changed_in_the_region_is_reported_at_once_and_waits_for_no_beat(
    world: ControlWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedsov.runtimes.deployment.region_agent.agent.BEAT", 600.0)
    version = [1]

    def report() -> control.RunningReport:
        running = control.RunningVersion(model="m", version=version[0], mode="champion")
        return control.RunningReport(counter=version[0], versions=[running])

    def counter() -> int:
        with world.database.reading() as connection:
            state = region_state(connection, "DE")
        return 0 if state is None else state.counter

    with running(world, RegionActs(running=report)) as agent:
        until(lambda: counter() == 1)
        version[0] = 2
        agent.agent.report_now.set()
        until(lambda: counter() == 2)
    assert agent.heard("no report") == []


def test_what_is_repeated_is_done_again_and_one_that_fails_holds_up_no_news(world: ControlWorld) -> None:
    repeated: list[int] = []
    taken = threading.Event()

    def fails(client: ControlClient) -> None:
        repeated.append(1)
        raise FedsovError("nothing to release")

    acts = RegionActs(
        running=nothing, on_news={APPROVED: lambda client: taken.set()}, repeated=(RepeatedAct(0.05, fails),)
    )
    with running(world, acts) as agent:
        until(lambda: len(repeated) >= 3)
        with world.database.changing() as connection:
            announce(connection, APPROVED, "DE")
        until(taken.is_set)
    assert "nothing to release" in agent.heard("not done")[0]


def test_news_that_cannot_be_taken_hold_up_neither_other_news_nor_what_is_repeated(world: ControlWorld) -> None:
    """A hub that was put back hands out a list that is refused again and again: its witnesses are needed most then."""
    configured, repeated = threading.Event(), threading.Event()

    def refuses(client: ControlClient) -> None:
        raise FedsovError("the list is older")

    acts = RegionActs(
        running=nothing,
        on_news={APPROVED: refuses, CONFIGURATION: lambda client: configured.set()},
        repeated=(RepeatedAct(600.0, lambda client: repeated.set()),),
    )
    with world.database.changing() as connection:
        announce(connection, APPROVED, "DE")
        announce(connection, CONFIGURATION, "DE")
    with running(world, acts) as agent:
        until(lambda: configured.is_set() and repeated.is_set())
        until(lambda: agent.agent._seen.get(CONFIGURATION))
        assert APPROVED not in agent.agent._seen


def test_cut_off_it_says_since_when_and_finds_the_hub_again(tmp_path: Path) -> None:
    with ControlWorld.begin(tmp_path, ["DE"]) as first:
        address = first.address
        with running(first, RegionActs(running=nothing)) as agent:
            until(lambda: agent.health.state.connected)
            assert agent.agent.cut_off_since is None
            first.end_service()
            until(lambda: not agent.health.state.connected)
            since = agent.agent.cut_off_since
            assert since is not None
            assert "without the hub since " + since.isoformat(timespec="seconds") in agent.heard("cut off")[-1]
            time.sleep(0.5)
            heard = agent.heard("cut off")
            assert len(heard) == len(set(heard)), "it is said once, however often the hub is tried"
            with serving(first.trial, first.database, port=address.port):
                until(lambda: agent.health.state.connected)
                assert agent.agent.cut_off_since is None
    assert "answers, after" in agent.heard("connected")[-1]
