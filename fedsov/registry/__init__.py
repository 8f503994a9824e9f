"""Runs and models, recorded in MLflow: one registry per region and one at the hub. The only home of mlflow.

A registry is a folder with mlflow.db (SQLite) and artifacts/, and ``mlflow ui --backend-store-uri
sqlite:///FOLDER/mlflow.db`` shows it. `record` writes a finished run: parameters, metrics, texts, and each
model's safetensors as a new version of a registered model with the alias "candidate". `promote` moves the
alias "champion".

Importing this package costs nothing. MLflow takes 3 s to import and is imported by the first call, so whoever
records calls `prepare` early, or forks from a process in which MLflow is imported; a `RunRecord` reaches
it as JSON. A registry holds numbers, texts and weights, never records. Nothing is sent anywhere: `prepare` switches
MLflow's telemetry off, and every address is a local file.

    record(Path("hub"), RunRecord(run="r1", experiment="demo", metrics=(("auc/GB", 0.7, 10),)))
    promote(Path("hub"), "people", 1)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError
from fedsov.registry.values import ModelRecord, RunRecord, Version
from fedsov.storage.workspace import registry_of

__all__ = [
    "ModelRecord",
    "RunRecord",
    "Version",
    "models",
    "prepare",
    "promote",
    "record",
    "tag",
]

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_LOGGING_LEVEL": "CRITICAL"}
"""Environment variables that MLflow reads when it is imported."""


def prepare() -> None:
    """Imports MLflow into this process, without its telemetry; its log is CRITICAL only, alembic's ERROR only.

    Sets the variables of `QUIET` in this process's environment first. Every function here that needs MLflow calls this.
    """
    os.environ.update(QUIET)
    from fedsov.registry import tracking  # noqa: F401

    logging.getLogger("alembic").setLevel(logging.ERROR)


def record(folder: Path, run: RunRecord) -> tuple[tuple[str, int], ...]:
    """Write `run` into the registry in `folder`, made where absent; the (name, version) of each of its
    models.

    Each model becomes the "candidate" of its name. Recording a run again changes nothing where it was recorded whole,
    and takes the place of what was half recorded. Raises ConfigurationError for what MLflow cannot store
    (a key with a colon, say), and WorkspaceUnusable where the folder is full or read-only or mlflow.db is
    damaged; a run that was begun by then stays behind, marked RUNNING.
    """
    prepare()
    from fedsov.registry import tracking

    with tracking.opened(registry_of(folder)) as client:
        return tracking.write(client, run, artifacts=folder.absolute() / "artifacts")


def models(folder: Path) -> tuple[Version, ...]:
    """Every version of every model in the registry in `folder`, by name, oldest first; none where it is
    absent.

    Raises WorkspaceUnusable for a damaged registry.
    """
    if not registry_of(folder).exists():
        return ()
    prepare()
    from fedsov.registry import tracking

    with tracking.opened(registry_of(folder)) as client:
        return tracking.versions(client)


def promote(folder: Path, name: str, version: int) -> None:
    """Make `version` of the model `name` its "champion"; an earlier champion loses the alias.

    Raises ConfigurationError, naming what exists, for an unknown model or version.
    """
    with _holding(folder, name, version) as (tracking, client):
        tracking.crown(client, name, version)


def tag(folder: Path, name: str, version: int, key: str, value: str) -> None:
    """Give a version a tag, in the place of what it said before. Raises as `promote`."""
    with _holding(folder, name, version) as (tracking, client):
        tracking.tag(client, name, version, key, value)


@contextmanager
def _holding(folder: Path, name: str, version: int) -> Iterator[tuple[Any, Any]]:
    """MLflow's calls and client for a registry that holds this version. Raises ConfigurationError."""
    registered = models(folder)
    if (name, version) not in {(each.name, each.version) for each in registered}:
        listed = ", ".join(f"{each.name} {each.version}" for each in registered) or "no models yet; run train first"
        raise ConfigurationError(f"no model {name!r} version {version} in {registry_of(folder)}; it holds {listed}")
    prepare()
    from fedsov.registry import tracking

    with tracking.opened(registry_of(folder)) as client:
        yield tracking, client
