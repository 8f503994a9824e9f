"""A region's half of an approval, in its own folder: its files in place, its lists signed, what it takes noted.

    half = half_of(place, own, candidate, files, approver)      # its lists go to the hub: it answers `RolesToSign`
    signatures = sign_roles(place, own, half.lists, roles)

The region computes for itself what it signs: the list that it serves now with the version, and the way back to that
list. Its ledger notes the approval with the numbers of both before anything leaves.
What the hub publishes then it takes by `fedsov.api.control.serving.taken_lists`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fedsov.api.control.serving.taken_lists import ROLLOUT
from fedsov.api.inference.approval import approvals, verdicts
from fedsov.api.inference.approval.served_files import ReferenceRequest, reference_of, write_files
from fedsov.api.inference.approval.verdicts import VersionVerdict
from fedsov.errors import ApprovalRefused, ConfigurationError, InputError
from fedsov.inference.approved import ApprovedList, ApprovedVersion, Signatory, half_signed, read_approved
from fedsov.inference.use.drift import REFERENCE
from fedsov.ledger.ledger import entry_time
from fedsov.ledger.signed_files import noted_content
from fedsov.model.packaging.saved import SavedModel
from fedsov.model.packaging.signature import DESCRIPTION, GRAPH, WEIGHTS
from fedsov.protocol.role_drafts import checked_draft
from fedsov.protocol.rollouts import BACK, FORWARD, RoleSignatures, RolesToSign, RolloutCandidate, SignedLists
from fedsov.region.admission import Place
from fedsov.region.settings import RegionSettings
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import LARGEST, parsed_json
from fedsov.storage.serving_folder import ServingFolder

FILES = (DESCRIPTION, WEIGHTS, GRAPH)
"""What a version has beside the reference that the region makes."""


@dataclass(frozen=True, slots=True)
class Approver:
    """Who approves in a region, and why. `anew` begins a new list in the place of one that is not believed any more."""

    by: str
    why: str
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Half:
    """What a region signed, the version as it stands on its list, the champion that it replaces, and remarks."""

    lists: SignedLists
    version: ApprovedVersion
    before: ApprovedVersion | None = None
    remarks: tuple[str, ...] = ()


def half_of(
    place: Place,
    own: RegionSettings,
    candidate: RolloutCandidate,
    files: Mapping[str, bytes],
    approver: Approver,
    *,
    role_version: int = 0,
) -> Half:
    """Checks a candidate, puts its files in place, and signs the list with it and the way back.

    Args:
        files: the candidate's, by name, wherever they came from.
        role_version: of its role's metadata that the region trusts.

    Raises ConfigurationError, CrossingRefused for a candidate that may not serve here; ApprovalRefused for files that
    are not the candidate's, or a list in force that is not believed; LedgerBroken, WorkspaceUnusable.
    """
    _check(own, candidate, approver)
    described = _check_files(candidate, files)
    current, current_text = _current(place, own, approver)
    folder = ServingFolder(place.folder).model(candidate.model, candidate.version)
    all_files, remarks = dict(files), []
    try:
        asked = ReferenceRequest(candidate.dataset, approver.by)
        all_files[REFERENCE] = reference_of(place, own, described, files, asked)
    except InputError as error:
        (folder / REFERENCE).unlink(missing_ok=True)
        remarks.append(f"{own.region}: drift is not measured: {error}")
    version = _version(candidate, all_files, approver)
    forward = current.with_version(version, at=version.at)
    back = replace(current, counter=current.counter + 2, issued_at=version.at)
    write_files(folder, all_files)
    about = {"act": "approved", "number": candidate.rollout, "forward": forward.counter, "back": back.counter}
    place.ledger.note({ROLLOUT: about | version.to_json()})
    if forward.of(version.model).champion is None:
        remarks.append(f"{own.region}: {version.model} has no champion, so nobody answers what its canaries leave")
    lists = SignedLists(
        rollout=candidate.rollout,
        region=own.region,
        by=approver.by,
        why=approver.why,
        at=version.at,
        current=current_text,
        forward=_half(place, own, forward),
        back=_half(place, own, back),
        role_version=role_version,
        begins_after=current.counter,
    )
    return Half(lists, version, current.of(version.model).champion, tuple(remarks))


def sign_roles(place: Place, own: RegionSettings, lists: SignedLists, roles: RolesToSign) -> RoleSignatures:
    """Signs the metadata of both lists, where they are the region's own lists with the hub's signature beside.

    Raises ApprovalRefused for anything else.
    """
    drafts = {FORWARD: (roles.forward, roles.forward_role), BACK: (roles.back, roles.back_role)}
    signatures = {}
    for direction, (content, draft) in drafts.items():
        signed = read_approved(content, approvals.hub_key(own), place.ledger.key)
        if _half(place, own, signed) != getattr(lists, direction):
            raise ApprovalRefused(
                f"the hub answered with another list than {own.region} signed; it was not signed, approve it again"
            )
        signatures[direction] = place.ledger.sign(checked_draft(draft, own.region, content, after=lists.role_version))
    return RoleSignatures(rollout=lists.rollout, region=own.region, forward=signatures[FORWARD], back=signatures[BACK])


def _check(own: RegionSettings, candidate: RolloutCandidate, approver: Approver) -> None:
    if candidate.region != own.region:
        raise ConfigurationError(f"the candidate is for {candidate.region}, not for {own.region}")
    verdict = VersionVerdict(candidate.verdict, candidate.report, ("its tests",) if candidate.report else ())
    verdicts.check_reason(candidate.model, candidate.version, verdict, approver.why)
    place = "" if own.parties.region is None else own.parties.region.location
    verdicts.check_region(own.region, place, candidate.label, verdict, is_own=candidate.registry == own.region)


def _check_files(candidate: RolloutCandidate, files: Mapping[str, bytes]) -> SavedModel:
    """What the files say the model is, where they are the candidate's: all of them, and none beside.

    Raises ApprovalRefused.
    """
    digests = {name: sha256_hex(content) for name, content in files.items()}
    expected = dict(candidate.files) or {name: digests.get(name, "") for name in FILES}
    if digests != expected or digests.get(WEIGHTS) != candidate.digest or set(digests) != set(FILES):
        raise ApprovalRefused(
            f"what came of {candidate.model} {candidate.version} is not what the hub approved in rollout "
            f"{candidate.rollout}; approve it again, and ask the hub's operator if it happens twice"
        )
    described = SavedModel.from_json(parsed_json(files[DESCRIPTION]))
    if described.label != candidate.label:
        raise ApprovalRefused(
            f"{candidate.model} {candidate.version} is bound by {described.label}, as its description says, and the "
            f"hub says {candidate.label}; it was not approved"
        )
    return described


def _version(candidate: RolloutCandidate, files: Mapping[str, bytes], approver: Approver) -> ApprovedVersion:
    return ApprovedVersion(
        candidate.model,
        candidate.version,
        digest=candidate.digest,
        mode=candidate.mode,
        share=candidate.share,
        label=candidate.label,
        verdict=candidate.verdict,
        report=candidate.report,
        registry=candidate.registry,
        files={name: sha256_hex(content) for name, content in files.items()},
        by=approver.by,
        why=approver.why,
        at=entry_time(),
    )


def _current(place: Place, own: RegionSettings, approver: Approver) -> tuple[ApprovedList, bytes]:
    """The list in force, and its text as both signed it (b"" of none); an empty one that follows it, to begin anew."""
    noted = approvals.noted_list(place.ledger)
    if approver.anew:
        return ApprovedList(own.region, noted.counter), b""
    listed = approvals.in_force(place, own)
    path = ServingFolder(place.folder).approved
    return listed, noted_content(path, noted.sha256, largest=LARGEST) if noted.sha256 else b""


def _half(place: Place, own: RegionSettings, listed: ApprovedList) -> bytes:
    region = Signatory(place.ledger.key, place.ledger.sign)
    return half_signed(listed, hub_key=approvals.hub_key(own), region=region)
