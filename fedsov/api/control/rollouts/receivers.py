"""The regions that may be asked to serve a version: those of a workspace, and those that joined a hub.

Of each is known where it is and by which key it signs. A region of the workspace says so in its own settings and its
ledger; of another the hub's ledger noted it when it was invited and approved.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fedsov.api.deployment.hub_home import HubHome
from fedsov.api.inference.approval.model_crossings import ReceivingRegion
from fedsov.keys.certificates import REGION
from fedsov.ledger.ledger import Ledger
from fedsov.region.settings_file import FILE, read_settings
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of


@dataclass(frozen=True, slots=True)
class KnownRegion:
    """A region: who receives a model there, and the key (Ed25519, hexadecimal) of its ledger."""

    receiver: ReceivingRegion
    verify_key: str


def known_regions(root: Path, hub: Ledger) -> dict[str, KnownRegion]:
    """Every region that a hub knows, by name. Raises SettingsBroken, KeyUnavailable, LedgerBroken."""
    return {**_joined(root, hub), **_at_hand(Workspace(root))}


def places(regions: Mapping[str, KnownRegion]) -> dict[str, str]:
    """Where each is, an ISO code; "" where that is not known."""
    return {
        name: "" if each.receiver.region is None else each.receiver.region.location for name, each in regions.items()
    }


def _at_hand(workspace: Workspace) -> dict[str, KnownRegion]:
    known = {}
    for name in workspace.region_names():
        folder = workspace.region(name)
        if (folder / FILE).exists() and is_there(ledger_of(folder)):
            with closing(Ledger.read(ledger_of(folder))) as ledger:
                known[name] = KnownRegion(ReceivingRegion.of(read_settings(folder, ledger)), ledger.key)
    return known


def _joined(root: Path, hub: Ledger) -> dict[str, KnownRegion]:
    home = HubHome(DeploymentFolder(root), hub)
    parties = home.parties()
    members = {name: member for name, member in home.members().items() if member.role == REGION}
    hub_party = parties.get(hub.owner)
    return {
        name: KnownRegion(ReceivingRegion(name, hub_party, parties.get(name)), member.verify_key)
        for name, member in members.items()
    }
