"""A version of a registered model as an approval takes it: its files, what it is, what its run said of the border."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fedsov.errors import CheckpointDamaged, ConfigurationError
from fedsov.label import Label
from fedsov.model import saved as saved_model
from fedsov.model.network import Parameters
from fedsov.model.saved import SavedModel
from fedsov.model.signature import WEIGHTS
from fedsov.registry.lookup import ListedVersion, params_of
from fedsov.registry.values import VersionDetails
from fedsov.runtimes.registry_connection import RegistryConnection
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.workspace import Workspace, registry_of

HUB = "hub"
"""The owner of the hub's registry, whatever the hub is called."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A version in a registry.

    Attributes:
        owner: whose registry holds it: ``hub``, or a region's name.
        folder: the owner's.
        version: its number, which `saved` has too.
        saved: what it is.
        weights: ``model.safetensors`` as it is registered.
        tags, params: of the version and of its run.
    """

    owner: str
    folder: Path
    version: int
    saved: SavedModel
    parameters: Parameters
    weights: bytes
    tags: Mapping[str, str]
    params: Mapping[str, str]

    @property
    def called(self) -> str:
        """Name and version, for people."""
        return f"{self.saved.name} {self.version}"

    @property
    def digest(self) -> str:
        """SHA-256 of its parameters' file."""
        return sha256_hex(self.weights)

    @property
    def dataset(self) -> str:
        """The data set that it was trained on; "" where its registry does not say."""
        return self.tags.get("dataset") or self.params.get("dataset.name", "")


def registry_holding(registry: RegistryConnection, workspace: Workspace, model: str, version: int) -> tuple[str, Path]:
    """Whose registry holds a version, and its folder. Raises ConfigurationError, listing what there is."""
    folders = {HUB: workspace.hub} | {name: workspace.region(name) for name in workspace.region_names()}
    versions: dict[str, list[int]] = {}
    for owner, folder in folders.items():
        models = registry.models(folder) if registry_of(folder).exists() else []
        for name, number in models:
            versions.setdefault(name, []).append(number)
        if (model, version) in models:
            return owner, folder
    if model in versions:
        raise ConfigurationError(f"{model} has no version {version}; it has {', '.join(map(str, versions[model]))}")
    raise ConfigurationError(f"no registered model {model!r}; there are {', '.join(sorted(versions)) or 'none yet'}")


def registered(registry: RegistryConnection, workspace: Workspace, model: str, version: int) -> Registered:
    """A version, read and checked.

    Raises ConfigurationError where there is none, or where it was registered before models said what they are;
    CheckpointDamaged where its files were changed, or do not bear the label that the registry has.
    """
    owner, folder = registry_holding(registry, workspace, model, version)
    details = registry.details(folder, model, version)
    saved, parameters = saved_model.read(details.folder)
    _check_label(details, saved)
    weights = (details.folder / WEIGHTS).read_bytes()
    numbered = replace(saved, version=version)
    return Registered(owner, folder, version, numbered, parameters, weights, details.tags, details.params)


def listed_version(owner: str, folder: Path, version: ListedVersion) -> Registered:
    """A version that was looked up in the registry of a folder, read and checked. Raises as `registered`."""
    saved, parameters = saved_model.read(version.folder)
    numbered = replace(saved, version=version.version)
    details = VersionDetails(
        version.name, version.version, version.folder, version.tags, params_of(folder, version.run)
    )
    _check_label(details, saved)
    weights = (version.folder / WEIGHTS).read_bytes()
    return Registered(owner, folder, version.version, numbered, parameters, weights, details.tags, details.params)


def _check_label(details: VersionDetails, saved: SavedModel) -> None:
    """The label stands in the description and in the registry: one that was edited alone is found."""
    tagged = details.tags.get("label")
    if tagged is None or Label.from_json(json.loads(tagged)) != saved.label:
        raise CheckpointDamaged(
            f"{details.name} {details.version} is bound by {saved.label}, as {details.folder} says, and its registry "
            "says otherwise: one of them was edited; restore your copy"
        )
