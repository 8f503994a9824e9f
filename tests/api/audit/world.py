"""A hub and three regions in one workspace, each with its own ledger, keys and settings; nothing was trained."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from fedsov.artifact import Party
from fedsov.keys import KeySettings, create_keys
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import Change, write_settings
from fedsov.region.trust.parties import Parties
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, write_party
from fedsov.storage.workspace import Workspace

NAMES = ("DE", "FR", "US")
HUB = Party("hub", "IE", "Example Holding")


def federation(root: Path, names: Sequence[str] = NAMES, *, shared: str = "nothing") -> Path:
    """The workspace, its regions with their parties pinned."""
    with closing(Ledger(root / "hub" / "ledger.sqlite", "hub")) as ledger:
        ledger.note({"opened": 1})
    keys = {}
    for name in names:
        folder = Workspace(root).region(name)
        keys[name] = create_keys(KeySettings(name, folder))
        with closing(Ledger(folder / "ledger.sqlite", name)) as ledger:
            ledger.note({"opened": 1})
    for name in names:
        folder = Workspace(root).region(name)
        parties = Parties(hub=HUB, region=Party(name, name, f"Example {name}"))
        own = RegionSettings(name, parties=parties, shared_entries=shared)
        with closing(Ledger(folder / "ledger.sqlite", name)) as ledger:
            write_settings(folder, keys[name], ledger, Change(own, "a test", "to see"))
    return root


def as_hub_alone(root: Path) -> None:
    """Makes a workspace the home of its hub: the regions' folders are elsewhere."""
    shutil.rmtree(root / "regions")
    write_party(DeploymentFolder(root).party, PartyFile("hub", "hub", HubAddress("127.0.0.1", 9091)))


def path_of(root: Path, owner: str) -> Path:
    workspace = Workspace(root)
    return (workspace.hub if owner == "hub" else workspace.region(owner)) / "ledger.sqlite"


def happen(root: Path, owner: str, *bodies: dict[str, Any]) -> None:
    """Adds entries to a party's ledger: crossings of these words, or notes."""
    with closing(Ledger.existing(path_of(root, owner))) as ledger:
        ledger.append_all({"at": entry_time(), "run": "r", "owner": owner, **body} for body in bodies)


def crossing(number: int) -> dict[str, Any]:
    """The body of a permitted crossing."""
    party = {"name": "DE", "location": "DE", "entity": "Example DE", "owners": [], "role": "controller"}
    return {
        "act": "cross",
        "name": f"update {number}",
        "kind": "update",
        "verdict": "permit",
        "exporter": party,
        "importer": {**party, "name": "hub", "location": "IE", "entity": "Example Holding"},
        "origins": ["DE"],
        "categories": ["personal"],
        "restrictions": [],
        "rules": ["free"],
        "documents": [],
        "digest": "00" * 32,
        "day": "2026-11-30",
    }


def note(number: int) -> dict[str, Any]:
    """The body of a note that is nobody else's business."""
    return {"act": "note", "note": {"secret act": number}}
