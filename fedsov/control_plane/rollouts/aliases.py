"""The alias `champion` in the registry of a rollout's model: the hub's view of a rollout, and nothing that counts."""

from __future__ import annotations

from pathlib import Path

from fedsov.control_plane.rollouts.states import DONE, ROLLED_BACK, STOPPED
from fedsov.control_plane.rollouts.status import RolloutStatus
from fedsov.inference.approved import CHAMPION
from fedsov.registry.aliases import point
from fedsov.registry.lookup import listed
from fedsov.storage.workspace import Workspace

HUB = "hub"
"""The owner of the hub's registry, whatever the hub is called."""


def champion_of(folder: Path, model: str) -> int | None:
    """The version that the alias points to in the registry of a folder; None of none."""
    return next((each.version for each in listed(folder) if each.name == model and CHAMPION in each.aliases), None)


def show_champion(workspace: Workspace, status: RolloutStatus) -> None:
    """Has the alias point to the version of a rollout that is done; of one taken back, to the version before.

    Raises WorkspaceUnusable.
    """
    rollout, proposal = status.rollout, status.proposal
    if proposal.mode != CHAMPION:
        return
    folder = workspace.hub if proposal.registry == HUB else workspace.region(proposal.registry)
    if rollout.state == DONE:
        point(folder, rollout.model, CHAMPION, rollout.version)
    elif rollout.state in (ROLLED_BACK, STOPPED) and champion_of(folder, rollout.model) == rollout.version:
        point(folder, rollout.model, CHAMPION, proposal.before)
