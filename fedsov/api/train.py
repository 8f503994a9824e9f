"""The whole run from Python: ingest, plan, train, record. What the command line and notebooks call.

Here all is put together: settings become what the hub needs of them, and `runtime.kind` chooses how the hub reaches its
regions. What this module needs is imported when it is called: a runtime begins to start meanwhile.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from fedsov.artifact import Party
from fedsov.errors import ConfigurationError, FedsovError, printable
from fedsov.runtimes import check_kind, kind_in, open_runtime, warm_up
from fedsov.storage.party_file import check_regions_here, is_operators_home

if TYPE_CHECKING:
    from fedsov.api.result import RunResult
    from fedsov.config.settings import Settings
    from fedsov.hub.kept.checkpoints import RunManifest
    from fedsov.hub.planning.plan_values import Plan, Profile
    from fedsov.hub.run import HubRun
    from fedsov.partition.preview import Preview
    from fedsov.protocol.ingestion_report import IngestionReport
    from fedsov.runtimes import OnBytes

Progress = Callable[[str], None]
MADE_UP = "(fictional)"
"""What the names of the demonstration's legal entities end with."""


def train(overrides: Sequence[str] = (), *, progress: Progress | None = None, say: Progress | None = None) -> RunResult:
    """One whole run: ingest, plan, train, record.

    Args:
        overrides: as on the command line, ``["federation.rounds=5", "dataset=table", ...]``.
        progress: told of progress, one line at a time; by default the lines go to standard error.
        say: the same, by its name until the next release.

    Raises:
        FedsovError: in one line, with the way out; see `fedsov.errors` for the kinds.
    """
    told = told_to(progress, say)
    with warm_up(kind_in(overrides)):
        from fedsov.config.hydra_compose import compose
        from fedsov.config.settings import settings

        return run_settings(settings(compose(overrides)), progress=told)


def run_settings(settings: Settings, *, progress: Progress) -> RunResult:
    """As `train_settings`; under the deployment runtime the hub makes the run, and this process follows it."""
    if settings.runtime.kind != "deployment":
        return train_settings(settings, progress=progress)
    from fedsov.api.deployment.submission import train_at_hub

    return train_at_hub(settings, progress=progress)


def told_to(progress: Progress | None, say: Progress | None) -> Progress:
    """Who is told of progress: standard error by default. Warns where the argument's old name is used.

    Raises ConfigurationError where both are given.
    """
    if progress is not None and say is not None:
        raise ConfigurationError("give progress= or say=, its old name, not both")
    if say is not None:
        warnings.warn("say= is called progress= now; the old name goes with the next release", FutureWarning, 3)
    return progress or say or _to_stderr


def _to_stderr(line: str) -> None:
    print(printable(line), file=sys.stderr)


def preview_settings(settings: Settings) -> Preview:
    """What an ingestion would do with the source; nothing is written. Raises InputError, ConfigurationError."""
    from fedsov.partition.preview import Preview
    from fedsov.runtimes.preview_source import preview_source

    return Preview.from_json(preview_source({**settings.plain, "workspace": str(settings.workspace)}))


def ingest_settings(
    settings: Settings,
    *,
    progress: Progress,
    rebuild: bool = False,
    append: str | None = None,
    drops_appended: bool = False,
) -> IngestionReport:
    """Sorts the source into the regions' stores, and records what each region tells of itself.

    Where a region refuses to tell anything, the error says that its rows are stored.

    Args:
        rebuild: writes stores that are up to date anew.
        append: adds the source's rows to those that are stored, exactly once under this idempotency key, "" for the
            source's own digest; None where they replace those.
        drops_appended: replaces rows that were appended, too.
    """
    from fedsov.hub import region_queries
    from fedsov.hub.kept import recorded_profiles
    from fedsov.hub.region_errors import error_by_name

    with _open(settings, progress=progress, trains=False) as run:
        from fedsov.hub.runtime import IngestRequest

        request = IngestRequest(run.settings.plain, run.name, rebuild, append, drops_appended)
        report = run.ingested = run.runtime.ingest(request)
        if recorded_profiles.recorded(run) is None:
            run.connect()
            try:
                recorded_profiles.record(run, region_queries.profiles(run))
            except FedsovError as error:
                stored = "the rows are stored, and this was refused afterwards: their profile is not recorded"
                raise error_by_name(type(error).__name__, f"{error}; {stored}") from None
        return report


