"""kill -9 of whoever acts about a rollout, at every statement that it writes: it goes on, whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from tuf.api.metadata import Metadata, Targets

from fedsov.control_plane.database.place import SCHEME
from fedsov.control_plane.repository import tables as repository_tables
from fedsov.control_plane.rollouts import states
from fedsov.errors import WorkspaceUnusable
from fedsov.inference.approved import read_approved
from fedsov.ledger.ledger import Ledger
from fedsov.storage.atomic_files import sha256_hex
from tests.control_plane.rollouts.world import HubWorld
from tests.postgresql_server import postgresql_server

NAMES = ("DE", "FR", "GB")
Act = Callable[[HubWorld], object]


def _start(world: HubWorld) -> object:
    return world.rollouts.start(2, by="A. Person", why="x")


def _next_wave(world: HubWorld) -> object:
    return world.report("DE", 2, "ok")


def _stop(world: HubWorld) -> object:
    return world.report("FR", 2, "errors")


def _back(world: HubWorld) -> object:
    return world.rollouts.rollback(2, by="A. Person", why="x")


def _sign(world: HubWorld) -> object:
    return world.sign(2, "DE")


def _at_second(*done: Act) -> Act:
    """Version 1 everywhere, version 2 proposed, and these acts."""

    def prepared(world: HubWorld) -> None:
        world.sign(world.propose(1))
        world.rollouts.start(1, by="A. Person", why="x", at_once=True)
        world.take()
        world.propose(2)
        for act in done:
            act(world)
            world.take()

    return prepared


def _sign_all(world: HubWorld) -> object:
    return world.sign(2)


CASES: dict[str, tuple[Act, Act, dict[str, int]]] = {
    "sign": (_at_second(), _sign, {"DE": 1, "FR": 1, "GB": 1}),
    "start": (_at_second(_sign_all), _start, {"DE": 2, "FR": 1, "GB": 1}),
    "next wave": (_at_second(_sign_all, _start), _next_wave, {"DE": 2, "FR": 2, "GB": 1}),
    "stop": (_at_second(_sign_all, _start, _next_wave), _stop, {"DE": 1, "FR": 1, "GB": 1}),
    "rollback": (_at_second(_sign_all, _start, _next_wave), _back, {"DE": 1, "FR": 1, "GB": 1}),
}


@pytest.mark.parametrize("case", ["start", "stop"])
def test_an_act_that_is_killed_is_whole_or_was_not(case: str, tmp_path: Path) -> None:
    assert _killed_everywhere(case, tmp_path, every=13), "it wrote nothing"


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_an_act_that_is_killed_at_each_statement_is_whole_or_was_not(case: str, tmp_path: Path) -> None:
    assert _killed_everywhere(case, tmp_path, every=1), "it wrote nothing"


def _killed_everywhere(case: str, folder: Path, *, every: int) -> int:
    """How often the act was killed, each time at a later write; what is there after it is whole."""
    prepare, act, served = CASES[case]
    with HubWorld.begin(folder / "before", *NAMES) as world:
        prepare(world)
        lists = {name: region.current for name, region in world.regions.items()}
        before = world.rollouts.status(2).rollout
    step = 1
    while True:
        home = folder / f"killed-{step}"
        shutil.copytree(folder / "before", home)
        was_killed = _run_until(home, lists, act, step)
        with HubWorld.begin(home, *NAMES) as world:
            _put(world, lists)
            _check(world)
            if world.rollouts.status(2).rollout == before:
                act(world)  # it was not; whoever was interrupted does it again
                _check(world)
            world.take()
            assert world.champions() == served
        shutil.rmtree(home)
        if not was_killed:
            return step // every
        step += every


def _run_until(home: Path, lists: dict[str, bytes], act: Act, step: int) -> bool:
    """Runs the act in a process that kills itself before its so-manieth write; whether it came to that."""
    child = os.fork()
    if not child:
        try:
            with HubWorld.begin(home, *NAMES) as world:
                _put(world, lists)
                _kill_at(world, step)
                act(world)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _kill_at(world: HubWorld, step: int) -> None:
    """Before each statement, each commit and each note of a ledger it may be over."""
    left = step

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    engine = world.rollouts.database.engine
    event.listen(engine, "before_cursor_execute", count)
    event.listen(engine, "commit", count)
    append = Ledger.append_all

    def counted(ledger: Ledger, entries: Any) -> Any:
        count()
        written = append(ledger, entries)
        count()
        return written

    Ledger.append_all = counted  # type: ignore[method-assign]


def _put(world: HubWorld, lists: dict[str, bytes]) -> None:
    for name, content in lists.items():
        world.regions[name].current = content


def _check(world: HubWorld) -> None:
    """What is published is what the state says, signed by both, in the list as in the metadata."""
    rollout = world.rollouts.status(2).rollout
    with world.rollouts.database.reading() as connection:
        for name, region in world.regions.items():
            published = world.rollouts.published(name)
            assert published is not None
            content, wanted = published
            read_approved(content, world.key, region.ledger.key)
            metadata = repository_tables.newest(connection, name)
            assert metadata is not None
            (target,) = Metadata[Targets].from_bytes(metadata).signed.targets.values()
            assert target.hashes["sha256"] == sha256_hex(content)
            step = rollout.steps[name].state
            is_forward = (wanted.rollout, wanted.direction) == (2, "forward")
            assert is_forward == (step in states.SERVING)
            assert (step == states.TAKEN_BACK) == ((wanted.rollout, wanted.direction) == (2, "back"))


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    server = postgresql_server()
    try:
        yield SCHEME + server.get_uri().split("://", 1)[1]
    finally:
        server.cleanup()


@pytest.mark.long
def test_a_database_that_is_killed_within_an_act_has_it_whole_or_not_and_the_act_can_be_done_again(
    tmp_path: Path, postgresql: str
) -> None:
    """A killed backend has PostgreSQL recover from its log, and every connection is lost."""
    prepare, act, served = CASES["stop"]
    with HubWorld.begin(tmp_path, *NAMES, url=postgresql) as world:
        prepare(world)
        before = world.rollouts.status(2).rollout
        for step in (3, 15, 27):
            engine = world.rollouts.database.engine
            killed = _kill_backend_at(engine, step)
            with pytest.raises(WorkspaceUnusable, match="database cannot be used now"):
                act(world)
            event.remove(engine, "before_cursor_execute", killed)
            _until_it_answers(world)
            _check(world)
            assert world.rollouts.status(2).rollout == before
        act(world)
        _check(world)
        world.take()
        assert world.champions() == served


def _kill_backend_at(engine: Engine, step: int) -> Callable[..., None]:
    """The server's process of a connection is killed before its so-manieth statement; what listens for that."""
    left = step

    def kill(connection: Any, *_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(connection.connection.dbapi_connection.info.backend_pid, signal.SIGKILL)

    event.listen(engine, "before_cursor_execute", kill)
    return kill


def _until_it_answers(world: HubWorld) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            world.rollouts.statuses()
            return
        except WorkspaceUnusable:
            assert time.monotonic() < end, "PostgreSQL did not recover"
            time.sleep(0.05)
