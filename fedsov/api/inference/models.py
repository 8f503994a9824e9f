"""A registered model for whoever works in a region: `fedsov.load`.

    model = fedsov.load("DE", "stackoverflow-de@candidate")
    model.predict(rows)                       # a table: one row of answers for each row
    model.label, model.version, model.columns

A region's own model is at home, and loading it crosses nothing. The hub's models come to a region through the hub's
gate, each time, as a crossing of a model for the purpose `inference`, which is decided and in the hub's ledger first. A
global model whose private parameters stay in the regions is not whole, and is not loaded: each region's own is.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fedsov.api.inference.approval.model_crossings import ReceivingRegion, Sender
from fedsov.api.inference.approval.registered import HUB, read_version
from fedsov.api.region_settings import names_of, show
from fedsov.errors import ConfigurationError, LedgerBroken, unknown
from fedsov.ledger.ledger import Ledger
from fedsov.model.network import Parameters
from fedsov.model.packaging.encoder import Unseen
from fedsov.model.packaging.loaded import LoadedModel
from fedsov.model.packaging.saved import SavedModel
from fedsov.registry.lookup import ListedVersion, find, listed, name_of
from fedsov.storage.atomic_files import unpack_arrays
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace, is_there, ledger_of


@dataclass(frozen=True, slots=True)
class FoundVersion:
    """A version of a registered model, and whose registry holds it: a region, or the hub."""

    owner: str
    listed: ListedVersion


def load(region: str, model: str, *, workspace: str | Path = ".fedsov", unseen: Unseen = "refuse") -> LoadedModel:
    """A registered model, ready to answer in a region.

    Args:
        region: where it is loaded: the region's own models, or the hub's where its gate lets them in.
        model: ``NAME@ALIAS``, ``NAME/VERSION``, or ``NAME`` for the newest version.
        unseen: what becomes of a level that the model does not know: "refuse" or "allow" (none of the levels).

    Raises:
        ConfigurationError: no such region, model, version or alias; a model that is not whole, that was registered
            before models said what they are, or whose network is not installed here.
        Refused: the hub's gate does not let its model into the region.
        CheckpointDamaged, WorkspaceUnusable, LedgerBroken: files that were changed, or cannot be used.
    """
    root = Path(workspace)
    chosen = found_for(root, region, model)
    return LoadedModel(*brought(root, region, chosen), unseen=unseen)


def found_for(root: Path, region: str, model: str) -> FoundVersion:
    """The version that a reference names in a region's registry, else in the hub's. Raises ConfigurationError."""
    names_of(root, region, every=False)
    place = Workspace(root)
    own, hubs = listed(place.region(region)), listed(place.hub)
    for owner, versions in ((region, own), (HUB, hubs)):
        if (version := find(versions, model)) is not None:
            return FoundVersion(owner, version)
    there = sorted({version.name for version in (*own, *hubs)})
    others = [name for name in place.region_names() if _holds(place, name, model)]
    elsewhere = f" ({_elsewhere(others)})" if others else ""
    raise ConfigurationError(unknown(f"model of region {region}", name_of(model), there) + elsewhere)


def _elsewhere(regions: Iterable[str]) -> str:
    return f"it is a model of {', '.join(regions)}, which answers there"


def _holds(place: Workspace, region: str, model: str) -> bool:
    return any(version.name == name_of(model) for version in listed(place.region(region)))


def brought(root: Path, region: str, found: FoundVersion) -> tuple[SavedModel, Parameters]:
    """A version in the region: its own as it lies, the hub's through the hub's gate.

    Raises Refused, LedgerBroken; as `fedsov.model.packaging.saved.read`, and ConfigurationError for a model that is not
    whole.
    """
    workspace = Workspace(root)
    folder = workspace.hub if found.owner == HUB else workspace.region(found.owner)
    model = read_version(found.owner, folder, found.listed)
    model.saved.check_whole()
    if found.owner != HUB:
        return model.saved, model.parameters
    path = ledger_of(workspace.hub)
    if not is_there(path):
        raise LedgerBroken(f"no ledger at {path}, beside the registry of the hub; restore your copy")
    with hold_workspace(workspace), closing(Ledger.existing(path)) as hub:
        arrived = Sender(workspace, hub).send(model, ReceivingRegion.of(show(root, region).settings))
    return model.saved, unpack_arrays(arrived)
