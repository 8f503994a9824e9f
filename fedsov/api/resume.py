"""Resuming a run that was killed: it is found, checked, and continued under its own settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedsov.api.result import RunResult
from fedsov.api.train import told_to, train_settings
from fedsov.config.settings import Settings, settings_of
from fedsov.errors import ConfigurationError
from fedsov.hub.kept.checkpoints import Checkpoints, RunManifest, runs
from fedsov.storage.party_file import is_operators_home
from fedsov.storage.workspace import named_path


def resume(
    run: str = "latest",
    *,
    workspace: Path | str = ".fedsov",
    progress: Callable[[str], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> RunResult:
    """Goes on with a run that was killed, under its own settings; one kind of processor gives the same bits.

    Args:
        run: its name, which it says when it begins; by default the workspace's newest.
        progress, say: as of `train`.

    Raises:
        FedsovError: as `train`; and for a run that has ended well, is not in this workspace or began on other rows.
    """
    home, told = named_path("workspace", str(workspace), "a folder"), told_to(progress, say)
    if is_operators_home(home):
        from fedsov.api.deployment.submission import resume_at_hub

        return resume_at_hub(home, run, progress=told)
    settings, manifest = find_run(home, run)
    return train_settings(settings, progress=told, resumed=manifest)


LATEST = "latest"


PATHS = (("dataset", "path"), ("border", "evidence"), ("border", "rules"))


def find_run(workspace: Path, name: str) -> tuple[Settings, RunManifest]:
    """A run to go on with, by its name or as the latest of the workspace.

    Raises:
        ConfigurationError: no such run, or one that has ended well.
        CheckpointDamaged: what it wrote down was changed.
    """
    hub = workspace.resolve() / "hub"
    begun_runs = runs(hub)
    if name == LATEST and begun_runs:
        name = begun_runs[-1]
    if name not in begun_runs:
        listed = f"it has {', '.join(begun_runs[-3:])}" if begun_runs else "no run was begun there"
        raise ConfigurationError(
            f"no run {name!r} in workspace {workspace}; {listed}; another is named by workspace=DIR"
        )
    manifest = Checkpoints(hub, name).begun()
    if manifest is None:
        raise ConfigurationError(f"run {name} has ended well; there is nothing to resume")
    return settings_of({**_meant(manifest), "workspace": str(workspace)}), manifest


def _meant(manifest: RunManifest) -> dict[str, Any]:
    """The settings, their paths as they were meant where the run began."""
    plain = {**manifest.settings}
    if os.getcwd() == manifest.folder:
        return plain
    for group, key in PATHS:
        if plain[group].get(key) is not None:
            plain[group] = {**plain[group], key: str(Path(manifest.folder, os.path.expanduser(plain[group][key])))}
    return plain
