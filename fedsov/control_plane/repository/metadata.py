"""The metadata of the repository's roles: made, signed and checked; values in, values out.

    root (2 of 3 root keys)
    ├── targets                  says whose word counts for which files
    │   ├── NAME  (hub and region)   NAME/approved.json         one role for each region
    │   ├── models  (hub)            models/MODEL/VERSION/FILE  in bins by the hash of the name
    │   └── configuration  (hub)     configuration/NAME.json
    ├── snapshot                 which version of each role belongs together
    └── timestamp                which snapshot is the newest, signed anew within a day

A region downloads the one bin that a file is in. With a thousand versions that is some kilobytes, not a megabyte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Key,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from fedsov.control_plane.repository.signing_keys import ONLINE, ROOT_THRESHOLD, HoldsKey, TufSigner, public_key
from fedsov.errors import ApprovalRefused
from fedsov.ledger.signed_head import signature_holds
from fedsov.protocol.role_drafts import approved_path
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import parsed_json

ROOT, TARGETS, SNAPSHOT, TIMESTAMP, MODELS, CONFIGURATION = (
    "root",
    "targets",
    "snapshot",
    "timestamp",
    "models",
    "configuration",
)
RESERVED = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP, MODELS, CONFIGURATION)
"""Names of roles that no region can have."""
BIN_BITS = 6
"""Bins of models: two to this power. More of them make each snapshot longer, which every region reads at each change;
fewer make longer the five that a region reads for a version's files."""
APPROVERS = 2
"""Signatures of a region's role: the hub's and the region's own."""
DAYS = {ROOT: 365, TARGETS: 90, MODELS: 90, CONFIGURATION: 90, SNAPSHOT: 7, TIMESTAMP: 1}
"""How long metadata holds."""
REGION_DAYS = 3650
"""The same of a region's role: nobody can sign it anew but both, and a list that is held back shows by the timestamp's
age."""
Kind = TypeVar("Kind", Root, Targets, Snapshot, Timestamp)


@dataclass(frozen=True, slots=True)
class SignedList:
    """An approved list with the metadata of its region's role, which both signed: what can be published.

    Attributes:
        content: the list, as `fedsov.inference.approved.written` writes it.
        metadata: of the role that has this region's name.
    """

    region: str
    content: bytes
    metadata: bytes

    @property
    def version(self) -> int:
        """Of the role."""
        return read(self.metadata, Targets).signed.version


def life(role: str) -> timedelta:
    """How long metadata of a role holds."""
    return timedelta(days=DAYS.get(role, DAYS[MODELS] if role.startswith(f"{MODELS}-") else REGION_DAYS))


def expiry(role: str, now: datetime) -> datetime:
    """Until when metadata of a role holds that is signed now."""
    return now.replace(microsecond=0) + life(role)


def expires_at(content: bytes) -> datetime:
    """Until when metadata holds; its signatures are not checked."""
    metadata: Metadata[Targets] = Metadata.from_bytes(content)  # or of another kind
    return metadata.signed.expires


def read(content: bytes, kind: type[Kind]) -> Metadata[Kind]:
    """Metadata of a kind; its signatures are not checked. Raises ApprovalRefused for what is none."""
    try:
        metadata = Metadata[kind].from_bytes(content)  # type: ignore[valid-type]
    except RepositoryError:
        metadata = None
    if metadata is None or not isinstance(metadata.signed, kind):
        raise ApprovalRefused(f"what should be {kind.type} metadata of the repository cannot be read; {_RESTORE}")
    return metadata


def signed(payload: Kind, signers: Iterable[HoldsKey]) -> bytes:
    """The text of metadata, signed by each."""
    metadata = Metadata(payload)
    for holder in signers:
        metadata.sign(TufSigner(holder), append=True)
    return metadata.to_bytes(JSONSerializer(compact=True))


def first_root(roots: Sequence[HoldsKey], online: Mapping[str, HoldsKey], *, expires: datetime) -> Root:
    """The root: which keys sign for which role."""
    root = Root(expires=expires, consistent_snapshot=True)
    for holder in roots:
        root.add_key(public_key(holder.key), ROOT)
    root.roles[ROOT].threshold = ROOT_THRESHOLD
    for role in ONLINE:
        root.add_key(public_key(online[role].key), role)
    return root


