"""A region's store is opened for a purpose: decided, written into the ledger, and only then opened.

    store = open_store(place, keys, Opening("people", "training", by="A. Person"))

A refusal is an entry too. No entry, no opening.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fedsov.errors import JobRefused
from fedsov.keys import KeyService, KeySettings, open_keys, open_keys_as
from fedsov.keys.principals import refusal
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.store import Store
from fedsov.region.admission import Place
from fedsov.region.settings import RegionSettings
from fedsov.storage.workspace import store_of

NOTE, GRANTS = "store_opened", "principal"
"""What a ledger calls the note of an opening, and of keys that were granted to a principal or taken away."""
EVERY_DATASET = "every data set"


@dataclass(frozen=True, slots=True)
class Opening:
    """What is to be opened for what, and who asks: a person or a run."""

    dataset: str
    purpose: str
    by: str


def open_store(place: Place, keys: RegionKeys, opening: Opening, *, run: str = "") -> Store:
    """The store, where whoever has these keys may open it for this purpose.

    Raises JobRefused (in the ledger too), LedgerBroken where it cannot be written down, and as `Store.open`.
    """
    record_opening(place.ledger, keys.principal, opening, run=run)
    return Store.open(store_of(place.folder, opening.dataset), keys)


def record_opening(ledger: Ledger, principal: str, opening: Opening, *, run: str = "") -> None:
    """Decides about an opening and writes it down. Raises as `open_store`."""
    why = refusal(principal, opening.purpose)
    decided = {"principal": principal, "verdict": "refuse" if why else "permit", "why": why}
    ledger.note({NOTE: {**asdict(opening), **decided}}, run=run)
    if why:
        raise JobRefused(f"region {ledger.owner}: {why}")


def keys_for(place: Place, own: RegionSettings, principal: str) -> RegionKeys:
    """The keys that a principal's work is done with: its own where it was granted some, else the owner's.

    Raises KeyUnavailable where it was granted some that are not there or that another service protects, and as
    `open_keys`.
    """
    service = granted(place.ledger).get(principal)
    if service is not None:
        return open_keys(KeySettings(own.region, place.folder, service, principal))
    return open_keys_as(KeySettings(own.region, place.folder, own.key_service), principal)


def granted(ledger: Ledger) -> dict[str, KeyService]:
    """The principals that were granted keys, and by which service each opens them. Raises LedgerBroken."""
    in_force: dict[str, KeyService] = {}
    for entry in ledger.notes(GRANTS):
        said = entry.body["note"][GRANTS]
        if said["act"] == "grant":
            in_force[said["principal"]] = KeyService.from_settings(said["service"])
        else:
            in_force.pop(said["principal"], None)
    return in_force


def note_grant(ledger: Ledger, principal: str, service: KeyService | None, *, by: str, why: str) -> None:
    """Notes that a principal was granted keys by a service; None where they were taken away."""
    act = {"act": "revoke"} if service is None else {"act": "grant", "service": service.to_json()}
    ledger.note({GRANTS: {"principal": principal, **act, "by": by, "why": why}})
