"""What a region signs of the repository of approved versions: the metadata of its own role, which names one list.

    draft = written_draft("DE", approved, version=7, expires=expires)   # at the hub, which counts the versions
    checked_draft(draft, "DE", approved, after=5)                       # in the region, before its ledger's key signs
    signature = ledger.sign(draft)

A role of TUF (The Update Framework, specification 1.0.31) says which files its signers stand for. The role of a region
stands for one, `DE/approved.json`, and takes the signatures of the hub's and of the region's ledger keys. A draft is
exactly the bytes that both sign: canonical JSON. A region computes for itself what it signs, from its own list, and
takes nothing but the number and the day from the hub.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from fedsov.errors import ApprovalRefused
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import parsed_json

SPECIFICATION = "1.0.31"
LONGEST = 4096
"""Bytes of a draft."""


def approved_path(region: str) -> str:
    """The name of a region's approved list in the repository."""
    return f"{region}/approved.json"


def written_draft(region: str, content: bytes, *, version: int, expires: datetime) -> bytes:
    """The metadata of a region's role, to be signed.

    Args:
        content: the approved list, as both signed it.
        version: of the role; a region takes no lower one than it has.
        expires: to the second, UTC.
    """
    return _canonical(region, content, version, f"{expires:%Y-%m-%dT%H:%M:%S}Z")


def checked_draft(draft: bytes, region: str, content: bytes, *, after: int) -> bytes:
    """This draft, where it names this list of this region and nothing else, under a higher number.

    Raises ApprovalRefused.
    """
    try:
        plain = parsed_json(draft if len(draft) <= LONGEST else b"")
        version, expires = plain["version"], plain["expires"]
        is_known = type(version) is int and bool(datetime.strptime(expires, "%Y-%m-%dT%H:%M:%SZ"))
    except (ValueError, TypeError, KeyError):
        is_known, version, expires = False, 0, ""
    if not is_known or draft != _canonical(region, content, version, expires):
        raise ApprovalRefused(
            f"what the hub asks {region} to sign is not the metadata of the list that {region} signed; it was not "
            "signed; propose the rollout again, and ask the hub's operator if it happens twice"
        )
    if version <= after:
        raise ApprovalRefused(
            f"the hub asks {region} to sign version {version} of its role, and {region} has version {after}; the hub "
            "was put back from a backup; let the hub's operator see `fedsov rollout status`"
        )
    return draft


def draft_version(draft: bytes) -> int:
    """The number of a draft that was checked."""
    return int(parsed_json(draft)["version"])


def _canonical(region: str, content: bytes, version: int, expires: str) -> bytes:
    target = {"hashes": {"sha256": sha256_hex(content)}, "length": len(content)}
    plain: dict[str, Any] = {
        "_type": "targets",
        "expires": expires,
        "spec_version": SPECIFICATION,
        "targets": {approved_path(region): target},
        "version": version,
    }
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
