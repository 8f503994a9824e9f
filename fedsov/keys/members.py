"""``members.json`` at the hub: every party of a deployment that was approved, and the public keys it is known by.

    members = read_members(folder.members)
    members["DE"].public_key          # the P-256 key of its certificate, PEM: its node key at Flower's SuperLink

A party that was revoked is no longer in it. Regions hear of each other's verify and sealing keys from here, and believe
a sealing key only where the peer's pinned verify key signed it (`fedsov.region.trust.known_peers`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedsov.checks import section_of_texts
from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.storage.bounded_files import parsed_json, read_bounded


@dataclass(frozen=True, slots=True)
class Member:
    """One approved party.

    Attributes:
        role: hub, region or operator.
        public_key: the key of its certificate (P-256), as PEM.
        serial: its certificate's number, in hexadecimal.
        not_after: until when that is valid, ISO 8601 in UTC.
        verify_key: of a region and the hub: the key (Ed25519, hexadecimal) that signs its ledger's heads.
        sealing_key, sealing_signature: of a region: its X25519 key, and its verify key's signature of that.
    """

    role: str
    public_key: str
    serial: str
    not_after: str
    verify_key: str = ""
    sealing_key: str = ""
    sealing_signature: str = ""


def read_members(path: Path) -> dict[str, Member]:
    """The members by name; none where there is no file. Raises KeyUnavailable for a file that was damaged."""
    if not path.exists():
        return {}
    try:
        return members_of(parsed_json(read_bounded(path)))
    except (OSError, ValueError) as problem:
        raise KeyUnavailable(f"{path}: the members cannot be read ({problem}); restore your copy") from problem


def members_of(plain: Any) -> dict[str, Member]:
    """The members of plain values. Raises ValueError for what is none."""
    if not isinstance(plain, dict):
        raise ValueError("it is no JSON object")
    try:
        return {name: Member(**section_of_texts(name, part, Member)) for name, part in plain.items()}
    except ConfigurationError as problem:
        raise ValueError(str(problem)) from None


def plain_members(members: Mapping[str, Member]) -> dict[str, dict[str, str]]:
    """Plain values, which `members_of` reads."""
    return {name: asdict(member) for name, member in sorted(members.items())}


def written_members(members: Mapping[str, Member]) -> bytes:
    """The content of the members' file, which `read_members` reads."""
    return json.dumps(plain_members(members), indent=1).encode()
