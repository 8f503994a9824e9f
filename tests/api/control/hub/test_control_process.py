"""The hub's control plane and a region's agent, as the processes that a supervisor starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.control_plane.database.notices import announce
from tests.api.control.processes import HUB, ControlProcesses, until
from tests.world import ROOT

LIGHT = 200 << 20
"""Bytes of memory that the hub's process may have."""
HEAVY = ("torch", "pandas", "pyarrow", "sdv", "mlflow", "flwr", "fedsov.partition", "fedsov.training", "fedsov.region")


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlProcesses]:
    with ControlProcesses(tmp_path_factory.mktemp("control"), ["DE"]) as parties:
        parties.begin_hub()
        parties.begin_region("DE")
        parties.until_seen("DE")
        yield parties


def test_a_region_is_heard_again_within_five_seconds_and_its_process_waits_outwards(parties: ControlProcesses) -> None:
    first = parties.until_seen("DE")
    second = parties.until_seen("DE", after=first.seen_at.timestamp())
    assert (second.seen_at - first.seen_at).total_seconds() < 5
    assert second.reachable_since == first.reachable_since


def test_the_hubs_process_is_light(parties: ControlProcesses) -> None:
    status = Path(f"/proc/{parties.running[HUB].pid}/status").read_text()
    resident = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < LIGHT


def test_the_hubs_process_loads_no_library_of_rows_or_training() -> None:
    program = "import fedsov.api.control.hub.control_process, json, sys; print(json.dumps([*sys.modules]))"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, cwd=ROOT, check=True, timeout=120, env=os.environ,
    )  # fmt: skip
    modules = json.loads(loaded.stdout)
    assert not [name for name in modules if name in HEAVY or name.startswith(tuple(f"{each}." for each in HEAVY))]


def test_killed_at_once_it_goes_on_where_it_was_and_the_region_finds_it_again(parties: ControlProcesses) -> None:
    parties.kill(HUB)
    with closing(parties.database()) as database, database.changing() as connection:
        announce(connection, "weather", "DE")
    until(lambda: "cut off" in parties.log("DE").read_text(), "the agent to say so")
    at = time.time()
    parties.begin_hub()
    assert parties.until_seen("DE", after=at).seen_at.timestamp() > at
    until(
        lambda: "news of weather, which this version of fedsov does not know" in parties.log("DE").read_text(),
        "the notice to arrive",
    )


def test_asked_to_end_it_ends_cleanly(parties: ControlProcesses) -> None:
    assert parties.kill("DE", signal.SIGTERM) == 0
    assert parties.kill(HUB, signal.SIGTERM) == 0
