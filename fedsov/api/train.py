"""The whole run from Python: ingest, plan, train, record. What the command line and notebooks call."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from fedsov.api.register_models import register_models
from fedsov.api.result import RegionResult, RunResult
from fedsov.config.settings import Settings
from fedsov.errors import TrainingFailed
from fedsov.hub import region_queries, resume
from fedsov.hub.checkpoints import RunManifest
from fedsov.hub.finishing import RunOutputs, train_regions
from fedsov.hub.planning.plan_values import Plan
from fedsov.hub.run import HubRun, Say, Tap, open_run
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.region.run_record import ledger_summary
from fedsov.runtimes.fork_server import TO_REGISTER, ForkServer, WarmFor
from fedsov.runtimes.in_process import ingest_rows, open_regions


def train(overrides: Sequence[str] = (), *, say: Callable[[str], None] | None = None) -> RunResult:
    """One whole run: ingest, plan, train, record.

    Args:
        overrides: as on the command line, ``["federation.rounds=5", "dataset=table", ...]``.
        say: told of progress, one line at a time; by default the lines go to standard error.

    Raises:
        FedsovError: in one line, with the way out; see `fedsov.errors` for the kinds.
    """
    from fedsov.runtimes.fork_server import TO_TRAIN

    with WarmFor(TO_TRAIN) as warm:
        from fedsov.config.hydra_compose import compose
        from fedsov.config.settings import settings

        pass

        return train_settings(settings(compose(overrides)), warm, say=say or _to_stderr)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def ingest_settings(settings: Settings, warm: ForkServer, *, say: Say, again: bool = False) -> IngestionReport:
    """Sorts the source into the regions' stores, and nothing else; `again` writes stores that are up to date anew."""
    with open_run(settings, warm, say=say) as scene:
        return ingest_rows(scene, again=again)


def plan_settings(
    settings: Settings, warm: ForkServer, *, say: Say, tap: Tap | None = None
) -> tuple[Plan, IngestionReport]:
    """The plan that `train` would follow today: same stores, same law, same documents; nothing is trained."""
    with open_run(settings, warm, say=say, tap=tap) as scene:
        ingested = _ready(scene)
        found, _ = region_queries.planned(scene)
        return found, ingested


def _ready(scene: HubRun) -> IngestionReport:
    """The stores are up to date, the regions' processes open; says what was ingested."""
    ingested = ingest_rows(scene)
    scene.say(f"ingest: {ingested.sentence()}")
    scene.say(f"columns: {ingested.columns()}")
    resume.check_stores(scene)
    open_regions(scene)
    return ingested


def train_settings(
    settings: Settings, warm: ForkServer, *, say: Say, tap: Tap | None = None, resumed: RunManifest | None = None
) -> RunResult:
    """The whole run, or the rest of one that was killed.

    Args:
        resumed: with the settings, as `fedsov.api.resume.find_run` gives them.

    Raises a FedsovError where it could not end with at least one trained region.
    """
    started = time.monotonic()
    with open_run(settings, warm, say=say, tap=tap, resumed=resumed) as scene:
        with ExitStack() as stack:
            with resume.until_planned(scene):
                if settings.border.unsafe_open:
                    say("WARNING: border=unsafe_open permits everything; laboratory work only, every entry is marked")
                _ready(scene)
                registrar = stack.enter_context(WarmFor(TO_REGISTER))
                found, known = resume.planned(scene)
            for region in found.regions:
                say(f"plan: {region.region} {region.strategy}: {region.reasons[-1]}")
            made, found = train_regions(scene, found, known)
            told = region_queries.ledgers(scene)
            if not made.results and not made.withheld:
                raise TrainingFailed(_nothing_trained(found, made))
            result = _result(scene, found, made, told)
            versions = register_models(scene, registrar, made, result)
        scene.checkpoints.finish()
        return result.recorded(versions, seconds=time.monotonic() - started)


def _nothing_trained(found: Plan, made: RunOutputs) -> str:
    reasons = dict(made.failures) or {region.region: region.reasons[-1] for region in found.regions}
    first = "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[:3])
    return f"no region ended with a model ({first}{'; ...' if len(reasons) > 3 else ''}); see `python -m fedsov plan`"


def _result(scene: HubRun, found: Plan, made: RunOutputs, told: dict[str, dict[str, Any]]) -> RunResult:
    hub, crossings = ledger_summary(scene.gate.ledger, scene.run), _crossings(scene, told)
    regions = tuple(
        RegionResult.of(
            region,
            made.results.get(region.region),
            made.failures.get(region.region),
            crossings=crossings[region.region],
        )
        for region in found.regions
    )
    refusals = [*hub["refusals"], *(refusal for one in told.values() for refusal in one["refusals"])]
    heads = {"hub": hub["head"], **{name: one["head"] for name, one in told.items()}}
    return RunResult(
        run=scene.run,
        workspace=scene.workspace.root,
        unsafe=scene.settings.border.unsafe_open,
        ingested=scene.ingested,
        plan=found,
        regions=regions,
        refusals=tuple(refusals),
        heads=heads,
        rounds=() if made.joint is None else made.joint.rounds,
        planned=scene.settings.rounds,
        stopped="" if made.joint is None else made.joint.stopped,
        privacy=tuple(scene.privacy),
        measure=scene.measure.name,
    )


def _crossings(scene: HubRun, told: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    """By region: crossings of the run that left it, and those that the hub sent, or would have sent, to it."""
    counts = {name: {key: told.get(name, {}).get(key, 0) for key in ("permitted", "refused")} for name in scene.nodes}
    for entry in scene.gate.ledger.entries(scene.run):
        if entry.body["act"] == "cross" and entry.body["importer"]["name"] in counts:
            verdict = "permitted" if entry.body["verdict"] == "permit" else "refused"
            counts[entry.body["importer"]["name"]][verdict] += 1
    return counts
