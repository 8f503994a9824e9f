"""The approved list of a region on its disk: read as the region's ledger noted it last, and written with both ledgers.

    listed = in_force(place, own)                                  # verified: two signatures, and the newest
    put(place, own, hub_ledger, listed.with_version(new, at=now), {"act": "approved", ...})

The hub's ledger notes an approval first, then the region's, and then the list is in its place: a kill at any instant
leaves the list that the region's ledger noted last, in its place or beside it (`fedsov.ledger.signed_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fedsov.errors import ApprovalRefused, ConfigurationError
from fedsov.inference.approved import NOTE as NOTE
from fedsov.inference.approved import ApprovedList, Signatory, read_approved, written
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import noted_content, put_noted
from fedsov.region.admission import Place
from fedsov.region.settings import RegionSettings
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import LARGEST, TooLarge
from fedsov.storage.locks import hold_file
from fedsov.storage.serving_folder import ServingFolder


def hub_key(own: RegionSettings) -> str:
    """The key of the hub's ledger that a region pins. Raises ConfigurationError where it pins none."""
    key = "" if own.parties.hub is None else own.keys.get(own.parties.hub.name, "")
    if not key:
        name = "HUB" if own.parties.hub is None else own.parties.hub.name
        raise ConfigurationError(
            f"region {own.region} has not pinned the hub's key, so nothing that the hub approved is believed; "
            f"`fedsov region set {own.region} keys.{name}=KEY` pins it (`fedsov ledger verify --json` prints head.key)"
        )
    return key


class NotedList(NamedTuple):
    """The list that a region's ledger noted last: its number, 0 of none, and its SHA-256, "" of none."""

    counter: int = 0
    sha256: str = ""


def noted_list(ledger: Ledger) -> NotedList:
    """What a region's ledger says of the newest list. Raises LedgerBroken."""
    notes = ledger.notes(NOTE)
    if not notes:
        return NotedList()
    newest = notes[-1].body["note"][NOTE]
    return NotedList(int(newest["counter"]), str(newest["sha256"]))


def in_force(place: Place, own: RegionSettings) -> ApprovedList:
    """The approved list of a region; an empty one where nothing was ever approved.

    Raises ApprovalRefused for one that is gone, was edited, put back, or is not signed by both; ConfigurationError
    where the region pins no key of the hub.
    """
    path, noted = ServingFolder(place.folder).approved, noted_list(place.ledger)
    if not noted.sha256:
        if path.exists():
            raise ApprovalRefused(
                f"the ledger of {own.region} never noted {path}: it was put there by hand; move it away, and approve "
                "versions with `fedsov promote`"
            )
        return ApprovedList(own.region)
    try:
        content = noted_content(path, noted.sha256, largest=LARGEST)
    except (OSError, TooLarge) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise ApprovalRefused(
            f"{path}, which the ledger of {own.region} notes, cannot be read: {why}; restore your copy, or {_ANEW}"
        ) from None
    if sha256_hex(content) != noted.sha256:
        raise ApprovalRefused(
            f"{path} is not list number {noted.counter}, which the ledger of {own.region} noted last: it was edited "
            f"or put back; restore your copy, or {_ANEW}"
        )
    return read_approved(content, hub_key(own), place.ledger.key)


def put(place: Place, own: RegionSettings, hub: Ledger, listed: ApprovedList, about: Mapping[str, Any]) -> bytes:
    """Signs a list with both keys, notes it in both ledgers and puts it in its place; its text.

    Args:
        hub: the hub's ledger, open for writing.
        about: what is noted of the change: the version, by whom and why.

    Raises ConfigurationError where the hub has another key than the region pins; LedgerBroken, WorkspaceUnusable.
    """
    check_hub(own, hub)
    region = Signatory(place.ledger.key, place.ledger.sign)
    content = written(listed, hub=Signatory(hub.key, hub.sign), region=region)
    note = {"region": own.region, "counter": listed.counter, "sha256": sha256_hex(content), **about}
    folder = ServingFolder(place.folder)
    with hold_file(folder.approved_lock):
        hub.note({NOTE: note})
        put_noted(folder.approved, content, place.ledger, {NOTE: note})
    return content


def check_hub(own: RegionSettings, hub: Ledger) -> None:
    """Raises ConfigurationError where this hub is not the one that a region pins."""
    if hub_key(own) != hub.key:
        raise ConfigurationError(
            f"region {own.region} pins the key {hub_key(own)[:12]}… for the hub, and this hub signs with "
            f"{hub.key[:12]}…; if the hub has a new key, `fedsov region set {own.region} keys.{hub.owner}={hub.key}`"
        )


_ANEW = "`fedsov promote MODEL VERSION --anew` begins a new list with that version alone"
