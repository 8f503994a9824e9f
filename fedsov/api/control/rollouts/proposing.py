"""A rollout proposed, and approved as the hub: what takes the registry, the border and the files of a version.

    status = propose(root, RolloutProposal("stackoverflow", 2, by="A. Person", why="better in May"))
    status = approve(root, status.rollout.number, by="B. Person", why="the trial was good")

Proposing asks the border about every region, and nothing crosses. Approving hands the files out to the regions whose
crossing is permitted then: each is decided and recorded by the gate of whoever holds the model. A region's own model
crosses nothing on its way to that region, which makes the files itself. What follows (`start`, `rollback`, `freeze`, a
region's signatures) takes neither registry nor border: `fedsov.control_plane.rollouts.acts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from fedsov.api.control.control_hub import hub_rollouts
from fedsov.api.control.rollouts.provenance_facts import provenance_of
from fedsov.api.control.rollouts.receivers import KnownRegion, known_regions
from fedsov.api.inference.approval import verdicts
from fedsov.api.inference.approval.model_crossings import ReceivingRegion, Sender
from fedsov.api.inference.approval.registered import HUB, Registered, registered
from fedsov.api.inference.approval.served_files import served_files
from fedsov.api.inference.approval.verdicts import VersionVerdict
from fedsov.api.ledger_audit import verify_all
from fedsov.api.region_settings import UNSAID, user
from fedsov.control_plane.repository.provenance import FILE as PROVENANCE
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.control_plane.rollouts.aliases import champion_of
from fedsov.control_plane.rollouts.proposal import Act, ProposedVersion
from fedsov.control_plane.rollouts.states import REFUSED, UNSIGNED, RegionStep, Rollout
from fedsov.control_plane.rollouts.status import RolloutStatus
from fedsov.errors import ConfigurationError, CrossingRefused, LedgerBroken, unknown
from fedsov.inference.approved import CHAMPION, check_mode
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.protocol.rollouts import RolloutCandidate
from fedsov.registry.lookup import metrics_of
from fedsov.storage.atomic_files import sha256_hex, write_file
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

LARGEST_FILE = 2**31
"""Bytes of a file of a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutProposal:
    """What a person proposes.

    Attributes:
        by, why: who, by default the user of this machine, and for which reason.
        regions: which are to serve it; none for every one that may.
        canary: the region that serves it first; "" for the first by name that may.
        mode, share: as in `fedsov.inference.approved`.
    """

    model: str = field(kw_only=False)
    version: int = field(kw_only=False)
    by: str = ""
    why: str = ""
    regions: tuple[str, ...] = ()
    canary: str = ""
    mode: str = CHAMPION
    share: float = 1.0


def propose(root: Path, asked: RolloutProposal, say: Callable[[str], None] = lambda line: None) -> RolloutStatus:
    """Proposes a version for its regions: its verdict and evaluation are recorded, each region's border is asked.

    Raises ConfigurationError, listing what there is, for an unknown model, version or region, and for a reason that is
    missing; CrossingRefused where no region may serve it; LedgerBroken where a ledger of the workspace does not verify.
    """
    workspace = verified(root)
    with hub_rollouts(root) as rollouts:
        model = registered(workspace, asked.model, asked.version)
        verdict = verdict_of(model)
        verdicts.check_reason(asked.model, asked.version, verdict, asked.why)
        check_mode(asked.mode, asked.share)
        say(f"{model.called}: its files are checked, and each region's border is asked")
        return enter(rollouts, workspace, model, verdict, asked)


def enter(
    rollouts: HubRollouts, workspace: Workspace, model: Registered, verdict: VersionVerdict, asked: RolloutProposal
) -> RolloutStatus:
    """Enters a rollout of a version that was checked. Raises as `propose`."""
    every = known_regions(workspace.root, rollouts.ledger)
    names = chosen_regions(every, asked.regions, model.owner)
    sender = Sender(workspace, rollouts.ledger)
    steps = {name: _asked(sender, model, every[name].receiver, verdict) for name in names}
    canary = asked.canary or next((name for name in sorted(steps) if steps[name].state != REFUSED), names[0])
    if canary not in steps:
        raise ConfigurationError(unknown("canary", canary, steps))
    if all(step.state == REFUSED for step in steps.values()):
        why = "; ".join(f"{name}: {step.why}" for name, step in steps.items())
        raise CrossingRefused(f"no region may serve {model.called}: {why}")
    if steps[canary].state == REFUSED:
        raise ConfigurationError(f"{canary} cannot be the canary: {steps[canary].why}")
    enroll(rollouts, {name: every[name] for name in names})
    rollout = Rollout(0, model.saved.name, model.version, canary=canary, steps=steps)
    return rollouts.propose(rollout, _proposal(workspace, model, verdict, asked, _put_files(workspace, model)))


