"""A run that was killed goes on: what it began with is found, checked, and its plan taken up again.

`begin` writes down what a run is before anything is computed; `fedsov.api.resume` reads it. A run goes on
in its own workspace, under its own settings, over the same rows, or not at all. Law and documents are another matter:
every crossing is decided anew with those of the moment, so a change is told and hinders nothing. The plan stands, as it
would in a run that was not disturbed; what the law would now plan otherwise is told, and the examination before each
round takes out whoever may no longer take part.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fedsov.errors import ConfigurationError, FedsovError, InputError
from fedsov.hub import region_queries
from fedsov.hub.kept.checkpoints import RunManifest
from fedsov.hub.planning.plan_values import Plan, Profile
from fedsov.hub.run import HubRun


def command(name: str, workspace: Path) -> str:
    """The command that goes on with a run of this workspace."""
    return f"fedsov train --resume {name} --workspace {shlex.quote(str(workspace))}"


@contextmanager
def until_planned(run: HubRun) -> Iterator[None]:
    """Begins a run; one that an error ends before its plan stands has nothing to go on with, and leaves nothing.

    Raises as `begin`.
    """
    begin(run)
    try:
        yield
    except FedsovError:
        if run.resumed is None:
            run.checkpoints.forget()
        raise


def begin(run: HubRun) -> None:
    """Writes down what a run begins with; of one that goes on, checks that it is this workspace's, and notes it.

    Raises:
        ConfigurationError: another workspace's hub began it, or it has ended meanwhile.
        CheckpointDamaged, WorkspaceUnusable.
    """
    law = _law(run)
    if run.resumed is None:
        plain, key = dict(run.settings.plain), run.gate.ledger.key
        run.checkpoints.begin(RunManifest(run.name, plain, os.getcwd(), key, law))
        run.progress(f"run {run.name}; to resume after an interruption: {command(run.name, run.settings.workspace)}")
        return
    if run.checkpoints.begun() != run.resumed:
        raise ConfigurationError(f"run {run.name} went on meanwhile; there is nothing to resume")
    if run.resumed.hub != run.gate.ledger.key:
        raise ConfigurationError(
            f"run {run.name} was begun by the hub of another workspace; go on there, with workspace=DIR"
        )
    run.gate.note({"resumed": run.name})
    for what in (name for name, digest in run.resumed.law.items() if digest != law[name]):
        run.progress(f"resume: {what} changed since run {run.name} began; every crossing is decided anew")


def check_stores(run: HubRun) -> None:
    """Raises InputError where a run that goes on would train on other rows than it began with."""
    if run.resumed is None or not run.resumed.stores or run.ingested is None:
        return
    before, now = run.resumed.stores, run.ingested.stores
    if changed := sorted(name for name in {*before, *now} if before.get(name) != now.get(name)):
        raise InputError(
            f"run {run.name} began on other rows (regions {', '.join(changed)}): the source, or the consent that "
            "rows rest on, changed since; put it back, or begin a new run"
        )


def planned(run: HubRun) -> tuple[Plan, list[Profile]]:
    """The plan and the profiles it was made of: those of the run that goes on, or made now and written down."""
    if run.resumed is not None and run.resumed.plan is not None:
        plan, profiles = run.resumed.plan, list(run.resumed.profiles)
        region_queries.check_ready(run)
        _tell_what_would_differ(run, plan, profiles)
        return plan, profiles
    plan, profiles = region_queries.planned(run)
    region_queries.record_refusals(run, plan)
    begun, stores = run.checkpoints.begun(), {} if run.ingested is None else run.ingested.stores
    if begun is not None:
        run.checkpoints.begin(replace(begun, stores=stores, profiles=tuple(profiles), plan=plan))
    return plan, profiles


def _tell_what_would_differ(run: HubRun, plan: Plan, profiles: list[Profile]) -> None:
    today = region_queries.plan_of(run, profiles)
    for region in plan.regions:
        if (other := today.region(region.region).strategy) != region.strategy:
            run.progress(
                f"resume: {region.region} would be planned {other} now; the run's plan stands, {region.strategy}, "
                "and every crossing is decided anew"
            )


def _law(run: HubRun) -> Mapping[str, str]:
    return {"the rules": run.gate.bundle.digest, "the register": run.settings.border.register().digest}