def plan_settings(
    settings: Settings, *, progress: Progress, on_bytes: OnBytes | None = None, fresh: bool = False
) -> tuple[Plan, IngestionReport]:
    """The plan that `train` would follow today: same stores, same law, same documents; nothing is trained.

    It is made as `recorded_plan` says; at the hub, where this is the home of an operator of a deployment.
    """
    if settings.runtime.kind == "deployment" and is_operators_home(settings.workspace):
        from fedsov.api.deployment.submission import plan_at_hub

        return plan_at_hub(settings, progress=progress, fresh=fresh)
    with recorded_plan(settings, progress=progress, on_bytes=on_bytes, fresh=fresh) as (_, plan, _, report):
        return plan, report


@contextmanager
def recorded_plan(
    settings: Settings, *, progress: Progress, on_bytes: OnBytes | None = None, fresh: bool = False
) -> Iterator[tuple[HubRun, Plan, Sequence[Profile], IngestionReport]]:
    """A run that trains nothing, its plan, what the regions told of themselves, and what was ingested.

    The plan is made of the profiles recorded at ingestion: no region is asked, and no ledger gets an entry. Where none
    are recorded for these rows, or with `fresh`, the regions are asked, which their ledgers tell.
    """
    from fedsov.hub import region_queries
    from fedsov.hub.kept import recorded_profiles

    with _open(settings, progress=progress, on_bytes=on_bytes, trains=False) as run:
        report = _tell_ingestion(run)
        recorded = None if fresh else recorded_profiles.recorded(run)
        if recorded is not None:
            profiles, day = recorded
            progress(f"profiles: as the regions told them on {day}; no region is asked (--fresh asks them)")
            yield run, region_queries.plan_of(run, profiles), profiles, report
            return
        why = "--fresh" if fresh else "none are recorded for these rows yet"
        progress(f"profiles: {why}; the regions are asked, and their ledgers tell it")
        run.connect()
        yield (run, *region_queries.planned(run), report)


@contextmanager
def planned_run(settings: Settings, *, progress: Progress) -> Iterator[tuple[HubRun, Plan, list[Profile]]]:
    """A run that trains nothing, its plan, and what the regions told of themselves."""
    from fedsov.hub import region_queries

    with _open(settings, progress=progress, trains=False) as run:
        _connect(run)
        yield (run, *region_queries.planned(run))


def train_settings(
    settings: Settings,
    *,
    progress: Progress,
    on_bytes: OnBytes | None = None,
    resumed: RunManifest | None = None,
    submitted: Mapping[str, str] | None = None,
) -> RunResult:
    """The whole run, or the rest of one that was killed.

    Args:
        progress: told of progress, one line at a time.
        on_bytes: told every byte that passes between places; for tests.
        resumed: with the settings, as `fedsov.api.resume.find_run` gives them.
        submitted: of a job at a hub, its id and the operator who submitted it, for the hub's ledger.

    Raises a FedsovError where it could not end with at least one trained region.
    """
    started = time.monotonic()
    with _open(settings, progress=progress, on_bytes=on_bytes, resumed=resumed) as run:
        from fedsov.api.collect_result import collect_result
        from fedsov.api.register_models import register_models
        from fedsov.hub import region_queries, resume
        from fedsov.hub.finishing import train_regions
        from fedsov.hub.kept.recorded_plan import record_plan

        if submitted:
            run.gate.note({"submitted": dict(submitted)})
        with resume.until_planned(run):
            if settings.border.unsafe_open:
                progress("WARNING: border=unsafe_open permits everything; for simulations only, every entry is marked")
            _connect(run)
            plan, profiles = resume.planned(run)
        for region in plan.regions:
            progress(f"plan: {region.region} {region.strategy}: {region.reasons[-1]}")
        record_plan(run, plan)
        outputs, plan = train_regions(run, plan, profiles)
        record_plan(run, plan)
        result = collect_result(run, plan, outputs, region_queries.ledgers(run))
        versions = register_models(run, settings, outputs, result)
        run.checkpoints.finish()
        return result.recorded(versions, seconds=time.monotonic() - started)


