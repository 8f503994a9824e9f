"""What a region does of what the hub's control plane asks: what acts on which subject, and what is repeated."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from fedsov.api.control import witness_turns
from fedsov.api.control.region_configuration import ProposalTaker
from fedsov.api.control.region_source import RegionReads
from fedsov.api.control.use_sending import sends_reports
from fedsov.protocol.control import CONFIGURATION, HEADS
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.region_agent.agent import RegionActs, Repeated

SECONDS_OF_PROPOSALS = 60.0
"""Between two looks at whether a proposal of settings waits, or the owner changed what may be proposed."""


def region_acts(workspace: Path, name: str) -> RegionActs:
    """The acts of a region of a workspace, or of its own home."""
    witness = witness_turns.said_turns(workspace, name)
    reads = RegionReads(workspace, name)
    proposals = ProposalTaker(workspace, name, reads)
    return RegionActs(
        running=lambda: control.RunningReport(endpoint="none", software=version("fedsov")),
        on_news={HEADS: witness, CONFIGURATION: proposals.act},
        repeated=(
            Repeated(witness_turns.SECONDS, witness),
            Repeated(SECONDS_OF_PROPOSALS, proposals.again),
            sends_reports(workspace, name),
        ),
    )