def approve(root: Path, number: int, *, by: str = "", why: str = "") -> RolloutStatus:
    """Approves a rollout as the hub: its files are handed out to every region whose crossing is permitted now.

    Raises ConfigurationError where it is approved already or over, or a reason is missing; CrossingRefused where no
    region may serve it; CheckpointDamaged where the registry has another model now; LedgerBroken.
    """
    workspace = verified(root)
    with hub_rollouts(root) as rollouts:
        return approve_open(rollouts, workspace, number, Act(by=by or user(), why=why or UNSAID, at=entry_time()))


def approve_open(rollouts: HubRollouts, workspace: Workspace, number: int, act: Act) -> RolloutStatus:
    """The same, where the hub's control plane is open."""
    status = rollouts.status(number)
    rollout, proposal = status.rollout, status.proposal
    rollouts.check_approvable(rollout)
    model = registered(workspace, rollout.model, rollout.version)
    if model.digest != proposal.digest:
        raise ConfigurationError(
            f"the registry has another {model.called} than was proposed in rollout {number}; propose it again"
        )
    verdict = verdict_of(model)
    if verdict.word != proposal.verdict:
        raise ConfigurationError(
            f"{model.called} {verdict.in_words} now, and was proposed with {proposal.verdict}; propose it again"
        )
    verdicts.check_reason(rollout.model, rollout.version, verdict, act.why)
    every = known_regions(workspace.root, rollouts.ledger)
    sender, refused = Sender(workspace, rollouts.ledger), dict[str, str]()
    for name in rollout.order:
        if why := _crossed(sender, model, every.get(name), name, verdict):
            refused[name] = why
    if len(refused) == len(rollout.steps):
        why = "; ".join(f"{name}: {sentence}" for name, sentence in refused.items())
        raise CrossingRefused(f"no region may serve {model.called}: {why}")
    files = {name: artifact(workspace.root, digest) for name, digest in proposal.files.items()}
    if files:
        files[PROVENANCE] = provenance_of(proposal, rollouts.ledger)
    return rollouts.approve(number, act, refused=refused, files=files)


def files_of(workspace: Workspace, candidate: RolloutCandidate) -> dict[str, bytes]:
    """A candidate's files, for a region whose workspace holds the hub too: its crossing was permitted and recorded when
    the hub approved it.

    Raises ConfigurationError where the registry has another model than was proposed.
    """
    if candidate.files:
        return {name: artifact(workspace.root, digest) for name, digest in candidate.files.items()}
    model = registered(workspace, candidate.model, candidate.version)
    if model.digest != candidate.digest:
        raise ConfigurationError(f"the registry has another {model.called} than was proposed; propose it again")
    return served_files(model.saved, model.parameters, model.weights)


def artifact(root: Path, digest: str) -> bytes:
    """A file that the hub hands out. Raises ConfigurationError where it is gone, or was changed."""
    path = HubControlFolder(root).artifact(digest)
    try:
        content = read_bounded(path, largest=LARGEST_FILE)
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read ({problem.strerror}); propose the version again") from None
    if sha256_hex(content) != digest:
        raise ConfigurationError(f"{path} was changed; propose the version again")
    return content


def chosen_regions(every: Mapping[str, KnownRegion], named: tuple[str, ...], owner: str) -> list[str]:
    """The regions that are meant: those named, else the model's own, else all. Raises ConfigurationError for none."""
    for name in named:
        if name not in every:
            raise ConfigurationError(unknown("region", name, every))
    names = list(named) or (sorted(every) if owner == HUB else [owner] if owner in every else [])
    if not names:
        raise ConfigurationError(
            "no region is known to this hub that could serve a model; `fedsov deploy` invites them"
        )
    return names


