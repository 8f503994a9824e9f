"""A region's approval of a rollout: in a workspace that holds the hub too, or in the region's own home.

approve(root, 3, "DE", by="B. Person", why="tried on our rows")
"""

from __future__ import annotations

from pathlib import Path

from fedsov.api.control.control_hub import hub_rollouts
from fedsov.api.control.rollouts.proposing import files_of
from fedsov.api.control.rollouts.region_half import Approver, Half, half_of, sign_roles
from fedsov.api.inference.approval import approvals
from fedsov.api.region_settings import UNSAID, user
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.control_plane.rollouts.status import RolloutStatus
from fedsov.errors import ConfigurationError, unknown
from fedsov.region.admission import open_region
from fedsov.region.settings_file import FILE
from fedsov.storage.workspace import Workspace, is_there, ledger_of


def approve(root: Path, number: int, region: str, *, by: str = "", why: str = "") -> RolloutStatus:
    """Approves a rollout as a region whose workspace holds the hub too.

    Raises ConfigurationError where the hub or the region is not here, or has nothing to sign; CrossingRefused,
    ApprovalRefused, LedgerBroken.
    """
    workspace = Workspace(root)
    known = [name for name in workspace.region_names() if (workspace.region(name) / FILE).exists()]
    if region not in known:
        raise ConfigurationError(unknown("region", region, known))
    with hub_rollouts(root) as rollouts:
        approve_open(rollouts, workspace, number, region, Approver(by or user(), why or UNSAID))
        return rollouts.status(number)


def is_workspace_of_both(root: Path) -> bool:
    """Whether a folder holds the hub, so that a region's approval there needs no network."""
    return is_there(ledger_of(Workspace(root).hub))


def approve_open(rollouts: HubRollouts, workspace: Workspace, number: int, region: str, approver: Approver) -> Half:
    """The same, where the hub's control plane is open."""
    candidate = rollouts.candidate(number, region)
    with open_region(workspace.region(region), region) as (place, own):
        approvals.check_hub(own, rollouts.ledger)
        files = files_of(workspace, candidate)
        half = half_of(place, own, candidate, files, approver)
        roles = rollouts.take_lists(half.lists)
        rollouts.take_signatures(sign_roles(place, own, half.lists, roles))
    return half