def first_targets(hub: HoldsKey, *, expires: datetime) -> Targets:
    """The top role, which leaves models and configuration to the hub's ledger key."""
    key = public_key(hub.key)
    patterns = {MODELS: f"{MODELS}/*/*/*", CONFIGURATION: f"{CONFIGURATION}/*"}
    roles = {role: DelegatedRole(role, [key.keyid], 1, True, [pattern]) for role, pattern in patterns.items()}
    return Targets(expires=expires, delegations=Delegations({key.keyid: key}, roles))


def first_models(hub: HoldsKey, *, expires: datetime) -> Targets:
    """The role of models, which leaves each file to the bin of its name."""
    key = public_key(hub.key)
    bins = SuccinctRoles([key.keyid], 1, BIN_BITS, MODELS)
    return Targets(expires=expires, delegations=Delegations({key.keyid: key}, succinct_roles=bins))


def bin_of(path: str) -> str:
    """The role that stands for a file of a model."""
    return SuccinctRoles([], 1, BIN_BITS, MODELS).get_role_for_target(path)


def with_region(targets: Targets, region: str, *, hub: str, verify_key: str) -> Targets:
    """The top role, which leaves a region's list to the hub's and the region's ledger keys (hexadecimal) together."""
    plain = Targets.from_dict(targets.to_dict())
    delegations = plain.delegations or Delegations({}, {})
    keys = [public_key(hub), public_key(verify_key)]
    roles = {
        **(delegations.roles or {}),
        region: DelegatedRole(region, [key.keyid for key in keys], APPROVERS, True, [approved_path(region)]),
    }
    named = {keyid for role in roles.values() for keyid in role.keyids}
    known: dict[str, Key] = {**delegations.keys, **{key.keyid: key for key in keys}}
    plain.delegations = Delegations({keyid: key for keyid, key in known.items() if keyid in named}, roles)
    return plain


def target(path: str, content: bytes) -> TargetFile:
    """What is signed of a file."""
    return TargetFile(len(content), {"sha256": sha256_hex(content)}, path)


def meta(content: bytes, version: int) -> MetaFile:
    """What is signed of a version of the snapshot."""
    return MetaFile(version, len(content), {"sha256": sha256_hex(content)})


def with_signatures(payload: bytes, signatures: Mapping[str, bytes]) -> bytes:
    """The text of metadata from its canonical bytes, and the signature of each key (hexadecimal)."""
    entries = [{"keyid": public_key(key).keyid, "sig": signature.hex()} for key, signature in signatures.items()]
    return json.dumps({"signatures": entries, "signed": parsed_json(payload)}, separators=(",", ":")).encode()


def check_delegated(parent: Root | Targets, role: str, content: bytes) -> None:
    """Raises ApprovalRefused where metadata has not the signatures that its parent asks for."""
    metadata: Metadata[Targets] = Metadata.from_bytes(content)  # or of another kind: each is verified alike
    try:
        parent.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError):
        raise ApprovalRefused(
            f"the metadata of '{role}' does not have the signatures that it must have; {_RESTORE}"
        ) from None


def check_list(listed: SignedList, approvers: Iterable[str]) -> int:
    """The version of the role of a region's list, which each of these keys signed and which names this list alone.

    Raises ApprovalRefused.
    """
    metadata = read(listed.metadata, Targets)
    payload = metadata.signed_bytes
    for key in approvers:
        signature = metadata.signatures.get(public_key(key).keyid)
        if signature is None or not signature_holds(payload, key, signature.signature):
            raise ApprovalRefused(
                f"the metadata of '{listed.region}' is not signed by the key {key[:16]}, and takes the signatures of "
                f"hub and region; {_RESTORE}"
            )
    path, role = approved_path(listed.region), metadata.signed
    if role.delegations is not None or role.targets != {path: target(path, listed.content)}:
        raise ApprovalRefused(
            f"the metadata of '{listed.region}' names another file than its approved list; {_RESTORE}"
        )
    return role.version


_RESTORE = "propose the rollout again; where that does not mend it, restore the control plane's database from your copy"