def verified(root: Path) -> Workspace:
    """The workspace, every ledger of which verifies. Raises LedgerBroken, ConfigurationError."""
    workspace = Workspace(root.resolve())
    workspace.require()
    for finding in verify_all(root):
        if finding.fault:
            raise LedgerBroken(finding.sentence())
    return workspace


def verdict_of(model: Registered) -> VersionVerdict:
    """What the model's tests came to, by the ledger of whoever holds it."""
    path = ledger_of(model.folder)
    if not is_there(path):
        raise LedgerBroken(f"no ledger at {path}, beside the registry of {model.owner}; restore your copy")
    with closing(Ledger.read(path)) as ledger:
        verdict = verdicts.verdict_of(ledger, model.saved.name, model.version, model.digest)
    verdicts.check_tags(model.saved.name, model.version, model.tags, verdict)
    return verdict


def _asked(sender: Sender, model: Registered, receiver: ReceivingRegion, verdict: VersionVerdict) -> RegionStep:
    """A region's step as it begins: what its border would say now."""
    try:
        _check_verdict(receiver, model, verdict)
        why = sender.refusal(model, receiver)
    except (ConfigurationError, CrossingRefused) as error:
        why = str(error)
    return RegionStep(REFUSED, why) if why else RegionStep(UNSIGNED)


def _crossed(sender: Sender, model: Registered, known: KnownRegion | None, name: str, verdict: VersionVerdict) -> str:
    """Hands the model out to a region, decided and recorded; why not, where it is not permitted."""
    if known is None:
        return f"{name} is no member of this hub any more"
    try:
        _check_verdict(known.receiver, model, verdict)
        sender.send(model, known.receiver)
        return ""
    except (ConfigurationError, CrossingRefused) as error:
        return str(error)


def _check_verdict(receiver: ReceivingRegion, model: Registered, verdict: VersionVerdict) -> None:
    place = "" if receiver.region is None else receiver.region.location
    verdicts.check_region(receiver.name, place, model.saved.label, verdict, is_own=model.owner == receiver.name)


def _put_files(workspace: Workspace, model: Registered) -> dict[str, str]:
    """Puts the hub's model among what it hands out once it is approved; digests by name. A region's model has none."""
    files = served_files(model.saved, model.parameters, model.weights)
    if model.owner != HUB:
        return {}
    folder, digests = HubControlFolder(workspace.root), {}
    for name, content in files.items():
        digests[name] = sha256_hex(content)
        path = folder.artifact(digests[name])
        make_private_folder(path.parent)
        write_file(path, content)
    return digests


def _proposal(
    workspace: Workspace, model: Registered, verdict: VersionVerdict, asked: RolloutProposal, files: Mapping[str, str]
) -> ProposedVersion:
    return ProposedVersion(
        model=model.saved.name,
        version=model.version,
        digest=model.digest,
        label=model.saved.label,
        verdict=verdict.word,
        report=verdict.report,
        registry=model.owner,
        dataset=model.dataset,
        run=model.saved.run,
        files=files,
        evaluation=_evaluation(workspace, model),
        before=champion_of(model.folder, model.saved.name),
        mode=asked.mode,
        share=asked.share,
        proposed=Act(by=asked.by or user(), why=asked.why or UNSAID, at=entry_time()),
    )


def _evaluation(workspace: Workspace, model: Registered) -> dict[str, float]:
    """How the hub's registry noted that the version's run did; of a region's model what is about that region."""
    noted = metrics_of(workspace.hub, model.saved.run)
    prefix = "" if model.owner == HUB else f"{model.owner}_"
    return {name: value for name, value in noted.items() if name.startswith(prefix)}


def enroll(rollouts: HubRollouts, regions: Mapping[str, KnownRegion]) -> None:
    """Gives each region its role in the repository, where it has none yet."""
    enrolled = rollouts.repository.enrolled()
    missing = {
        name: each.verify_key for name, each in regions.items() if each.verify_key not in ("", enrolled.get(name))
    }
    if missing:
        with rollouts.database.changing() as connection:
            for name, key in missing.items():
                rollouts.repository.enroll(connection, name, key)
