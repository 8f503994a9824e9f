"""From settings to a result: ingest, plan, train, record. What the command line and notebooks call."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fedsov.artifact import Kind
from fedsov.config import Settings
from fedsov.errors import TrainingFailed, WorkspaceUnusable
from fedsov.federation import phases, resume
from fedsov.federation.api import WarmFor
from fedsov.federation.checkpoint import Begun
from fedsov.federation.examination import Examination
from fedsov.federation.modules import TO_REGISTER
from fedsov.federation.phases import Made, Trained
from fedsov.federation.region_record import flat, ledger_summary, model_folder, write_model
from fedsov.federation.result import RegionResult, RunResult
from fedsov.federation.scene import Ingested, Say, Scene, Tap, ingest_rows, open_regions, opened
from fedsov.federation.warm import Warm
from fedsov.federation.wire import Frame, Line, LineClosed
from fedsov.registry import ModelRecord, RunRecord
from fedsov.training.plan import Plan, Profile


def ingest(settings: Settings, warm: Warm, *, say: Say, again: bool = False) -> Ingested:
    """Sorts the source into the regions' stores, and nothing else; `again` writes stores that are up to date anew."""
    with opened(settings, warm, say=say) as scene:
        return ingest_rows(scene, again=again)


def plan(settings: Settings, warm: Warm, *, say: Say, tap: Tap | None = None) -> tuple[Plan, Ingested]:
    """The plan that `train` would follow today: same stores, same law, same documents; nothing is trained."""
    with opened(settings, warm, say=say, tap=tap) as scene:
        ingested = _ready(scene)
        found, _ = phases.planned(scene)
        return found, ingested


def _ready(scene: Scene) -> Ingested:
    """The stores are up to date, the regions' processes open; says what was ingested."""
    ingested = ingest_rows(scene)
    scene.say(f"ingest: {ingested.sentence()}")
    scene.say(f"columns: {ingested.columns()}")
    resume.check_stores(scene)
    open_regions(scene)
    return ingested


def train(
    settings: Settings, warm: Warm, *, say: Say, tap: Tap | None = None, resumed: Begun | None = None
) -> RunResult:
    """The whole run, or the rest of one that was killed.

    Args:
        resumed: with the settings, as `fedsov.federation.resume.found` gives them.

    Raises a FedsovError where it could not end with at least one trained region.
    """
    started = time.monotonic()
    with opened(settings, warm, say=say, tap=tap, resumed=resumed) as scene:
        with ExitStack() as stack:
            with resume.until_planned(scene):
                if settings.border.unsafe_open:
                    say("WARNING: border=unsafe_open permits everything; laboratory work only, every entry is marked")
                _ready(scene)
                registrar = stack.enter_context(WarmFor(TO_REGISTER))
                found, known = resume.planned(scene)
            for region in found.regions:
                say(f"plan: {region.region} {region.strategy}: {region.reasons[-1]}")
            made, found = _train(scene, found, known)
            told = phases.ledgers(scene)
            if not made.results and not made.withheld:
                raise TrainingFailed(_nothing_trained(found, made))
            result = _result(scene, found, made, told)
            versions = _register(scene, registrar, made, result)
        scene.checkpoints.finish()
        return result.recorded(versions, seconds=time.monotonic() - started)


def _train(scene: Scene, found: Plan, known: Sequence[Profile]) -> tuple[Made, Plan]:
    """What the regions made, and the plan as it was amended on the way."""
    made, by_name = Made(), {profile.region: profile for profile in known}
    waiting = phases.order_synthetic(scene, found.regions)
    if found.following("transfer_learning"):
        made.public = phases.train_together(
            scene,
            [by_name[name] for name in found.contributors],
            "public",
            what="start model on public rows",
            minimum=1,
        )
    if members := found.following("federated"):
        left = _train_joint(scene, Examination(scene, [by_name[name] for name in members]), made)
        found = left.amended(found, known, start_model=made.public is not None)
        late = [found.of(name) for name in left.out]
        waiting |= phases.order_synthetic(scene, late, standing_by=scene.afterwards)
    working = [region.region for region in found.regions if region.strategy != "none"]
    early = [name for name in working if found.of(name).strategy != "synthetic"]
    scene.say(f"finish: {', '.join(early) or 'none'}: each strategy beside local training")
    phases.finish(scene, found, early, made)
    phases.receive_synthetic(scene, waiting, made)
    phases.finish(scene, found, [name for name in working if name not in early], made)
    return made, found


