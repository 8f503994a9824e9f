"""A version of a registered model as an approval takes it: its files, what it is, what its run said of the border."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fedsov.errors import CheckpointDamaged, ConfigurationError
from fedsov.label import Label
from fedsov.model.network import Parameters
from fedsov.model.packaging import saved as saved_model
from fedsov.model.packaging.saved import SavedModel
from fedsov.model.packaging.signature import WEIGHTS
from fedsov.registry.lookup import ListedVersion, listed, params_of
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.workspace import Workspace

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


def registered(workspace: Workspace, model: str, version: int) -> Registered:
    """A version of whichever party's registry holds it, read and checked; see `read_version`.

    Raises ConfigurationError, listing what there is, where there is none.
    """
    folders = {HUB: workspace.hub} | {name: workspace.region(name) for name in workspace.region_names()}
    every = {owner: listed(folder) for owner, folder in folders.items()}
    for owner, versions in every.items():
        if known := next((each for each in versions if (each.name, each.version) == (model, version)), None):
            return read_version(owner, folders[owner], known)
    numbers = [each.version for versions in every.values() for each in versions if each.name == model]
    if numbers:
        raise ConfigurationError(f"{model} has no version {version}; it has {', '.join(map(str, numbers))}")
    names = sorted({each.name for versions in every.values() for each in versions})
    raise ConfigurationError(f"no registered model {model!r}; there are {', '.join(names) or 'none yet'}")


def read_version(owner: str, folder: Path, version: ListedVersion) -> Registered:
    """A version in the registry of a folder, read and checked.

    Raises ConfigurationError where it was registered before models said what they are; CheckpointDamaged where its
    files were changed, or do not bear the label that the registry has.
    """
    saved, parameters = saved_model.read(version.folder)
    _check_label(version, saved)
    return Registered(
        owner,
        folder,
        version.version,
        replace(saved, version=version.version),
        parameters,
        (version.folder / WEIGHTS).read_bytes(),
        version.tags,
        params_of(folder, version.run),
    )


def _check_label(version: ListedVersion, saved: SavedModel) -> None:
    """The label stands in the description and in the registry: one that was edited alone is found."""
    tagged = version.tags.get("label")
    if tagged is None or Label.from_json(json.loads(tagged)) != saved.label:
        raise CheckpointDamaged(
            f"{version.name} {version.version} is bound by {saved.label}, as {version.folder} says, and its registry "
            "says otherwise: one of them was edited; restore your copy"
        )
