"""The hub's ledger as a region remembers it: it grows, and a hub that was put back from a backup is known by that.

At the end of a run a region notes the signed head of the hub's ledger. When it is opened for the next run, and at that
run's end, the hub proves that its ledger continues the head that was noted. One that does not is refused before a row
is read: the hub forgot entries, or its ledger was cut. `fedsov.ledger.gaps` says how both go on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fedsov.errors import ConfigurationError, HubRestored, LedgerBroken
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import accepted, noted_heads
from fedsov.ledger.signed_head import Head

WAY_OUT = (
    "put back a newer backup of the hub, or have its owner run `fedsov ledger accept-gap hub --why TEXT` and take the "
    "statement here by `fedsov ledger accept-gap {region} --statement FILE --why TEXT`; nothing crossed"
)


def continued(ledger: Ledger, hub: str, told: Mapping[str, Any]) -> Head:
    """The head that a hub tells with its proofs (`fedsov.ledger.proofs.continuations`), where it follows the noted one.

    Args:
        ledger: the region's own.
        hub: the hub's name.

    Raises:
        HubRestored: the same key signed a head that is older than the one noted, or is none of its followers.
        LedgerBroken: malformed, unsigned, or signed by another key.
    """
    noted = noted_heads(ledger).get(hub)
    try:
        paths, announced = json.loads(str(told.get("paths", "{}"))), json.loads(str(told["head"]))
        path = paths.get(str(noted["size"]), ()) if noted else ()
    except (KeyError, ValueError, AttributeError) as problem:
        raise LedgerBroken("the head of the hub's ledger cannot be read") from problem
    try:
        return accepted(announced, noted, path=path)
    except LedgerBroken as problem:
        if noted and _is_of_same_key(announced, noted):
            way = WAY_OUT.format(region=ledger.owner)
            raise HubRestored(f"{problem}; {way}") from problem
        raise


def check_hub(ledger: Ledger, hub: str, told: Mapping[str, Any]) -> None:
    """As `continued`, of a region that is opened: nothing need be told where none was noted.

    Raises LedgerBroken also where nothing was told and a head was noted.
    """
    if noted_heads(ledger).get(hub) is None:
        return
    if not told:
        raise LedgerBroken(f"{hub} told no head of its ledger, of which one was noted; nothing crossed")
    continued(ledger, hub, told)


def _is_of_same_key(announced: Any, noted: Mapping[str, Any]) -> bool:
    """Whether the announced head is signed by the owner and the key of the noted one."""
    try:
        head = Head.from_json(announced).check()
    except (LedgerBroken, ConfigurationError):
        return False
    return (head.owner, head.key) == (noted.get("owner"), noted.get("key"))
