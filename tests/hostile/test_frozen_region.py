"""A region that freezes costs the run one round's time, and is left out by name until it answers."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from flwr.app import RecordDict

from fedsov.hub import region_queries
from fedsov.protocol.flower_messages import reason_of
from tests.api.test_bad_input import Underway, settings_for, write_people
from tests.hub.world import World, connected

SECONDS = 3.0


def _freeze(workspace: Path, children: set[int], name: str) -> int:
    log = str(workspace / "regions" / name / "worker.log")
    for child in children:
        with suppress(OSError):
            if os.readlink(f"/proc/{child}/fd/1") == log:
                os.kill(child, signal.SIGSTOP)
                return child
    raise AssertionError(f"no process of {name}")


def test_a_frozen_region_costs_its_timeout_once_and_the_run_ends_without_it(tmp_path: Path) -> None:
    """At e20a276 each of the 60 rounds waits for it, and so does every question after them, for a day."""
    people = write_people(tmp_path / "people.csv")
    words = settings_for(tmp_path / "w", people, "federation.rounds=60", f"runtime.timeout={SECONDS}")
    run = Underway(words)
    frozen = _freeze(tmp_path / "w", run.until("round 2/60"), "DE")
    began = time.monotonic()
    try:
        code, said = run.ended()
    finally:
        with suppress(ProcessLookupError):
            os.kill(frozen, signal.SIGKILL)
    assert code == 0, said
    assert time.monotonic() - began < 60 * SECONDS / 3
    assert said.count(f"region DE did not answer within {SECONDS:g} seconds; it is left out until it does") == 1
    assert "round 60/60" in said and "without DE" in said


def test_a_region_that_answers_late_is_asked_again_and_its_late_answer_counts_for_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with connected(World(tmp_path, {"query.ready": lambda name, _: None if name == "DE" else RecordDict()})) as run:
        run.inbox = type(run.connected)(run.runtime, said.append)  # type: ignore[arg-type]
        grid = run.grid([2, 3])
        late = region_queries.question(2, "query.ready")
        assert list(grid.send_and_receive([late], timeout=0.01)) == []
        assert run.connected.silent == {2}
        for kind in ("query.ready", "query.profile"):
            (told,) = grid.send_and_receive([region_queries.question(2, kind)], timeout=60.0)
            assert reason_of(told) == "NoAnswerInTime"
        world = run.runtime
        assert isinstance(world, World) and [each.metadata.dst_node_id for each in world.messages] == [2]
        world.answers = {}
        world.send(late, None)  # type: ignore[arg-type]
        run.connected.poll(0.0)
        assert not run.connected.silent and run.connected.take(late.metadata.message_id) is None
        (again,) = grid.send_and_receive([region_queries.question(2, "query.profile")], timeout=60.0)
        assert again.has_content()
    assert [line.split(";")[0] for line in said] == [
        "region DE did not answer within 0.01 seconds",
        "region DE answered too late",
    ]


def test_no_model_crosses_to_a_region_that_is_asked_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, {"train": lambda *_: None})
    with connected(world) as run:
        grid = run.grid([2])
        for _ in range(2):
            message = region_queries.question(2, "train", {"server-round": 1}, {"w": np.ones(2)})
            list(grid.send_and_receive([message], timeout=0.01))
        crossings = [entry for entry in run.gate.ledger.entries() if entry.body["act"] == "cross"]
    assert len(crossings) == len(world.messages) == 1
