"""A workspace with a hub in IE and regions DE, GB and US, whose registries hold small models of people in DE."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedsov import registry
from fedsov.api.region_settings import init
from fedsov.ledger.ledger import Ledger
from fedsov.model.packaging import saved as saved_files
from fedsov.registry.values import ModelRecord, RunRecord
from fedsov.storage.workspace import Workspace, ledger_of
from tests.model.world import parameters_of, saved_model

HUB = ("parties.hub.name=hub", "parties.hub.location=IE", "parties.hub.entity=Example Holding")
REGIONS = {"DE": "Example GmbH", "GB": "Example Ltd", "US": "Example Inc."}
"""Those that a workspace has by default, and their entities."""


def workspace_of(root: Path, *names: str) -> Workspace:
    """The hub's ledger, and regions that have pinned the hub, its key, themselves and their peers."""
    workspace = Workspace(root)
    workspace.hub.mkdir(parents=True)
    Ledger(ledger_of(workspace.hub), "hub").close()
    chosen = names or tuple(REGIONS)
    for name in chosen:
        peers = [
            word
            for other in chosen
            if other != name
            for word in (f"parties.peers.{other}.location={other}", f"parties.peers.{other}.entity={_entity(other)}")
        ]
        own = (f"parties.region.location={name}", f"parties.region.entity={_entity(name)}")
        init(root, name, (*HUB, *own, *peers))
    return workspace


def _entity(name: str) -> str:
    return REGIONS.get(name, f"Example {name}")


def register(
    workspace: Workspace, owner: str, name: str, *, params: Mapping[str, str] | None = None, **changed: Any
) -> int:
    """Registers another version of a model with an owner (``hub``, or a region's name); its number."""
    folder = workspace.hub if owner == "hub" else workspace.region(owner)
    number = 1 + sum(each.name == name for each in registry.models(folder))
    described = replace(saved_model(name=name), region=owner, run=f"run{number}", **changed)
    path = saved_files.write(folder / "models" / f"{name}-{number}", described, parameters_of(described, seed=number))
    tags = {"label": json.dumps(described.label.to_json()), "dataset": "people"}
    record = RunRecord(
        f"run{number}", "people", params=dict(params or {"seed": "0"}), models=(ModelRecord(name, path, tags),)
    )
    registry.record(folder, record)
    return number


def notes(workspace: Workspace, owner: str, name: str) -> list[Mapping[str, Any]]:
    """What an owner's ledger noted under a name."""
    folder = workspace.hub if owner == "hub" else workspace.region(owner)
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        return [entry.body["note"][name] for entry in ledger.notes(name)]


def crossings(workspace: Workspace, owner: str) -> list[tuple[str, str, str]]:
    """Kind, importer and verdict of each crossing that an owner's ledger has."""
    folder = workspace.hub if owner == "hub" else workspace.region(owner)
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        bodies = [entry.body for entry in ledger.entries() if entry.body["act"] == "cross"]
    return [(body["kind"], body["importer"]["name"], body["verdict"]) for body in bodies]
