"""What a region keeps of a run, in its own folder: its model, and the record its own registry will take up.

The model is written as safetensors, with a description that says what it is (`fedsov.model.packaging.saved`). The
record waits as JSON beside it for the region's registrar (`fedsov.runtimes.registry_process`), the one process that
speaks MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.label import Label, Scope
from fedsov.ledger.ledger import Ledger
from fedsov.model.metrics import MEASURES
from fedsov.model.packaging import saved
from fedsov.model.packaging.saved import SavedModel
from fedsov.region.privacy_life import PrivacyPast
from fedsov.registry.values import ModelRecord, RunRecord
from fedsov.storage.atomic_files import write_file

if TYPE_CHECKING:
    from fedsov.protocol.job import RegionStart
    from fedsov.region.session import Session

RECORD = "record.json"
TOLD = (
    "at",
    "run",
    "round",
    "act",
    "exporter",
    "importer",
    "origins",
    "destination",
    "kind",
    "name",
    "categories",
    "restrictions",
    "purpose",
    "verdict",
    "rules",
    "citations",
    "reason",
    "missing",
    "remedy",
    "obligations",
    "unsafe",
)


def model_folder(folder: Path, run: str) -> Path:
    """Where a run's model rests in a region's or the hub's folder."""
    return folder / "models" / run


def write(start: RegionStart, session: Session, incoming: Label, ledger: Ledger, asked: Mapping[str, Any]) -> None:
    """Writes the region's model and its record. Does nothing where no strategy ended with a model.

    Raises WorkspaceUnusable where the record cannot be written; one that was there before stays whole.

    Args:
        incoming: what binds the model that came with the question.
        asked: the question's settings: strategy and reason.
    """
    selected = session.finished
    if selected is None:
        return
    label = session.label(Scope.ALL) | incoming | session.received
    folder = model_folder(start.folder, start.run)
    name = f"{session.work.dataset}-{start.region.name}".lower()
    described = SavedModel(
        name=name,
        network=selected.network,
        features=selected.features,
        target=session.work.target,
        label=label,
        run=start.run,
        region=start.region.name,
        dataset=session.work.dataset,
    )
    path = saved.write(folder, described, selected.parameters)
    model = ModelRecord(
        name=name,
        path=path,
        tags={
            "label": json.dumps(label.to_json()),
            "selected": selected.selected,
            "kept": selected.selected,
            "dataset": session.work.dataset,
            "target": json.dumps(asdict(session.work.target)),
            "run": start.run,
            "ledger_head": ledger.head().digest,
        },
    )
    scores = {
        "score": selected.score,
        "local_score": selected.local_score,
        "gain": selected.gain,
        "gain_se": selected.gain_se,
        "selected_validation_score": selected.validation_score,
    }
    called = MEASURES[session.work.target.task].called
    final = [(called(key), float(value), 0) for key, value in scores.items() if value is not None]
    rounds = [(key, value, number) for key, value, number in session.rounds if value == value]
    record = RunRecord(
        run=start.run,
        experiment=session.work.dataset,
        params=flat({name: part for name, part in asdict(session.work).items() if name != "bounds"}),
        metrics=tuple(final + rounds),
        tags={
            "region": start.region.name,
            "strategy": str(asked.get("strategy", "")),
            "reason": str(asked.get("reason", "")),
            "selected": selected.selected,
            "kept": selected.selected,
            "note": selected.note,
        },
        artifacts={"ledger_head.json": json.dumps(ledger.head().to_json())},
        models=(model,),
    )
    write_file(folder / RECORD, json.dumps(record.to_json()).encode())


def ledger_summary(ledger: Ledger, run: str) -> dict[str, Any]:
    """The head, how many crossings of the run were permitted and refused, the rules that decided and were not shipped,
    each refusal once, and what left without privacy beside what left under it (`PrivacyPast`), where something did.

    Of a refusal it tells who, whom, what kind, why and the way out; not its size, count or digest, from which a small
    content that stayed at home could be guessed.
    """
    bodies = [entry.body for entry in ledger.entries()]
    crossings = [body for body in bodies if body.get("run") == run and body["act"] == "cross"]
    refused = [body for body in crossings if body["verdict"] != "permit"]
    past = PrivacyPast.of(bodies).lines()
    return {
        **({"privacy_past": past} if past else {}),
        "head": ledger.head().to_json(),
        "permitted": len(crossings) - len(refused),
        "refused": len(refused),
        "added_rules": sorted({rule for body in crossings for rule in body.get("added_rules", ())}),
        "refusals": [{key: body[key] for key in TOLD} for body in {_key(body): body for body in refused}.values()],
    }


def _key(body: Mapping[str, Any]) -> str:
    return json.dumps([body["kind"], body["name"], body["importer"], body["rules"]], sort_keys=True)


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as ``a.b.c`` to text, the form of a tracking server's parameters."""
    found: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            found |= flat(item, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = str(item)
    return found
