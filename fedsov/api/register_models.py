"""A run's models are registered: the hub's in its registry, each region's in the region's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fedsov.api.result import RunResult
from fedsov.artifact import Kind
from fedsov.config.settings import Settings
from fedsov.hub.federated_training import GlobalModel
from fedsov.hub.finishing import RunOutputs
from fedsov.hub.run import HubRun
from fedsov.model.packaging import saved
from fedsov.model.packaging.saved import SavedModel
from fedsov.region.run_record import flat, model_folder
from fedsov.registry.values import ModelRecord, RunRecord


def register_models(
    run: HubRun, settings: Settings, outputs: RunOutputs, result: RunResult
) -> dict[str, list[tuple[str, int]]]:
    """Writes the hub's registry and has each region's written; model names and versions, by owner."""
    run.progress(
        "record: MLflow, one registry per region and the hub's; the first time each is made, which takes a while"
    )
    versions = {"hub": list(run.runtime.register("hub", run.name, _hub_record(run, settings, outputs, result)))}
    for name in (*outputs.results, *outputs.withheld):
        versions[name] = list(run.runtime.register(name, run.name))
    return versions


def _hub_record(run: HubRun, settings: Settings, outputs: RunOutputs, result: RunResult) -> RunRecord:
    dataset, called = run.settings.dataset, run.measure.called
    named = {dataset: outputs.global_model, f"{dataset}-public": outputs.public, f"{dataset}-base": outputs.base}
    models = tuple(_hub_model(run, settings, model, name) for name, model in named.items() if model is not None)
    trained = {"global_model": outputs.global_model, "public_model": outputs.public, "base_model": outputs.base}
    metrics = [
        (f"{run.name_of(node)}_{kind}_validation_{called(key)}", value, record.number - 1)
        for kind, model in trained.items()
        for record in (model.rounds if model else ())
        for node, scores in record.metrics.items()
        for key, value in scores.items()
        if value == value and key != "num-examples"
    ]
    metrics += [
        (f"{region.region}_{called(key)}", value, 0)
        for region in result.regions
        for key, value in region.scores().items()
    ]
    return RunRecord(
        run=run.name,
        experiment=dataset,
        params=flat(run.settings.plain),
        metrics=tuple(metrics),
        tags={"role": "hub", "unsafe_open": str(result.unsafe)},
        artifacts={
            "plan.json": json.dumps(result.plan.to_json(), indent=1),
            "ledger_heads.json": json.dumps(result.heads, indent=1),
            "result.json": json.dumps(result.to_json(), indent=1),
        },
        models=models,
    )


def _absent(settings: Settings, model: GlobalModel) -> tuple[str, ...]:
    """The names of what a global model lacks; none where it is whole."""
    spec, keeps = settings.recipe.network, settings.personalization
    return tuple(sorted(keeps.names(spec) - set(model.parameters))) if keeps.private.names else ()


def _hub_model(run: HubRun, settings: Settings, model: GlobalModel, name: str) -> ModelRecord:
    folder: Path = model_folder(run.workspace.hub, run.name) / name
    absent = _absent(settings, model)
    described = SavedModel(
        name=name,
        network=settings.recipe.network,
        features=model.features,
        target=settings.dataset.target,
        label=model.label,
        run=run.name,
        region="hub",
        dataset=run.settings.dataset,
        absent=absent,
    )
    tags: dict[str, Any] = {
        "label": json.dumps(model.label.to_json()),
        "kind": str(Kind.MODEL),
        **({"private": ", ".join(absent)} if absent else {}),
        "run": run.name,
        "ledger_head": run.gate.ledger.head().digest,
    }
    return ModelRecord(name, saved.write(folder, described, model.parameters), tags)
