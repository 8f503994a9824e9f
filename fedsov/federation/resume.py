"""A run that was killed goes on: what it began with is found, checked, and its plan taken up again.

`begin` writes down what a run is before anything is computed; `found` reads it for ``train --resume``. A run goes on
in its own workspace, under its own settings, over the same rows, or not at all. Law and documents are another matter:
every crossing is decided anew with those of the moment, so a change is told and hinders nothing. The plan stands, as it
would in a run that was not disturbed; what the law would now plan otherwise is told, and the examination before each
round takes out whoever may no longer take part.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedsov.config import Settings, settings_of
from fedsov.errors import ConfigurationError, FedsovError, InputError
from fedsov.federation import phases
from fedsov.federation.checkpoint import Begun, Checkpoints, runs
from fedsov.federation.scene import Scene
from fedsov.training.plan import Plan, Profile
from fedsov.training.written import plan_read, profile_read, profile_said

LATEST = "latest"
PATHS = (("dataset", "path"), ("border", "evidence"), ("border", "rules"))


def found(workspace: Path, name: str) -> tuple[Settings, Begun]:
    """A run to go on with, by its name or as the latest of the workspace.

    Raises:
        ConfigurationError: no such run, or one that has ended well.
        CheckpointDamaged: what it wrote down was changed.
    """
    hub = workspace.resolve() / "hub"
    known = runs(hub)
    if name == LATEST and known:
        name = known[-1]
    if name not in known:
        listed = f"it has {', '.join(known[-3:])}" if known else "no run was begun there"
        raise ConfigurationError(
            f"no run {name!r} in workspace {workspace}; {listed}; another is named by workspace=DIR"
        )
    begun = Checkpoints(hub, name).begun()
    if begun is None:
        raise ConfigurationError(f"run {name} has ended well; there is nothing to resume")
    return settings_of({**_meant(begun), "workspace": str(workspace)}), begun


def _meant(begun: Begun) -> dict[str, Any]:
    """The settings, their paths as they were meant where the run began."""
    plain = {**begun.settings}
    if os.getcwd() == begun.folder:
        return plain
    for group, key in PATHS:
        if plain[group][key] is not None:
            plain[group] = {**plain[group], key: str(Path(begun.folder, plain[group][key]))}
    return plain


@contextmanager
def until_planned(scene: Scene) -> Iterator[None]:
    """Begins a run; one that an error ends before its plan stands has nothing to go on with, and leaves nothing.

    Raises as `begin`.
    """
    begin(scene)
    try:
        yield
    except FedsovError:
        if scene.resumed is None:
            scene.checkpoints.forget()
        raise


def begin(scene: Scene) -> None:
    """Writes down what a run begins with; of one that goes on, checks that it is this workspace's, and notes it.

    Raises:
        ConfigurationError: another workspace's hub began it, or it has ended meanwhile.
        CheckpointDamaged, WorkspaceUnusable.
    """
    law = _law(scene)
    if scene.resumed is None:
        plain, key = dict(scene.settings.plain), scene.gate.ledger.key
        scene.checkpoints.begin(Begun(scene.run, plain, os.getcwd(), key, law))
        scene.say(f"run {scene.run}; should it be killed, `train --resume {scene.run}` goes on")
        return
    if scene.checkpoints.begun() != scene.resumed:
        raise ConfigurationError(f"run {scene.run} went on meanwhile; there is nothing to resume")
    if scene.resumed.hub != scene.gate.ledger.key:
        raise ConfigurationError(
            f"run {scene.run} was begun by the hub of another workspace; go on there, with workspace=DIR"
        )
    scene.gate.note({"resumed": scene.run})
    for what in (name for name, digest in scene.resumed.law.items() if digest != law[name]):
        scene.say(f"resume: {what} changed since run {scene.run} began; every crossing is decided anew")


def check_stores(scene: Scene) -> None:
    """Raises InputError where a run that goes on would train on other rows than it began with."""
    if scene.resumed is None or not scene.resumed.stores or scene.ingested is None:
        return
    before, now = scene.resumed.stores, scene.ingested.stores
    if changed := sorted(name for name in {*before, *now} if before.get(name) != now.get(name)):
        raise InputError(
            f"run {scene.run} began on other rows (regions {', '.join(changed)}): the source, or the consent that "
            "rows rest on, changed since; put it back, or begin a new run"
        )


def planned(scene: Scene) -> tuple[Plan, list[Profile]]:
    """The plan and the profiles it was made of: those of the run that goes on, or made now and written down."""
    if scene.resumed is not None and scene.resumed.plan is not None:
        plan, known = plan_read(scene.resumed.plan), [profile_read(one) for one in scene.resumed.profiles]
        phases.check_ready(scene)
        _tell_what_would_differ(scene, plan, known)
        return plan, known
    plan, known = phases.planned(scene)
    phases.record_refusals(scene, plan)
    begun, stores = scene.checkpoints.begun(), {} if scene.ingested is None else scene.ingested.stores
    if begun is not None:
        profiles = tuple(profile_said(one) for one in known)
        scene.checkpoints.begin(replace(begun, stores=stores, profiles=profiles, plan=plan.to_json()))
    return plan, known


def _tell_what_would_differ(scene: Scene, plan: Plan, known: list[Profile]) -> None:
    today = phases.plan_of(scene, known)
    for region in plan.regions:
        if (other := today.of(region.region).strategy) != region.strategy:
            scene.say(
                f"resume: {region.region} would be planned {other} now; the run's plan stands, {region.strategy}, "
                "and every crossing is decided anew"
            )


def _law(scene: Scene) -> Mapping[str, str]:
    return {"the rules": scene.gate.bundle.digest, "the register": scene.settings.border.register().digest}
