"""What an endpoint's workers have is what is told of it, not what a list says, nor what a process had that is gone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fedsov.inference.use.guard import VersionWindow
from fedsov.runtimes.serving.running import Running, RunningVersion, read_running, write_running
from tests.runtimes.serving.serving_world import MODEL, ServingWorld
from tests.runtimes.serving.serving_world import Running as Endpoint

ROWS = {"rows": [{"age": 30, "years": 3}]}
REPORT = {"worker": 0, "waits_for": "", "counter": 4, "runs": [["m", 2, "champion", "ab"]], "faults": []}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory):
    """The real processes of an endpoint of two workers, with version 1."""
    world = ServingWorld.new(tmp_path_factory.mktemp("region"), workers=2)
    world.approve(1)
    with world.serving() as running:
        yield running.ready()


def test_what_every_worker_has_is_told_with_the_list_that_it_is_from(endpoint: Endpoint) -> None:
    world = endpoint.world
    _until(lambda: (now := _now(world)) is not None and now.workers == 2 and now.counter == world.counter)
    first = _now(world)
    world.approve(2, seed=2)
    _until(lambda: [(each.version, each.workers) for each in _now(world).versions] == [(2, 2)])
    now = _now(world)
    assert now.counter == world.counter and now.versions[0].digest == "00" * 32
    assert now.versions[0].since > first.versions[0].since and now.faults == () and now.waits_for == ""


def test_a_version_that_could_not_be_loaded_is_not_said_to_run(endpoint: Endpoint) -> None:
    world = endpoint.world
    before = _now(world).versions
    folder = world.approve(7, seed=7)
    (folder / "model.onnx").write_bytes(b"no model")
    world.write_list()
    _until(lambda: _now(world).counter == world.counter and _now(world).faults != ())
    now = _now(world)
    assert {each.version for each in now.versions} <= {7} | {each.version for each in before}
    world.approve(8, seed=8)
    _until(lambda: [each.version for each in _now(world).versions] == [8] and _now(world).faults == ())


def test_requests_are_counted_by_version_for_the_guard(endpoint: Endpoint) -> None:
    world = endpoint.world
    version = 11
    world.approve(version, seed=version)
    _until(lambda: [each.version for each in _now(world).versions] == [version])
    for _ in range(5):
        assert endpoint.predict(ROWS).json()["version"] == version
    assert endpoint.predict({"rows": [{"age": 30}]}).status == 422
    window = lambda: VersionWindow.of(_now(world).usage, (MODEL, version))  # noqa: E731
    _until(lambda: (window().requests, window().unread, window().faults) == (5, 1, 0))


def test_a_killed_worker_s_word_ends_with_it_and_a_killed_endpoint_s_too(tmp_path: Path) -> None:
    world = ServingWorld.new(tmp_path)
    world.approve(1)
    with world.serving() as endpoint:
        endpoint.ready()
        _until(lambda: _now(world) is not None and _now(world).workers == 1)
        since = _now(world).versions[0].since
        os.kill(endpoint.workers()[0], signal.SIGKILL)
        _until(lambda: _now(world).versions != () and _now(world).versions[0].since != since)
        os.kill(endpoint.process.pid, signal.SIGKILL)
        endpoint.process.wait()
        assert read_running(world.place.serving.running) is None


def test_workers_that_differ_are_both_told_and_a_version_keeps_its_time() -> None:
    other = {**REPORT, "counter": 3, "runs": [["m", 1, "champion", "cd"]], "faults": ["no room"], "waits_for": "keys"}
    first = Running.of([REPORT], Running(), at="monday", usage={})
    both = Running.of([REPORT, other], first, at="tuesday", usage={})
    assert both.versions == (
        RunningVersion("m", 1, "champion", "cd", 1, "tuesday"),
        RunningVersion("m", 2, "champion", "ab", 1, "monday"),
    )
    assert (both.counter, both.workers, both.faults, both.waits_for) == (3, 2, ("no room",), "")
    assert Running.of([other], both, at="wednesday", usage={}).waits_for == "keys"
    assert Running.of([], both, at="wednesday", usage={}).waits_for == "a worker to start"


@pytest.mark.parametrize("change", ["another process", "a number that is used again", "another form", "no json"])
def test_what_no_living_process_wrote_is_not_believed(tmp_path: Path, change: str) -> None:
    path = tmp_path / "running" / "versions.json"
    running = Running.of([REPORT], Running(), at="monday", usage={"versions": []})
    write_running(path, running)
    assert read_running(path) == running
    plain = json.loads(path.read_bytes())
    if change == "another process":
        plain["process"][0] = 2**22 + 1
    elif change == "a number that is used again":
        plain["process"][1] = "1"
    else:
        plain["format"] = "fedsov running versions 0"
    path.write_bytes(b"{" if change == "no json" else json.dumps(plain).encode())
    assert read_running(path) is None and path.stat().st_mode & 0o077 == 0


def _now(world: ServingWorld) -> Running:
    running = read_running(world.place.serving.running)
    return Running(waits_for="nothing is written yet") if running is None else running


def _until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
