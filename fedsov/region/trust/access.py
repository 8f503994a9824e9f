"""A region's store is opened for a purpose: decided, written into the ledger, and only then opened.

    store = open_store(place, keys, Opening("people", "training", by="A. Person"))

A refusal is an entry too. No entry, no opening.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fedsov.errors import JobRefused
from fedsov.keys.principals import OWNER, refusal
from fedsov.keys.protocol import RegionKeys
from fedsov.partition.store import Store
from fedsov.region.admission import Place
from fedsov.storage.workspace import store_of

NOTE = "store_opened"
"""What a ledger calls the note of an opening."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What is to be opened for what, and who asks: a person or program, and as which principal."""

    dataset: str
    purpose: str
    by: str
    principal: str = OWNER


def open_store(place: Place, keys: RegionKeys, opening: Opening, *, run: str = "") -> Store:
    """The store, where the principal may open it for this purpose.

    Raises JobRefused (in the ledger too), LedgerBroken where it cannot be written down, and as `Store.open`.
    """
    why = refusal(opening.principal, opening.purpose)
    decided = {"verdict": "refuse" if why else "permit", "why": why}
    place.ledger.note({NOTE: {**asdict(opening), **decided}}, run=run)
    if why:
        raise JobRefused(f"region {place.ledger.owner}: {why}")
    return Store.open(store_of(place.folder, opening.dataset), keys)