def _train_joint(scene: Scene, examination: Examination, made: Made) -> Examination:
    """Trains the joint model, its members examined before each round and once more before it is handed out."""
    members, least = examination.members, scene.settings.strategy.federated_min_regions
    made.joint = phases.train_together(
        scene,
        members,
        "shareable",
        what="joint model",
        minimum=min(least, len(members)),
        examination=examination,
    )
    if made.joint.stopped:
        scene.ended = len(made.joint.rounds)
        scene.say(f"joint model: stopped after round {scene.ended}/{scene.settings.rounds}: {made.joint.stopped}")
    examination.before(scene.afterwards, made.joint.label, made.joint.people)
    return examination


def _nothing_trained(found: Plan, made: Made) -> str:
    reasons = dict(made.failures) or {region.region: region.reasons[-1] for region in found.regions}
    first = "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[:3])
    return f"no region ended with a model ({first}{'; ...' if len(reasons) > 3 else ''}); see `python -m fedsov plan`"


def _result(scene: Scene, found: Plan, made: Made, told: dict[str, dict[str, Any]]) -> RunResult:
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


def _crossings(scene: Scene, told: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    """By region: crossings of the run that left it, and those that the hub sent, or would have sent, to it."""
    counts = {name: {key: told.get(name, {}).get(key, 0) for key in ("permitted", "refused")} for name in scene.nodes}
    for entry in scene.gate.ledger.entries(scene.run):
        if entry.body["act"] == "cross" and entry.body["importer"]["name"] in counts:
            verdict = "permitted" if entry.body["verdict"] == "permit" else "refused"
            counts[entry.body["importer"]["name"]][verdict] += 1
    return counts


def _register(scene: Scene, registrar: Warm, made: Made, result: RunResult) -> dict[str, list[Any]]:
    """Writes the hub's registry and has each region's written; model name and version, by owner."""
    scene.say("record: MLflow, one registry per region and the hub's")
    line = registrar.fork("registrar", scene.tap, hold=scene.workspace.lock)
    try:
        versions = {
            "hub": _written(line, {"folder": str(scene.workspace.hub), "record": _hub_record(scene, made, result)})
        }
        for name in (*made.results, *made.withheld):
            versions[name] = _written(line, {"folder": str(scene.workspace.region(name)), "run": scene.run})
        return versions
    except LineClosed as error:
        raise WorkspaceUnusable(
            "the registrar's process ended early; run again, or look for a lack of memory"
        ) from error
    finally:
        line.close()


def _written(line: Line, request: dict[str, Any]) -> list[Any]:
    line.send(Frame({"act": "record", **request}))
    said = line.receive().header
    if "error" in said:
        raise WorkspaceUnusable(said["error"])
    return list(said["models"])


def _hub_record(scene: Scene, made: Made, result: RunResult) -> dict[str, Any]:
    name = scene.settings.dataset.name
    trained = {name: made.joint, f"{name}-public": made.public}
    models = tuple(_hub_model(scene, one, name) for name, one in trained.items() if one is not None)
    called = scene.measure.called
    metrics = [
        (f"{scene.name_of(node)}_{model}_validation_{called(key)}", value, seen.number - 1)
        for model, trained in (("joint_model", made.joint), ("public_model", made.public))
        for seen in (trained.rounds if trained else ())
        for node, metrics in seen.metrics.items()
        for key, value in metrics.items()
        if value == value and key != "num-examples"
    ]
    metrics += [
        (f"{one.region}_{called(key)}", value, 0) for one in result.regions for key, value in one.scores().items()
    ]
    record = RunRecord(
        run=scene.run,
        experiment=scene.settings.dataset.name,
        params=flat(scene.settings.plain),
        metrics=tuple(metrics),
        tags={"role": "hub", "unsafe_open": str(result.unsafe)},
        artifacts={
            "plan.json": json.dumps(result.plan.to_json(), indent=1),
            "ledger_heads.json": json.dumps(result.heads, indent=1),
            "result.json": json.dumps(result.to_json(), indent=1),
        },
        models=models,
    )
    return record.to_json()


def _private(scene: Scene, trained: Trained) -> dict[str, str]:
    """The tag that names what a joint model lacks; none where it is whole."""
    spec, keeps = scene.settings.recipe.network, scene.settings.apart
    absent = sorted(keeps.names(spec) - set(trained.parameters)) if keeps.private.names else []
    return {"private": ", ".join(absent)} if absent else {}


def _hub_model(scene: Scene, trained: Trained, name: str) -> ModelRecord:
    folder: Path = model_folder(scene.workspace.hub, scene.run) / name
    return ModelRecord(
        name=name,
        path=write_model(folder, trained.parameters, label=trained.label),
        tags={
            "label": json.dumps(trained.label.to_json()),
            "kind": str(Kind.MODEL),
            **_private(scene, trained),
            "run": scene.run,
            "ledger_head": scene.gate.ledger.head().digest,
        },
        features_json=json.dumps(trained.features.to_json()),
    )
