"""The values of an approval (`fedsov.protocol.rollouts`) as the messages of ``control.proto`` that a region exchanges.

A candidate is signed with the key of the hub's ledger, which the region pins: the connection's certificate alone is
not enough to bring a version to a person's eyes.
"""

from __future__ import annotations

from fedsov.errors import ApprovalRefused, ConfigurationError
from fedsov.keys.signed_text import holds_ed25519
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.rollouts import RoleSignatures, RolesToSign, RolloutCandidate, SignedLists, candidate_message
from fedsov.storage.bounded_files import parsed_json


def candidate_of(message: control.CandidateAnswer, hub_key: str) -> RolloutCandidate:
    """The candidate that the pinned hub signed. Raises ApprovalRefused for any other."""
    if not holds_ed25519(hub_key, candidate_message(message.document), message.signature):
        raise ApprovalRefused(
            "what came as the hub's proposal is not signed by the hub's pinned key; nothing was approved; "
            "ask the hub's operator which key its ledger has"
        )
    try:
        return RolloutCandidate.from_json(parsed_json(message.document))
    except (ValueError, ConfigurationError) as error:
        why = f"what the hub proposes cannot be read ({error}); install the hub's version of fedsov"
        raise ApprovalRefused(why) from None


def lists_message(lists: SignedLists) -> control.HalfSignedLists:
    """A region's half of both lists."""
    return control.HalfSignedLists(
        rollout=lists.rollout,
        forward=lists.forward,
        back=lists.back,
        by=lists.by,
        why=lists.why,
        current=lists.current,
        role_version=lists.role_version,
        at=lists.at,
        begins_after=lists.begins_after,
    )


def roles_of(message: control.RoleDrafts, rollout: int) -> RolesToSign:
    """What the region signs next about a rollout."""
    return RolesToSign(
        rollout=rollout,
        forward=message.forward_list,
        back=message.back_list,
        forward_role=message.forward,
        back_role=message.back,
    )


def signatures_message(signatures: RoleSignatures) -> control.RoleSignatures:
    """A region's signatures of both metadata."""
    return control.RoleSignatures(rollout=signatures.rollout, forward=signatures.forward, back=signatures.back)
