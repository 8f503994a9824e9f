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

from fedsov.errors import ConfigurationError, FedsovError, InputError
from fedsov.hub import region_queries
from fedsov.hub.checkpoints import RunManifest
from fedsov.hub.planning.plan_values import Plan, Profile
from fedsov.hub.run import HubRun


@contextmanager
def until_planned(scene: HubRun) -> Iterator[None]:
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


def begin(scene: HubRun) -> None:
    """Writes down what a run begins with; of one that goes on, checks that it is this workspace's, and notes it.

    Raises:
        ConfigurationError: another workspace's hub began it, or it has ended meanwhile.
        CheckpointDamaged, WorkspaceUnusable.
    """
    law = _law(scene)
    if scene.resumed is None:
        plain, key = dict(scene.settings.plain), scene.gate.ledger.key
        scene.checkpoints.begin(RunManifest(scene.run, plain, os.getcwd(), key, law))
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


def check_stores(scene: HubRun) -> None:
    """Raises InputError where a run that goes on would train on other rows than it began with."""
    if scene.resumed is None or not scene.resumed.stores or scene.ingested is None:
        return
    before, now = scene.resumed.stores, scene.ingested.stores
    if changed := sorted(name for name in {*before, *now} if before.get(name) != now.get(name)):
        raise InputError(
            f"run {scene.run} began on other rows (regions {', '.join(changed)}): the source, or the consent that "
            "rows rest on, changed since; put it back, or begin a new run"
        )


def planned(scene: HubRun) -> tuple[Plan, list[Profile]]:
    """The plan and the profiles it was made of: those of the run that goes on, or made now and written down."""
    if scene.resumed is not None and scene.resumed.plan is not None:
        plan, known = scene.resumed.plan, list(scene.resumed.profiles)
        region_queries.check_ready(scene)
        _tell_what_would_differ(scene, plan, known)
        return plan, known
    plan, known = region_queries.planned(scene)
    region_queries.record_refusals(scene, plan)
    begun, stores = scene.checkpoints.begun(), {} if scene.ingested is None else scene.ingested.stores
    if begun is not None:
        scene.checkpoints.begin(replace(begun, stores=stores, profiles=tuple(known), plan=plan))
    return plan, known


def _tell_what_would_differ(scene: HubRun, plan: Plan, known: list[Profile]) -> None:
    today = region_queries.plan_of(scene, known)
    for region in plan.regions:
        if (other := today.region(region.region).strategy) != region.strategy:
            scene.say(
                f"resume: {region.region} would be planned {other} now; the run's plan stands, {region.strategy}, "
                "and every crossing is decided anew"
            )


def _law(scene: HubRun) -> Mapping[str, str]:
    return {"the rules": scene.gate.bundle.digest, "the register": scene.settings.border.register().digest}
