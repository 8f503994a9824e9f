"""What a region does of what the hub's control plane asks: what acts on which subject, and what is repeated."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from fedsov.api.control.configuration.region_configuration import ProposalTaker
from fedsov.api.control.repository.region_source import RegionReads
from fedsov.api.control.serving.region_taking import ListTaking
from fedsov.api.control.serving.running_report import Reporting, RunningTold
from fedsov.api.control.use.use_sending import sends_reports
from fedsov.api.control.witness import witness_turns
from fedsov.protocol.control import APPROVED, CONFIGURATION, HEADS, ROLLOUTS
from fedsov.runtimes.deployment.region_agent.agent import RegionActs, RepeatedAct
from fedsov.storage.workspace import Workspace

AGAIN = 600.0
"""Seconds after which the repository is read though nobody rang: what it says must not be older than it is good for."""
Follow = Callable[[Reporting, threading.Event], None]
"""Runs beside the agent until it is told to stop."""
SECONDS_OF_PROPOSALS = 60.0
"""Between two looks at whether a proposal of settings waits, or the owner changed what may be proposed."""


def region_acts(
    workspace: Path, name: str, say: Callable[..., None] = lambda event, text, **fields: None
) -> tuple[RegionActs, Follow]:
    """The acts of a region of a workspace, or of its own home; and what follows its endpoint.

    Args:
        say: told of what people of the region should know: a word, a sentence, and fields.
    """
    folder, reads = Workspace(workspace).region(name), RegionReads(workspace, name)
    taking = ListTaking(folder, name, reads, say)
    told = RunningTold(folder, name, taking, say)
    witness = witness_turns.said_turns(workspace, name)
    proposals = ProposalTaker(workspace, name, reads)
    acts = RegionActs(
        running=told.report,
        on_news={
            APPROVED: taking.take,
            ROLLOUTS: told.look_for_rollouts,
            HEADS: witness,
            CONFIGURATION: proposals.act,
        },
        repeated=(
            RepeatedAct(AGAIN, taking.take),
            RepeatedAct(witness_turns.SECONDS, witness),
            RepeatedAct(SECONDS_OF_PROPOSALS, proposals.again),
            sends_reports(workspace, name),
        ),
    )
    return acts, told.follow
