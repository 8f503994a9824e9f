"""A region's approval, as the hub takes it: two lists that say what was agreed, and nothing else.

The region says which list it has, signed by both; `forward` must be that list with the version, and `back` must be that
list again. Numbers follow each other, so that each can take the place of the one before and none can return.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fedsov.errors import ApprovalRefused
from fedsov.inference.approved import ApprovedList, ApprovedVersion, Signatory, countersigned, read_approved
from fedsov.protocol.rollouts import RolloutCandidate, SignedLists

_COMPARED = ("model", "version", "digest", "mode", "share", "label", "verdict", "report", "registry")
REFERENCE = "reference.json"
"""The file of a version that the region makes of its own rows; the hub sees its digest."""


@dataclass(frozen=True, slots=True)
class WholeLists:
    """Both lists, and their texts with both signatures."""

    forward: ApprovedList
    back: ApprovedList
    forward_text: bytes
    back_text: bytes


def whole_lists(
    lists: SignedLists, candidate: RolloutCandidate, *, hub: Signatory, region_key: str, wanted: int
) -> WholeLists:
    """The lists that a region signed, signed by the hub too, where they say what was agreed.

    Args:
        region_key: the key (Ed25519, hexadecimal) that the region is known by.
        wanted: the number of the list that the hub published last for the region; 0 of none.

    Raises ApprovalRefused for anything else.
    """
    current = _current(lists, hub.key, region_key, wanted)
    forward, forward_text = countersigned(lists.forward, hub=hub, region_key=region_key)
    back, back_text = countersigned(lists.back, hub=hub, region_key=region_key)
    version = next((each for each in forward.versions if _is_of(each, candidate)), None)
    if version is None or forward != current.with_version(version, at=forward.issued_at):
        raise ApprovalRefused(
            f"the list that {lists.region} signed is not its list {current.counter} with {candidate.model} "
            f"{candidate.version} as it was proposed; {_again(candidate)}"
        )
    if back != replace(current, counter=current.counter + 2, issued_at=back.issued_at):
        raise ApprovalRefused(
            f"the way back that {lists.region} signed is not its list {current.counter}; {_again(candidate)}"
        )
    return WholeLists(forward, back, forward_text, back_text)


def _current(lists: SignedLists, hub_key: str, region_key: str, wanted: int) -> ApprovedList:
    if lists.current:
        listed = read_approved(lists.current, hub_key, region_key)
    else:
        listed = ApprovedList(lists.region, lists.begins_after)
    if listed.region != lists.region:
        raise ApprovalRefused(f"the list that {lists.region} showed is one of {listed.region}")
    if listed.counter < wanted:
        raise ApprovalRefused(
            f"{lists.region} showed its list {listed.counter}, and list {wanted} is published for it: it has not taken "
            f"that one yet (`fedsov status` in {lists.region} says why), or was restored from an older copy"
        )
    return listed


def _is_of(version: ApprovedVersion, candidate: RolloutCandidate) -> bool:
    is_same = all(getattr(version, name) == getattr(candidate, name) for name in _COMPARED)
    files = {name: digest for name, digest in version.files.items() if name != REFERENCE}
    return is_same and (not candidate.files or files == dict(candidate.files))


def _again(candidate: RolloutCandidate) -> str:
    return f"`fedsov rollout approve {candidate.rollout} --region {candidate.region}` signs again"
