"""A run's models are registered: the hub's in its registry, each region's in the region's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fedsov.api.result import RunResult
from fedsov.artifact import Kind
from fedsov.errors import WorkspaceUnusable
from fedsov.hub.federated_training import GlobalModel
from fedsov.hub.finishing import RunOutputs
from fedsov.hub.run import HubRun
from fedsov.region.run_record import flat, model_folder, write_model
from fedsov.registry.values import ModelRecord, RunRecord
from fedsov.runtimes.fork_server import ForkServer
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket


def register_models(scene: HubRun, registrar: ForkServer, made: RunOutputs, result: RunResult) -> dict[str, list[Any]]:
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
    except ConnectionClosed as error:
        raise WorkspaceUnusable(
            "the registrar's process ended early; run again, or look for a lack of memory"
        ) from error
    finally:
        line.close()


def _written(line: FramedSocket, request: dict[str, Any]) -> list[Any]:
    line.send(Frame({"act": "record", **request}))
    said = line.receive().header
    if "error" in said:
        raise WorkspaceUnusable(said["error"])
    return list(said["models"])


def _hub_record(scene: HubRun, made: RunOutputs, result: RunResult) -> dict[str, Any]:
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


def _private(scene: HubRun, trained: GlobalModel) -> dict[str, str]:
    """The tag that names what a joint model lacks; none where it is whole."""
    spec, keeps = scene.settings.recipe.network, scene.settings.personalization
    absent = sorted(keeps.names(spec) - set(trained.parameters)) if keeps.private.names else []
    return {"private": ", ".join(absent)} if absent else {}


def _hub_model(scene: HubRun, trained: GlobalModel, name: str) -> ModelRecord:
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
