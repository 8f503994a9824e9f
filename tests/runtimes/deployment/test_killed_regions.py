"""A region's own process is killed at each phase of a run: it is forked anew, and every question is answered once."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.api.budgets import account
from fedsov.api.ledger_audit import verify_all
from fedsov.runtimes.deployment.flower_clients import parcelled
from tests.runtimes.deployment.world import (
    AFTER_IT_IS_KEPT,
    BEFORE_IT_IS_KEPT,
    PRIVATE,
    Deployment,
    left_out,
    updates_of,
)

BEFORE_IT_IS_OPEN = ("os.rename", "start.json")


def test_a_region_s_process_that_is_killed_in_any_phase_costs_the_run_nothing(
    deployed: Deployment, undisturbed: bytes
) -> None:
    phases = {
        "plan: GB": BEFORE_IT_IS_KEPT,  # its statistics
        "round 1/5": BEFORE_IT_IS_KEPT,  # round 2: trained, recorded, and the answer is lost
        "round 3/5": AFTER_IT_IS_KEPT,  # round 4: the answer is on the disk
    }
    restarts = len(deployed.said("FR", "region process ended"))
    deployed.order("FR", "kill", BEFORE_IT_IS_OPEN)
    run = deployed.run(hold=list(phases))
    for line, instant in phases.items():
        run.until(line)
        deployed.until_obeyed("FR", run)
        deployed.order("FR", "kill", instant)
        run.go_on()
    lines = run.ended()
    deployed.until_obeyed("FR", run)
    assert deployed.model(run.name) == undisturbed
    assert len(deployed.said("FR", "region process ended")) == restarts + 4
    assert not left_out(lines)
    assert updates_of(deployed, "GB", run.name) == [1, 2, 3, 4, 5]
    assert updates_of(deployed, "FR", run.name) == [1, 2, 2, 3, 4, 5]  # what was lost had crossed, by the ledger
    assert all(not finding.fault for finding in verify_all(deployed.workspace))


def test_a_private_answer_that_was_drawn_and_lost_is_given_again_and_spent_once(deployed: Deployment) -> None:
    run = deployed.run(*PRIVATE, hold=["round 2/5"])
    run.until("round 2/5")
    deployed.order("FR", "stop", BEFORE_IT_IS_KEPT)
    run.go_on()
    deployed.until_obeyed("FR", run)  # round 3: its noise is drawn, its answer decided, recorded and written beside
    place = deployed.workspace / "regions" / "FR" / "deployed" / run.name
    (lost,) = place.glob(".answer.bin.*")
    drawn = _update(lost)
    deployed.order("FR", "stop", AFTER_IT_IS_KEPT)
    os.kill(deployed.region_process("FR"), signal.SIGKILL)
    deployed.until_obeyed("FR", run)
    given = _update(place / "answer.bin")
    deployed.order("FR", "stop", AFTER_IT_IS_KEPT)
    os.kill(deployed.region_process("FR"), signal.SIGKILL)
    run.until("round 3/5")
    deployed.until_obeyed("FR", run)  # round 4: the next answer that is kept, so the one before left as it was kept
    os.kill(deployed.region_process("FR"), signal.SIGCONT)
    lines = run.ended()
    assert drawn.keys() == given.keys() and all(np.array_equal(drawn[name], given[name]) for name in drawn)
    assert not left_out(lines)
    spent, whole = _spent(deployed, "FR", run.name), _spent(deployed, "GB", run.name)
    assert len(spent) == len(whole) == 1 and spent[0]["epsilon"] == pytest.approx(1.0, abs=0.01)
    assert _releases(deployed, "FR", run.name) == _releases(deployed, "GB", run.name) == [1, 2, 3, 4, 5, 6]
    assert updates_of(deployed, "FR", run.name) == [1, 2, 3, 3, 4, 5]
    assert all(not finding.fault for finding in verify_all(deployed.workspace))


def _update(path: Path) -> dict[str, Any]:
    """The parameters of an answer that a region wrote down: its question's name, and a parcel."""
    (came,) = parcelled(path.read_bytes().partition(b"\n")[2])
    (record,) = came.message().content.array_records.values()
    return {name: np.array(array.numpy()) for name, array in record.items()}


def _spent(deployed: Deployment, name: str, run: str) -> list[dict[str, Any]]:
    """What the region's budget has of a run."""
    told = account(deployed.workspace / "regions" / name, name).to_json()
    return [entry for entry in told["runs"] if entry["run"] == run]


def _releases(deployed: Deployment, name: str, run: str) -> list[int]:
    """The numbers of the private releases that the region's ledger noted of a run: its statistics, then its rounds."""
    notes = [entry["note"] for entry in deployed.ledger(name) if entry["act"] == "note" and entry.get("run") == run]
    return [note["privacy_released"]["count"] for note in notes if "privacy_released" in note]


def test_a_client_that_is_killed_with_an_answer_in_its_hands_gives_that_answer_when_it_is_back(
    deployed: Deployment, undisturbed: bytes
) -> None:
    run = deployed.run("federation.minimum_regions=4", hold=["round 2/5"])  # however slowly it is back
    run.until("round 2/5")
    deployed.order("FR", "stop", AFTER_IT_IS_KEPT)
    run.go_on()
    deployed.until_obeyed("FR", run)
    deployed.kill("FR")  # its fork server ends the process that is stopped
    deployed.start("FR")
    lines = run.ended()
    assert not left_out(lines), lines
    assert deployed.model(run.name) == undisturbed
    assert updates_of(deployed, "FR", run.name) == [1, 2, 3, 4, 5]


PHASES = ("run ", "plan: GB", "round 1/5", "finish:", "record:")


@pytest.mark.long
@pytest.mark.parametrize("what", ["client", "process"])
def test_a_region_that_is_killed_in_every_phase_and_returns_costs_the_run_nothing(
    deployed: Deployment, undisturbed: bytes, what: str
) -> None:
    run = deployed.run(ends="", hold=PHASES)
    for line in PHASES:
        run.until(line)
        if line == "record:":
            assert deployed.model(run.name) == undisturbed
        if what == "client":
            deployed.kill("FR")
            deployed.start("FR")
        elif line != "run ":  # before it is opened there is none
            os.kill(deployed.region_process("FR"), signal.SIGKILL)
        run.go_on()
    lines = run.ended(300)
    assert run.result is not None and not left_out(lines)
    assert set(updates_of(deployed, "FR", run.name)) == {1, 2, 3, 4, 5}
    assert len(run.result.models["FR"]) == len(run.result.models["GB"]) > 0
    assert all(not finding.fault for finding in verify_all(deployed.workspace))


@pytest.mark.long
def test_a_region_that_is_killed_while_models_are_registered_leaves_the_others_theirs(deployed: Deployment) -> None:
    run = deployed.run(ends="", hold=["record:"])
    run.until("record:")
    deployed.kill("FR")
    lines = run.ended(300)
    assert run.result is not None
    assert any(line.startswith("record: FR went away (RegionAway)") for line in lines)
    assert not run.result.models.get("FR") and run.result.models["GB"]
