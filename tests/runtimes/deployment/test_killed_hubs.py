"""The hub's side is killed: the coordinator, in memory and over a database; the run's own process; a hub put back."""

from __future__ import annotations

import os
import shutil
import signal
import traceback

import pytest

from fedsov.api import train
from fedsov.api.ledger_audit import verify_all
from fedsov.errors import HubRestored
from tests.runtimes.deployment.world import (
    AFTER_IT_IS_KEPT,
    COORDINATOR,
    PRIVATE,
    Deployment,
    left_out,
    rounds_of,
    updates_of,
)


def _begun_anew(deployed: Deployment) -> None:
    deployed.kill(COORDINATOR)
    deployed.start(COORDINATOR)


def _disturbed_coordinator(deployed: Deployment, undisturbed: bytes) -> list[str]:
    """A run whose coordinator is killed between two rounds and in one; what it said."""
    run = deployed.run(hold=["round 1/5", "round 2/5"])
    run.until("round 1/5")
    _begun_anew(deployed)
    run.go_on()
    run.until("round 2/5")
    deployed.order("FR", "stop", AFTER_IT_IS_KEPT)
    run.go_on()
    deployed.until_obeyed(
        "FR", run
    )  # round 3: AT, DE and GB have answered or do; FR has its answer and did not send it
    deployed.kill(COORDINATOR)
    os.kill(deployed.region_process("FR"), signal.SIGCONT)
    deployed.start(COORDINATOR)
    lines = run.ended()
    assert deployed.model(run.name) == undisturbed
    assert not left_out(lines)
    for name in deployed.names:
        assert updates_of(deployed, name, run.name) == [1, 2, 3, 4, 5]
    assert all(not finding.fault for finding in verify_all(deployed.workspace))
    return lines


def test_a_run_outlives_a_coordinator_whose_state_is_in_memory(deployed: Deployment, undisturbed: bytes) -> None:
    lines = _disturbed_coordinator(deployed, undisturbed)
    assert sum("begun anew" in line and "what was not answered is sent again" in line for line in lines) == 2
    assert sum(line.startswith("waiting: the hub at") for line in lines) >= 1


@pytest.mark.long
def test_a_run_outlives_a_coordinator_whose_state_is_in_a_database(deployed: Deployment, undisturbed: bytes) -> None:
    deployed.kill(COORDINATOR)
    deployed.database = str(deployed.folder / "flower.db")
    try:
        deployed.start(COORDINATOR)
        lines = _disturbed_coordinator(deployed, undisturbed)
        assert not any("is sent again" in line for line in lines)
    finally:
        deployed.database = ""
        if deployed.runs(COORDINATOR):
            deployed.kill(COORDINATOR)


@pytest.mark.long
def test_a_run_outlives_its_coordinator_while_it_begins_finishes_and_registers(
    deployed: Deployment, undisturbed: bytes
) -> None:
    run = deployed.run(ends="", hold=["run ", "plan: GB", "finish:", "record:"])
    for line in ("run ", "plan: GB", "finish:", "record:"):
        run.until(line)
        _begun_anew(deployed)
        run.go_on()
    run.ended(300)
    assert run.result is not None and {each.region for each in run.result.regions} == set(deployed.names)
    assert {name: [version for _, version in run.result.models[name]] for name in run.result.models}
    assert rounds_of(deployed, "FR", run.name) == [1, 2, 3, 4, 5]


def _killed(deployed: Deployment, line: str, *more: str) -> None:
    """Begins a run, or goes on with the latest, in a process of its own, which kills itself in saying this line."""
    hub = os.fork()
    if hub == 0:

        def hear(said: str) -> None:
            if line in said:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            begun = deployed.latest() if not more else (deployed.composed(*more), None)
            train.train_settings(begun[0], progress=hear, resumed=begun[1])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(hub, 0)[1]) == signal.SIGKILL, f"it was not killed in {line}"


def test_a_run_whose_own_process_is_killed_goes_on_where_it_was(deployed: Deployment, undisturbed: bytes) -> None:
    _killed(deployed, "plan: GB", "federation.rounds=5")
    for line in ("round 2/5", "round 3/5"):  # said when the round has ended, before its checkpoint
        _killed(deployed, line)
    run = deployed.resumed()
    lines = run.ended()
    assert any("goes on after round 2/5" in line for line in lines)
    assert deployed.model(run.name) == undisturbed
    assert set(updates_of(deployed, "FR", run.name)) == {1, 2, 3, 4, 5}
    assert all(not finding.fault for finding in verify_all(deployed.workspace))


def test_what_was_drawn_under_privacy_is_not_spent_again_when_the_run_s_process_was_killed(
    deployed: Deployment,
) -> None:
    _killed(deployed, "round 3/5", *PRIVATE)
    run = deployed.resumed()
    run.ended()
    for name in deployed.names:
        notes = [entry["note"] for entry in deployed.ledger(name) if entry.get("run") == run.name and "note" in entry]
        assert [each["privacy_released"]["count"] for each in notes if "privacy_released" in each] == [1, 2, 3, 4, 5, 6]
        assert updates_of(deployed, name, run.name) == [1, 2, 3, 3, 4, 5]  # asked again, and given again


@pytest.mark.long
def test_a_run_killed_in_every_phase_ends_and_registers_once(deployed: Deployment, undisturbed: bytes) -> None:
    _killed(deployed, "ingest:", "federation.rounds=5")
    for line in ("plan: AT", "round 1/5", "round 5/5", "finish:", "record:"):
        _killed(deployed, line)
    run = deployed.resumed(ends="")
    run.ended(300)
    assert run.result is not None
    versions = {owner: [version for _, version in models] for owner, models in run.result.models.items()}
    assert set(versions) == {"hub", *deployed.names}
    again = deployed.run(ends="")
    again.ended(300)
    assert again.result is not None
    later = {owner: [version for _, version in models] for owner, models in again.result.models.items()}
    assert later == {owner: [version + 1 for version in numbers] for owner, numbers in versions.items()}


def test_a_hub_restored_from_yesterday_s_backup_is_refused_and_named_before_anything_crosses(
    deployed: Deployment,
) -> None:
    hub, backup = deployed.workspace / "hub", deployed.folder / "backup"
    shutil.copytree(hub, backup)
    deployed.run(ends="record:").ended(120)
    newest = hub.rename(deployed.folder / "newest")
    backup.rename(hub)
    before = {name: len(deployed.ledger(name)) for name in deployed.names}
    try:
        with pytest.raises(HubRestored, match="remembers a later head of the hub's ledger than the hub has"):
            deployed.run(ends="record:").ended(120)
        for name in deployed.names:
            assert not any(entry["act"] == "cross" for entry in deployed.ledger(name)[before[name] :])
    finally:
        hub.rename(backup)
        newest.rename(hub)
    deployed.run().ended()