@contextmanager
def _open(
    settings: Settings,
    *,
    progress: Progress,
    on_bytes: OnBytes | None = None,
    resumed: RunManifest | None = None,
    trains: bool = True,
) -> Iterator[HubRun]:
    """An open run over the runtime that the settings choose. Raises ConfigurationError and as `hub.run.open_run`."""
    check_kind(settings.runtime.kind)
    if settings.runtime.kind != "deployment":
        check_regions_here(settings.workspace)
    with warm_up(settings.runtime.kind, trains=trains):
        from fedsov.config.hub_settings import hub_settings
        from fedsov.hub.run import open_run

        chosen = settings.runtime
        opening = partial(
            open_runtime,
            chosen.kind,
            options=chosen.options if chosen.hub is None else {**chosen.options, "hub": chosen.hub},
            trains=trains,
            on_bytes=on_bytes,
            least=settings.federation.minimum_regions,
            say=progress,
        )
        with open_run(hub_settings(settings), opening, progress=progress, resumed=resumed) as run:
            yield run


def _ingest(run: HubRun) -> IngestionReport:
    """The stores are up to date; what was ingested."""
    from fedsov.hub.runtime import IngestRequest

    run.ingested = run.runtime.ingest(IngestRequest(run.settings.plain, run.name))
    return run.ingested


def _connect(run: HubRun) -> IngestionReport:
    """The stores are up to date, the regions are opening; says what was ingested."""
    from fedsov.hub import resume

    report = _tell_ingestion(run)
    resume.check_stores(run)
    run.connect()
    return report


def made_up_hub(hub: Party, *, is_told: bool) -> str:
    """What is said where rows of people meet the demonstration's hub; "" else, and where it was said before.

    Args:
        is_told: the run goes on and said it when it began, or its rows are marked as examples anyway.
    """
    if is_told or MADE_UP not in hub.entity:
        return ""
    return (
        f"the hub is the demonstration's, {hub.entity} in {hub.location}; name yours by federation.hub.entity=NAME "
        "federation.hub.location=CODE: documents are matched with it"
    )


def _tell_ingestion(run: HubRun) -> IngestionReport:
    """The stores are up to date; says what was ingested."""
    from fedsov.hub.federated_training import beyond_noise
    from fedsov.protocol.ingestion_report import TO_USE_A_COLUMN, settled_line, unused_line

    report = _ingest(run)
    if report.settled:
        run.progress(f"settings: {settled_line(report.settled, report.loose)}")
    for remark in report.remarks:
        run.progress(f"settings: {remark}")
    run.progress(f"ingest: {report.sentence()}")
    for warning in report.warnings():
        run.progress(f"warning: {warning}")
    if warning := made_up_hub(
        run.settings.hub, is_told=run.resumed is not None or bool(run.settings.job.calls_examples)
    ):
        run.progress(f"warning: {warning}")
    run.progress(f"columns: {report.columns()}")
    if report.unused:
        run.progress(f"unused columns: {unused_line(report.unused)}; {TO_USE_A_COLUMN}")
    if beyond := beyond_noise(run):
        run.progress(f"unused columns under privacy=record: {unused_line(beyond)}; nothing is spent yet")
    return report
