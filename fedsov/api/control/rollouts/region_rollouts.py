"""`rollout approve N --region NAME` in the region's own home: the hub is asked over the network, the region decides.

    shown = approve_in_region(root, 3, "DE", by="B. Person", why="tried on our rows")

The candidate and its files come from the hub, each held against what the hub's pinned key and the repository's roles
signed. Then it is as in one workspace (`fedsov.api.control.rollouts.region_half`): the region makes its own reference,
signs the list with the version and the way back, sees both again with the hub's signature, and signs their metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.api.control.region_home import control_of
from fedsov.api.control.repository.region_source import LARGEST, RegionReads
from fedsov.api.control.rollouts.region_half import FILES, Approver, half_of, sign_roles
from fedsov.api.inference.approval import approvals
from fedsov.api.inference.approval.registered import registered
from fedsov.api.inference.approval.served_files import served_files
from fedsov.api.region_settings import UNSAID, user
from fedsov.errors import ApprovalRefused, ConfigurationError, unknown
from fedsov.inference.approved import ApprovedVersion
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.rollout_messages import candidate_of, lists_message, roles_of, signatures_message
from fedsov.protocol.rollouts import RolloutCandidate
from fedsov.region.admission import open_region
from fedsov.region.settings_file import FILE
from fedsov.runtimes.deployment.hub_connection import HubUnreachable
from fedsov.runtimes.deployment.region_agent.approved_source import ApprovedSource
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.locks import hold_file
from fedsov.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RegionApproval:
    """What a region approved, and what is said of it."""

    rollout: int
    version: ApprovedVersion
    remarks: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people."""
        version = self.version
        first = f"rollout {self.rollout}: {version.model} {version.version} is approved, and signed with the way back"
        return [first, *self.remarks]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"rollout": self.rollout, "approved": self.version.to_json(), "remarks": list(self.remarks)}


def approve_in_region(root: Path, number: int, region: str, *, by: str = "", why: str = "") -> RegionApproval:
    """Approves a rollout as a region, in its home.

    Raises ConfigurationError where the region is not here or nothing waits for it; HubUnreachable; RepositoryRefused,
    ApprovalRefused for what its signers did not sign; CrossingRefused, LedgerBroken, WorkspaceUnusable.
    """
    workspace = Workspace(root)
    known = [name for name in workspace.region_names() if (workspace.region(name) / FILE).exists()]
    if region not in known:
        raise ConfigurationError(unknown("region", region, known))
    approver = Approver(by or user(), why or UNSAID)
    with open_region(workspace.region(region), region) as (place, own), control_of(root, region, own) as client:
        answer = client.candidate(control.CandidateRequest(rollout=number))
        candidate = candidate_of(answer, approvals.hub_key(own))
        if candidate.rollout != number:
            raise ApprovalRefused(f"the hub answered about rollout {candidate.rollout}, and {number} was asked for")
        with hold_file(RegionControlFolder(place.folder).lock):
            source = RegionReads(root, region).source_of(place, own, client)
            try:
                role_version, files = source.poll().version, _files(workspace, source, candidate, region)
            except OSError as problem:
                raise HubUnreachable(str(problem)) from None
        half = half_of(place, own, candidate, files, approver, role_version=role_version)
        roles = roles_of(client.sign_lists(lists_message(half.lists)), number)
        receipt = client.sign_roles(signatures_message(sign_roles(place, own, half.lists, roles)))
    return RegionApproval(number, half.version, (*half.remarks, *receipt.sentences))


def _files(workspace: Workspace, source: ApprovedSource, candidate: RolloutCandidate, region: str) -> dict[str, bytes]:
    """A candidate's files: the hub's, or of the region's own model those that its registry gives."""
    if candidate.files:
        if set(candidate.files) != set(FILES):
            raise ApprovalRefused(f"the hub names {sorted(candidate.files)}, and a model has {', '.join(FILES)}")
        folder = f"models/{candidate.model}/{candidate.version}"
        return {
            name: source.approved_file(f"{folder}/{name}", digest, most=LARGEST)
            for name, digest in candidate.files.items()
        }
    model = registered(workspace, candidate.model, candidate.version)
    if candidate.registry != region or model.owner != region or model.digest != candidate.digest:
        raise ApprovalRefused(
            f"the registry of {region} has no {candidate.model} {candidate.version} with the parameters that the hub "
            "proposes; nothing was approved"
        )
    return served_files(model.saved, model.parameters, model.weights)
