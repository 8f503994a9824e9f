"""What a region does of what the hub's control plane asks: what acts on which subject, and what is repeated."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from fedsov.api.control import witness_turns
from fedsov.api.control.use_sending import sends_reports
from fedsov.protocol.control import HEADS
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.region_agent.agent import RegionActs, Repeated


def region_acts(workspace: Path, name: str) -> RegionActs:
    """The acts of a region of a workspace, or of its own home."""
    witness = witness_turns.said_turns(workspace, name)
    return RegionActs(
        running=lambda: control.RunningReport(endpoint="none", software=version("fedsov")),
        on_news={HEADS: witness},
        repeated=(Repeated(witness_turns.SECONDS, witness), sends_reports(workspace, name)),
    )
