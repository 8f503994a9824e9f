"""A region away, frozen, cut off, refused or out of room: the run goes on without it or waits, and takes it back."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from fedsov.api.deployment.hub_home import hub_home
from fedsov.api.ledger_audit import verify_all
from fedsov.errors import TrainingFailed
from fedsov.keys.certificates import identity_of
from tests.runtimes.deployment import disks, network
from tests.runtimes.deployment.world import PRIVATE, Deployment, Run, updates_of

AWAY = "RegionAway"


def _line(run: Run, number: int) -> str:
    return next(line for line in run.lines if f"round {number}/" in line)


def _without(run: Run, name: str, number: int) -> bool:
    """Whether the line of a round says that a region had no part in it."""
    return f"{name} (" in _line(run, number).partition("without")[2]


def test_a_killed_client_and_a_frozen_one_cost_one_round_and_are_asked_again_when_they_are_back(
    deployed: Deployment,
) -> None:
    run = deployed.run(hold=["round 1/5", "round 3/5"])
    run.until("round 1/5")
    deployed.kill("GB")
    os.kill(deployed.processes["FR"].pid, signal.SIGSTOP)
    run.go_on()
    run.until("round 3/5")
    os.kill(deployed.processes["FR"].pid, signal.SIGCONT)
    deployed.start("GB")
    run.ended()
    for name in ("FR", "GB"):
        assert [_without(run, name, number) for number in (1, 2, 3, 4, 5)] == [False, True, True, False, False]
    assert AWAY in _line(run, 2) and AWAY in _line(run, 3)
    assert updates_of(deployed, "AT", run.name) == [1, 2, 3, 4, 5]
    assert updates_of(deployed, "GB", run.name) == [1, 4, 5]
    assert all(not finding.fault for finding in verify_all(deployed.workspace))


def test_with_too_few_regions_a_run_pauses_until_they_return_or_its_time_is_up(
    deployed: Deployment, undisturbed: bytes
) -> None:
    run = deployed.run("federation.minimum_regions=4", hold=["round 2/5"])
    run.until("round 2/5")
    began = time.monotonic()
    deployed.leave("GB")
    assert time.monotonic() - began < 10, "a region that is asked to end does not wait for its poll"
    run.go_on()
    said = run.until("paused: ")
    assert said.startswith("paused: GB is away, and 3 of the 4 regions that are needed are connected; it goes on when")
    deployed.start("GB")
    lines = run.ended()
    assert [line for line in lines if line.startswith(("paused", "goes on"))] == [said, "goes on: GB is back"]
    assert deployed.model(run.name) == undisturbed

    run = deployed.run("federation.minimum_regions=4", "runtime.options.pause=1", hold=["round 2/5"])
    run.until("round 2/5")
    deployed.leave("GB")
    with pytest.raises(TrainingFailed, match="round 3: 3 of at least 4 regions sent an update.*GB"):
        run.ended()
    assert any("or ends after 1 s" in line for line in run.lines)


def test_a_region_that_is_cut_off_for_some_seconds_loses_nothing(deployed: Deployment, undisturbed: bytes) -> None:
    way = _way(deployed)
    run = deployed.run(hold=["round 2/5"])
    run.until("round 2/5")
    way.cut()
    run.go_on()
    time.sleep(5)
    assert not any("round 3/5" in line for line in run.lines)
    way.mend()
    run.ended()
    assert deployed.model(run.name) == undisturbed
    assert updates_of(deployed, "AT", run.name) == [1, 2, 3, 4, 5]


@pytest.mark.long
@pytest.mark.parametrize("seconds", [60, 300])
def test_a_region_that_is_cut_off_for_minutes_is_left_out_and_taken_back(deployed: Deployment, seconds: int) -> None:
    way = _way(deployed)
    run = deployed.run(hold=["round 2/5", "round 4/5"])
    run.until("round 2/5")
    way.cut()
    began = time.monotonic()
    run.go_on()
    run.until("round 4/5")
    assert time.monotonic() - began < 50, "the run waits for a region that the coordinator misses"
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    way.mend()
    deployed.until_connected("AT")
    run.ended()
    assert [_without(run, "AT", number) for number in (1, 2, 3, 4, 5)] == [False, False, True, True, False]
    assert updates_of(deployed, "DE", run.name) == [1, 2, 3, 4, 5]
    assert all(not finding.fault for finding in verify_all(deployed.workspace))


def _way(deployed: Deployment) -> network.Way:
    assert deployed.way is not None
    network.USED[deployed.way.kind] += 1
    return deployed.way


def test_a_certificate_that_is_revoked_or_ends_during_a_run_is_refused_and_its_successor_is_not(
    deployed: Deployment,
) -> None:
    run = deployed.run(hold=["round 1/5", "round 2/5", "round 3/5", "round 4/5"])
    run.until("round 1/5")
    certificate = deployed.trial.regions["FR"].certificate
    with hub_home(deployed.workspace) as home:
        serial = identity_of(certificate.read_bytes()).serial
        home.revoke(serial, "FR", at=datetime.now(UTC), by="a test", why="it was lost")
    run.go_on()
    run.until("round 2/5")
    assert _without(run, "FR", 2)
    ends = deployed.renew("FR", seconds=12)
    deployed.until_connected("FR")
    run.go_on()
    run.until("round 3/5")
    assert not _without(run, "FR", 3)
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 1)
    run.go_on()
    run.until("round 4/5")
    assert _without(run, "FR", 4)
    deployed.renew("FR", seconds=86_000)
    deployed.until_connected("FR")
    run.ended()
    assert not _without(run, "FR", 5)
    refused = " ".join(each["text"] for each in deployed.said("FR"))
    assert "was revoked" in refused and "ended on" in refused
    assert updates_of(deployed, "GB", run.name) == [1, 2, 3, 4, 5]


def test_a_region_whose_disk_is_full_tells_nothing_and_under_counts_nothing(deployed: Deployment) -> None:
    disk = deployed.disk
    assert disk is not None
    disks.USED[disk.kind] += 1
    run = deployed.run(*PRIVATE, hold=["round 1/5", "round 2/5"])
    run.until("round 1/5")
    disk.fill(deployed.region_process("DE"))
    run.go_on()
    run.until("round 2/5")
    disk.free()
    run.ended()
    assert [_without(run, "DE", number) for number in (1, 2, 3, 4, 5)] == [False, True, False, False, False], run.lines
    assert updates_of(deployed, "DE", run.name) == [1, 3, 4, 5]
    notes = [entry["note"] for entry in deployed.ledger("DE") if entry.get("run") == run.name and "note" in entry]
    counted = [note["privacy_released"]["count"] for note in notes if "privacy_released" in note]
    assert counted == [1, 2, 3, 4, 5]  # its statistics, and the four rounds that left
    assert all(not finding.fault for finding in verify_all(deployed.workspace))


def test_clocks_ten_minutes_apart_change_no_model(deployed: Deployment, undisturbed: bytes) -> None:
    how = {name: deployed.clock_of(shift) for name, shift in (("FR", 600), ("GB", -600))}
    for name, environment in how.items():
        deployed.kill(name)
        deployed.start(name, wait=False, **environment)
    try:
        deployed.until_connected()
        run = deployed.run()
        run.ended()
        assert deployed.model(run.name) == undisturbed
        for name, shift in (("FR", 600), ("GB", -600)):
            told = datetime.fromisoformat(deployed.said(name, "connected")[-1]["at"])
            assert abs(told - datetime.now(UTC) - timedelta(seconds=shift)) < timedelta(seconds=120), how
            assert updates_of(deployed, name, run.name) == [1, 2, 3, 4, 5]
        assert all(not finding.fault for finding in verify_all(deployed.workspace))
    finally:
        for name in how:
            deployed.kill(name)
