"""Promotion: the registry that holds a model is found, and its own process gives the version the alias."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedsov.api.ledger_audit import verify_all
from fedsov.errors import ConfigurationError, LedgerBroken, WorkspaceUnusable, unknown
from fedsov.runtimes.fork_server import TO_REGISTER, WarmFor
from fedsov.runtimes.framed_socket import Frame, FramedSocket
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace

REGISTRY = "mlflow.db"


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
    held = {owner: folder for owner, folder in folders.items() if (folder / REGISTRY).exists()}
    with hold_workspace(workspace), WarmFor(TO_REGISTER) as warm:
        line = warm.fork("registrar")
        try:
            return _promote(line, held, model, version)
        finally:
            line.close()


def _promote(line: FramedSocket, held: dict[str, Path], model: str, version: int) -> str:
    known: dict[str, list[int]] = {}
    for owner, folder in held.items():
        versions = _asked(line, {"act": "models", "folder": str(folder)})["models"]
        for name, number in versions:
            known.setdefault(name, []).append(number)
        if [model, version] in versions:
            _asked(line, {"act": "promote", "folder": str(folder), "model": model, "version": version})
            return owner
    if model in known:
        raise ConfigurationError(f"{model} has no version {version}; it has {', '.join(map(str, known[model]))}")
    raise ConfigurationError(unknown("registered model", model, sorted(known)))


def _asked(line: FramedSocket, request: dict[str, Any]) -> dict[str, Any]:
    line.send(Frame(request))
    said = dict(line.receive().header)
    if "error" in said:
        raise WorkspaceUnusable(said["error"])
    return said
