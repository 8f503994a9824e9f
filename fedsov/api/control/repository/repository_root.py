"""The root of the hub's repository: until when its metadata holds, and a new root where keys or days ran out.

shown = show(home)
new = renew(home, replaced=["snapshot", "timestamp"], by="A. Person", why="restored from the backup of Monday")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fedsov.api.control.control_hub import ControlHub, control_hub
from fedsov.api.region_settings import UNSAID, user
from fedsov.control_plane.repository.renewal import Expiry, expiries, new_root
from fedsov.control_plane.repository.signing_keys import root_key_names

NOTE = "repository"
"""What the hub's ledger calls the note of a new root."""


@dataclass(frozen=True, slots=True)
class RootShown:
    """The root, and what else expires.

    Attributes:
        version, until: of the root.
        keys: how the public halves of its three keys begin, and whether the file is at hand.
        roles: until when each other role of the hub's holds, the first to expire first.
        regions: the regions that have a role.
    """

    version: int
    until: datetime
    keys: dict[str, bool]
    roles: tuple[Expiry, ...]
    regions: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "version": self.version,
            "until": self.until.isoformat(),
            "keys": self.keys,
            "roles": {each.role: each.until.isoformat() for each in self.roles},
            "regions": list(self.regions),
        }


def show(home: Path) -> RootShown:
    """The root of a hub's repository. Raises ConfigurationError where there is no hub."""
    with control_hub(home) as hub:
        return _shown(hub)


def renew(home: Path, *, replaced: Sequence[str] = (), lost: str = "", by: str = "", why: str = "") -> RootShown:
    """Signs a new root, noted in the hub's ledger first; a service that runs takes it at once.

    Args:
        replaced: of targets, snapshot and timestamp those that get a new key.
        lost: how the public half of a root key begins that is replaced; "" for none.

    Raises KeyUnavailable where fewer than two root keys are at hand; ConfigurationError, LedgerBroken.
    """
    with control_hub(home) as hub:
        about = {"replaced": list(replaced), "lost": lost, "by": by or user(), "why": why or UNSAID}
        hub.ledger.note({NOTE: {"act": "new root", **about}})
        new_root(hub.repository, replaced=replaced, lost=lost)
        return _shown(hub)


def _shown(hub: ControlHub) -> RootShown:
    every = {each.role: each for each in expiries(hub.repository)}
    regions = tuple(sorted(hub.repository.enrolled()))
    others = tuple(each for role, each in every.items() if role != "root" and role not in regions)
    root = every["root"]
    return RootShown(root.version, root.until, root_key_names(hub.folder, hub.repository.root()), others, regions)
