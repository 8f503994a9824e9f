"""Promotion: the registry that holds a model is found, and its own process gives the version the alias."""

from __future__ import annotations

from pathlib import Path

from fedsov.api.ledger_audit import verify_all
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.runtimes.registry_connection import RegistryConnection, open_registry
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace, registry_of


def promote(root: Path, model: str, version: int) -> str:
    """Makes a version the champion; returns the owner of its registry (``hub`` or a region).

    Raises ConfigurationError, listing what there is, for an unknown model or version; LedgerBroken where a ledger of
    the workspace does not verify.
    """
    workspace = Workspace(root.resolve())
    workspace.require()
    for finding in verify_all(root):
        if finding.fault:
            raise LedgerBroken(finding.sentence())
    folders = {"hub": workspace.hub} | {name: workspace.region(name) for name in workspace.region_names()}
    registries = {owner: folder for owner, folder in folders.items() if registry_of(folder).exists()}
    with hold_workspace(workspace), open_registry() as registry:
        return _promote(registry, registries, model, version)


def _promote(registry: RegistryConnection, folders: dict[str, Path], model: str, version: int) -> str:
    versions: dict[str, list[int]] = {}
    for owner, folder in folders.items():
        models = registry.models(folder)
        for name, number in models:
            versions.setdefault(name, []).append(number)
        if (model, version) in models:
            registry.promote(folder, model, version)
            return owner
    if model in versions:
        raise ConfigurationError(f"{model} has no version {version}; it has {', '.join(map(str, versions[model]))}")
    raise ConfigurationError(f"no registered model {model!r}; there are {', '.join(sorted(versions)) or 'none yet'}")
