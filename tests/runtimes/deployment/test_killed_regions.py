"""A region's own process is killed at each phase of a run: it is forked anew, and every question is answered once."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.api.budgets import account
from fedsov.api.ledger_audit import verify_all
from fedsov.runtimes.deployment.flower_clients import parcelled
from tests.runtimes.deployment.world import AFTER_IT_IS_KEPT, BEFORE_IT_IS_KEPT, PRIVATE, Deployment, updates_of

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
        deployed.until_obeyed("FR")
        deployed.order("FR", "kill", instant)
        run.go_on()
    lines = run.ended()
    deployed.until_obeyed("FR")
    assert deployed.model(run.name) == undisturbed
    assert len(deployed.said("FR", "region process ended")) == restarts + 4
    assert not any("without" in line for line in lines)
    assert updates_of(deployed, "GB", run.name) == [1, 2, 3, 4, 5]
    assert updates_of(deployed, "FR", run.name) == [1, 2, 2, 3, 4, 5]  # what was lost had crossed, by the ledger
    assert all(not finding.fault for finding in verify_all(deployed.workspace))
