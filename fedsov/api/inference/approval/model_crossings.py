"""A model on its way to a region that is to serve it: through the gate of whoever holds it, purpose `inference`.

The hub's models leave by the hub's gate, which decides by the law, rules and register of the run that trained the
model, as its registry noted them: made-up documents count only where that run's rows were examples. A region's model
leaves by that region's own gate. The party that receives is the region as it pinned itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedsov.api.inference.approval.registered import HUB, Registered
from fedsov.artifact import INFERENCE, Artifact, Kind, Party
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.gate import Gate
from fedsov.border.people_counts import PeopleCounter
from fedsov.border.settings import BorderSettings
from fedsov.errors import CheckpointDamaged, ConfigurationError
from fedsov.ledger.ledger import Ledger
from fedsov.region.admission import open_region
from fedsov.region.serving.hosting import MANY, serving_gate
from fedsov.region.settings import RegionSettings
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Sender:
    """Whoever holds the model: its workspace and the hub's ledger, open for writing."""

    workspace: Workspace
    hub: Ledger

    def send(self, model: Registered, own: RegionSettings) -> bytes:
        """The model's parameters, once their crossing to a region is permitted and on the sender's disk.

        Args:
            own: the settings of the region that is to serve it.

        Raises Refused, LedgerBroken; ConfigurationError where a party is not pinned; CheckpointDamaged where what
            arrives is not what was registered.
        """
        if model.owner == own.region:
            return model.weights
        if own.parties.region is None or own.parties.hub is None:
            raise ConfigurationError(
                f"region {own.region} has not pinned where the hub and itself are (parties), so no border can be asked "
                "about a model for it; `fedsov ingest` pins them, and shows them"
            )
        if model.owner == HUB:
            gate = self._hub_gate(model.params, own.parties.hub)
            return _crossed(gate, model, own.parties.region, _people(self.hub, model.saved.run))
        with open_region(model.folder, model.owner) as (place, theirs):
            target = theirs.parties.peers.get(own.region)
            if target is None:
                raise ConfigurationError(
                    f"region {model.owner} has not pinned its peer {own.region} (parties.peers.{own.region}), so its "
                    f"border cannot be asked; `fedsov region set {model.owner}` pins it"
                )
            return _crossed(serving_gate(place, theirs), model, target, MANY)

    def _hub_gate(self, params: Mapping[str, str], hub: Party) -> Gate:
        border = BorderSettings(
            _path(params.get("border.evidence")),
            _path(params.get("border.rules")),
            params.get("border.unsafe_open") == "True",
        )
        are_examples = _said(params.get("dataset.examples")) is not None
        reviewers = self.workspace.reviewers
        return Gate(
            hub,
            bundle=border.bundle(self.workspace.law),
            evidence=LiveRegister(border.evidence, self.hub, reviewers, examples=are_examples),
            ledger=self.hub,
            run="",
            today=self.hub.today,
            purpose=INFERENCE,
            tally=PeopleCounter(self.hub),
        )


def _crossed(gate: Gate, model: Registered, target: Party, people: int) -> bytes:
    """The parameters behind the description, through the gate, and what arrived of them, checked."""
    description = json.dumps(model.saved.to_json(), sort_keys=True).encode()
    name, count = f"model {model.called}", 0 if model.saved.label.is_public else people
    artifact = Artifact(
        Kind.MODEL, model.saved.label, description + model.weights, count=count, name=name, pool=name, pool_people=count
    )
    shapes = {parameter: list(array.shape) for parameter, array in model.parameters.items()}
    arrived = gate.cross(artifact, target, tensors=shapes).content[len(description) :]
    if sha256_hex(arrived) != model.saved.weights_sha256:
        raise CheckpointDamaged(f"what arrived of {model.called} is not what was registered; restore the registry")
    return arrived


def _people(hub: Ledger, run: str) -> int:
    """The people behind a run's models, as the hub's ledger counted them when they crossed; `MANY` where it did not."""
    bodies = [entry.body for entry in hub.entries(run) if entry.body.get("act") == "cross"]
    counts = [int(body["count"]) for body in bodies if body.get("kind") == Kind.MODEL and body.get("origins")]
    return max(counts, default=MANY)


def _said(word: str | None) -> str | None:
    """A setting of a run as its registry notes it, which writes nothing as "None"."""
    return None if word in (None, "", "None") else word


def _path(word: str | None) -> Path | None:
    named = _said(word)
    return None if named is None else Path(named)
