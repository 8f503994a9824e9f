"""A region takes a list that hub and region signed: noted in its ledger, then in its place, and never an older one.

    put_list(place, own, content)

Whoever brings it (the agent, or a command of a workspace that holds both) does the same; two at a time are harmless.
"""

from __future__ import annotations

from typing import Any

from fedsov.api.inference.approval import approvals
from fedsov.errors import ApprovalRefused
from fedsov.inference.approved import NOTE, ApprovedList, read_approved
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import put_noted
from fedsov.region.admission import Place
from fedsov.region.settings import RegionSettings
from fedsov.storage.atomic_files import sha256_hex, write_file
from fedsov.storage.locks import hold_file
from fedsov.storage.serving_folder import ServingFolder

ROLLOUT = "rollout"
"""What a region's ledger calls the note of its approval of a rollout."""


def put_list(place: Place, own: RegionSettings, content: bytes) -> ApprovedList:
    """Takes a list that both signed and that is newer than any that the region's ledger noted; the list.

    One that is in force already is left as it is. Raises ApprovalRefused for an older one, and one of another region;
    LedgerBroken, WorkspaceUnusable.
    """
    listed, folder = read_approved(content, approvals.hub_key(own), place.ledger.key), ServingFolder(place.folder)
    if listed.region != own.region:
        raise ApprovalRefused(f"the list is one of {listed.region}, not of {own.region}")
    with hold_file(folder.approved_lock):
        noted, digest = approvals.noted_list(place.ledger), sha256_hex(content)
        if noted.sha256 == digest:
            _finish(folder, content)
            return listed
        if listed.counter <= noted.counter:
            raise ApprovalRefused(
                f"list {listed.counter} of {own.region} is not newer than list {noted.counter}, which its ledger "
                "noted: the hub was put back from an older copy, or an older list was brought; it goes on serving what "
                "it serves"
            )
        note = {"region": own.region, "counter": listed.counter, "sha256": digest}
        note |= _about(place.ledger, listed.counter)
        put_noted(folder.approved, content, place.ledger, {NOTE: note})
    return listed


def _about(ledger: Ledger, counter: int) -> dict[str, Any]:
    """What a ledger notes of a list that is taken: what this region approved it for."""
    for entry in reversed(ledger.notes(ROLLOUT)):
        approved = entry.body["note"][ROLLOUT]
        if counter in (approved["forward"], approved["back"]):
            act = "approved" if counter == approved["forward"] else "rolled back"
            return {"act": act, "rollout": approved["number"]} | {
                name: approved[name] for name in ("model", "version", "by", "why")
            }
    return {"act": "taken"}


def _finish(folder: ServingFolder, content: bytes) -> None:
    """Puts the list that was noted in its place, where a kill left it beside it."""
    if not folder.approved.is_file() or folder.approved.read_bytes() != content:
        write_file(folder.approved, content)
