"""Pins in a region's settings whom it deals with: keys and places of the hub and of peers that nobody pinned yet.

What the owner pinned stays, whatever a package says: `contradictions` names the difference, and the command by which
the owner could change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fedsov.api.region_settings import UNSAID, opened, show, user
from fedsov.region.lifecycle.rekeying import protected_by
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import Change, read_settings, write_settings
from fedsov.region.trust import known_peers
from fedsov.region.trust.parties import Parties


def pin(root: Path, name: str, told: Mapping[str, str], parties: Parties, *, by: str = "", why: str = "") -> list[str]:
    """Pins the verify keys and the parties that nobody pinned yet, and says which; what was pinned stays.

    Args:
        told: the verify keys (hexadecimal) of the hub and of peers, by name.
        parties: where they and the region itself are.

    Raises as `set_settings`.
    """
    before = show(root, name).settings
    if not (added := _unpinned(before, told, parties)):
        return []
    with opened(root, name, writes=True) as (folder, ledger):
        own = read_settings(folder, ledger)  # as they are now that nobody else writes
        whole = Parties(
            own.parties.hub or parties.hub,
            own.parties.region or parties.region,
            {**{peer: party for peer, party in parties.peers.items() if peer != name}, **own.parties.peers},
        )
        new = replace(own, keys={**{who: key for who, key in told.items() if who != name}, **own.keys}, parties=whole)
        change = Change(new, by or user(), why or UNSAID)
        write_settings(folder, protected_by(folder, name, own.key_service), ledger, change)
    return added


def _unpinned(own: RegionSettings, told: Mapping[str, str], parties: Parties) -> list[str]:
    """What of these parties is not pinned yet, by its key in region.yaml."""
    groups = (("hub", own.parties.hub, parties.hub), ("region", own.parties.region, parties.region))
    return [
        *(f"parties.{group}" for group, pinned, stated in groups if pinned is None and stated is not None),
        *(f"parties.peers.{peer}" for peer in parties.peers if peer not in own.parties.peers and peer != own.region),
        *(f"keys.{who}" for who in told if who not in own.keys and who != own.region),
    ]


def contradictions(own: RegionSettings, told: Mapping[str, str], parties: Parties) -> list[str]:
    """A sentence for each key or place that is told otherwise than the region's owner pinned it."""
    return [*known_peers.contradictions(own, told), *own.parties.contradictions(own.region, parties)]
