"""Promotion: a version of a registered model is approved, and regions may serve it.

    approval = VersionApproval("stackoverflow-de", 1, by="A. Person", why="trial")
    promotion = promote(root, approval)
    promotion.approved            # by region: what now stands on its approved list
    promotion.refused             # by region: why not, in a sentence with the remedy

An approval names regions, or is for all that may have the model: a region's own model for that region, the hub's for
every region to which its crossing is permitted. Each region's crossing is decided and recorded by the gate of whoever
holds the model, the bytes that arrive are checked, and the files that the endpoint computes with are made there. Then
both ledgers note the approval, and the region's approved list has it, signed by both (`fedsov.inference.approved`). A
champion also gets MLflow's alias `champion` in its registry. It takes the place of the version before; that one's files
stay, and promoting it again is the way back.

This is for a workspace that holds the hub and its regions: it is a rollout that is proposed, approved by the hub and by
each region and started everywhere at once (`fedsov.api.control.rollouts.proposing`), and can be taken back like any
other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fedsov.api.control.control_hub import hub_rollouts
from fedsov.api.control.rollouts import region_approval
from fedsov.api.control.rollouts.proposing import RolloutProposal, approve_open, enroll, enter, verdict_of, verified
from fedsov.api.control.rollouts.receivers import known_regions
from fedsov.api.control.rollouts.region_half import Approver, Half
from fedsov.api.control.serving.handing_over import hand_over
from fedsov.api.inference.approval import approvals, verdicts
from fedsov.api.inference.approval.registered import HUB, Registered, registered
from fedsov.api.inference.approval.verdicts import VersionVerdict
from fedsov.api.region_settings import UNSAID, user
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.control_plane.rollouts.proposal import Act
from fedsov.control_plane.rollouts.states import REFUSED
from fedsov.errors import (
    ConfigurationError,
    CrossingRefused,
    FedsovError,
    LedgerBroken,
    WorkspaceUnusable,
    unknown,
)
from fedsov.inference.approved import CHAMPION, ApprovedVersion
from fedsov.ledger.ledger import entry_time
from fedsov.region.admission import open_region
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import FILE
from fedsov.runtimes.registry_connection import open_registry
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace, is_there, ledger_of


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionApproval:
    """What a person decides about a version.

    Attributes:
        by, why: who, by default the user of this machine, and for which reason.
        mode, share: as in `fedsov.inference.approved`.
        regions: which are to serve it; none for every one that may.
        anew: begins a new list with this version alone, in the place of one that is not believed any more.
    """

    model: str = field(kw_only=False)
    version: int = field(kw_only=False)
    by: str = ""
    why: str = ""
    mode: str = CHAMPION
    share: float = 1.0
    regions: tuple[str, ...] = ()
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Promotion:
    """What became of an approval.

    Attributes:
        owner: whose registry holds the model.
        is_champion: whether it has the alias now.
        approved, refused: by region, what stands on its list, and why another may not have it.
        replaced: by region, the version that was the champion before.
        remarks: what is said beside, in sentences.
    """

    owner: str
    is_champion: bool
    verdict: VersionVerdict
    approved: Mapping[str, ApprovedVersion] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "registry": self.owner,
            "alias": CHAMPION if self.is_champion else None,
            "verdict": self.verdict.word,
            "approved": {name: version.to_json() for name, version in self.approved.items()},
            "refused": dict(self.refused),
            "replaced": dict(self.replaced),
            "remarks": list(self.remarks),
        }


def promote(root: Path, approval: VersionApproval, say: Callable[[str], None] = lambda line: None) -> Promotion:
    """Approves a version for its regions.

    Args:
        say: told that the work begins, once it is known that it can.

    Raises ConfigurationError, listing what there is, for an unknown model, version or region, for a reason that is
    missing, and for a model that is not whole; CrossingRefused where no region may serve it; LedgerBroken where a
    ledger of the workspace does not verify, or cannot be written.
    """
    workspace = verified(root)
    with hold_workspace(workspace), open_registry() as registry:
        model = registered(workspace, approval.model, approval.version)
        verdict = verdict_of(model)
        verdicts.check_reason(approval.model, approval.version, verdict, approval.why)
        say(f"{approval.model} {approval.version}: its files are checked, and each region's crossing is decided")
        promotion = _approved(workspace, model, replace(approval, by=approval.by or user()), verdict)
        if promotion.is_champion:
            registry.promote(model.folder, approval.model, approval.version)
    return promotion


def withdraw(root: Path, approval: VersionApproval) -> list[str]:
    """Takes a version off the approved lists that have it, or of the regions named; the names of those regions.

    Raises ConfigurationError where no such list has it; ApprovalRefused, LedgerBroken.
    """
    names = _withdrawn(verified(root), approval, lambda own, version: True)
    if not names:
        raise ConfigurationError(f"{approval.model} {approval.version} is approved in no region of {root}")
    return names


def withdraw_failed(root: Path, approval: VersionApproval, verdict: VersionVerdict) -> list[str]:
    """Takes a version whose attack test failed off the lists of regions outside its label's origins; says so in lines.

    Does nothing for another verdict. Raises ApprovalRefused, LedgerBroken.
    """
    if verdict.word != "fail":
        return []
    workspace, called = verified(root), f"{approval.model} {approval.version}"
    if not is_there(ledger_of(workspace.hub)):
        way = f"where the hub is: `fedsov promote {called} --withdraw`"
        return [f"{called} {verdict.in_words}; regions elsewhere go on serving it until it is withdrawn {way}"]

    def is_blocked(own: RegionSettings, version: ApprovedVersion) -> bool:
        try:
            verdicts.check_region(
                own.region, _place(own), version.label, verdict, is_own=version.registry == own.region
            )
        except CrossingRefused:
            return True
        return False

    names = _withdrawn(workspace, approval, is_blocked)
    return [f"{called} is withdrawn from {name}, outside its origins: it {verdict.in_words}" for name in names]


def _withdrawn(
    workspace: Workspace, approval: VersionApproval, is_meant: Callable[[RegionSettings, ApprovedVersion], bool]
) -> list[str]:
    """Takes a version off the lists of regions for which it is meant; their names."""
    names, approval = [], replace(approval, by=approval.by or user())
    _check_both(workspace)
    with hold_workspace(workspace), hub_rollouts(workspace.root) as rollouts:
        enroll(rollouts, known_regions(workspace.root, rollouts.ledger))
        for name in _regions(workspace, approval.regions):
            with open_region(workspace.region(name), name) as (place, own):
                listed = approvals.in_force(place, own)
                own_versions = [
                    each for each in listed.versions if (each.model, each.version) == (approval.model, approval.version)
                ]
                if any(is_meant(own, each) for each in own_versions):
                    less = listed.without(approval.model, approval.version, at=entry_time())
                    content = approvals.put(place, own, rollouts.ledger, less, _about("withdrawn", approval))
                    rollouts.publish_signed(name, content, place.ledger.sign)
                    names.append(name)
    return names


def _place(own: RegionSettings) -> str:
    """Where a region is; "" where it pinned nothing."""
    return "" if own.parties.region is None else own.parties.region.location


def _approved(workspace: Workspace, model: Registered, approval: VersionApproval, verdict: VersionVerdict) -> Promotion:
    """The approval carried out: a rollout that is proposed, approved by both and started everywhere at once."""
    is_champion = approval.mode == CHAMPION
    names = _regions(workspace, approval.regions or (() if model.owner == HUB else (model.owner,)))
    if not is_there(ledger_of(workspace.hub)) or not names:
        return Promotion(model.owner, is_champion, verdict, remarks=(_alone(workspace),))
    with hub_rollouts(workspace.root) as rollouts:
        done = _rolled_out(rollouts, workspace, model, verdict, replace(approval, regions=tuple(names)))
    return Promotion(model.owner, is_champion, verdict, done.approved, done.refused, done.replaced, tuple(done.remarks))


def _rolled_out(
    rollouts: HubRollouts, workspace: Workspace, model: Registered, verdict: VersionVerdict, approval: VersionApproval
) -> _Outcome:
    asked = RolloutProposal(
        **{name: getattr(approval, name) for name in ("model", "version", "by", "why", "regions", "mode", "share")}
    )
    act = Act(by=approval.by, why=approval.why or UNSAID, at=entry_time())
    done, number = _Outcome(), enter(rollouts, workspace, model, verdict, asked).rollout.number
    status = approve_open(rollouts, workspace, number, act)
    for name, step in status.rollout.steps.items():
        if step.state == REFUSED:
            done.refused[name] = step.why
            continue
        with done.refusals_of(name):
            approver = Approver(act.by, act.why, approval.anew)
            done.add(name, region_approval.approve_open(rollouts, workspace, number, name, approver))
    if not done.approved:
        why = "; ".join(f"{name}: {sentence}" for name, sentence in done.refused.items())
        rollouts.rollback(number, by=act.by, why=f"no region signed: {why}")
        raise CrossingRefused(f"no region may serve {model.called}: {why}")
    rollouts.start(number, by=act.by, why=act.why, at_once=True)
    hand_over(rollouts, workspace, tuple(done.approved))
    return done


@dataclass(slots=True)
class _Outcome:
    """What became of an approval so far, by region."""

    approved: dict[str, ApprovedVersion] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, region: str, half: Half) -> None:
        """What a region signed."""
        self.approved[region] = half.version
        self.remarks += half.remarks
        if half.before is not None and half.version.mode == CHAMPION and half.before.version != half.version.version:
            self.replaced[region] = half.before.version

    @contextmanager
    def refusals_of(self, region: str) -> Iterator[None]:
        """What goes wrong with one region is said of that region; a ledger or a disk that fails ends all."""
        try:
            yield
        except (LedgerBroken, WorkspaceUnusable):
            raise
        except FedsovError as error:
            self.refused[region] = str(error)


def _about(act: str, approval: VersionApproval) -> dict[str, Any]:
    """What both ledgers note of a change of a list."""
    return {"act": act, "model": approval.model, "version": approval.version, "by": approval.by, "why": approval.why}


def _regions(workspace: Workspace, named: Sequence[str]) -> list[str]:
    """The regions that are meant: those named, else all that have settings. Raises ConfigurationError."""
    known = [name for name in workspace.region_names() if (workspace.region(name) / FILE).exists()]
    for name in named:
        if name not in known:
            raise ConfigurationError(unknown("region", name, known))
    return list(named) or known


def _check_both(workspace: Workspace) -> None:
    """Raises ConfigurationError where the hub is not in this workspace."""
    if not is_there(ledger_of(workspace.hub)):
        raise ConfigurationError(_alone(workspace))


def _alone(workspace: Workspace) -> str:
    return (
        f"{workspace.root} does not hold both the hub and a region with settings, and an approved list has the "
        "signatures of both: no list was changed"
    )
