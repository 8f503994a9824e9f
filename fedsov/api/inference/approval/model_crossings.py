"""A model on its way to a region that is to serve it: through the gate of whoever holds it, purpose `inference`.

The hub's models leave by the hub's gate, which decides by the law, rules and register of the run that trained the
model, as its registry noted them: made-up documents count only where that run's rows were examples. A region's model
leaves by that region's own gate. The party that receives is the region as it pinned itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedsov.api.inference.approval.registered import HUB, Registered
from fedsov.artifact import INFERENCE, Artifact, Crossing, Kind, Party
from fedsov.border.decisions import Permit
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.gate import Gate, Refused
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
class ReceivingRegion:
    """A region that is to serve a model: its name, and the hub and itself as parties, where they are known."""

    name: str
    hub: Party | None
    region: Party | None

    @staticmethod
    def of(own: RegionSettings) -> ReceivingRegion:
        """As the region pinned them."""
        return ReceivingRegion(own.region, own.parties.hub, own.parties.region)


@dataclass(frozen=True, slots=True)
class Sender:
    """Whoever holds the model: its workspace and the hub's ledger, open for writing."""

    workspace: Workspace
    hub: Ledger

    def send(self, model: Registered, receiver: ReceivingRegion) -> bytes:
        """The model's parameters, once their crossing to a region is permitted and on the sender's disk.

        Raises Refused, LedgerBroken; ConfigurationError where a party is not pinned; CheckpointDamaged where what
            arrives is not what was registered.
        """
        if model.owner == receiver.name:
            return model.weights
        with self._way(model, receiver) as (gate, target, people):
            return _crossed(gate, model, target, people)

    def refusal(self, model: Registered, receiver: ReceivingRegion) -> str:
        """Why the border would refuse it now, with the remedy; "" where it would not. Nothing crosses.

        Raises as `send`, but for Refused.
        """
        if model.owner == receiver.name:
            return ""
        with self._way(model, receiver) as (gate, target, people):
            artifact = _artifact(model, people)
            decision = gate.consider(artifact, target)
            if isinstance(decision, Permit):
                return ""
            return str(Refused(Crossing(artifact, gate.owner, target, gate.purpose, gate.today()), decision))

    @contextmanager
    def _way(self, model: Registered, receiver: ReceivingRegion) -> Iterator[tuple[Gate, Party, int]]:
        """The gate by which a model leaves, the party that it goes to, and the people behind it."""
        if receiver.region is None or receiver.hub is None:
            raise ConfigurationError(
                f"region {receiver.name} has not pinned where the hub and itself are (parties), so no border can be "
                "asked about a model for it; `fedsov ingest` pins them, and shows them"
            )
        if model.owner == HUB:
            yield self._hub_gate(model.params, receiver.hub), receiver.region, _people(self.hub, model.saved.run)
            return
        with open_region(model.folder, model.owner) as (place, theirs):
            target = theirs.parties.peers.get(receiver.name)
            if target is None:
                raise ConfigurationError(
                    f"region {model.owner} has not pinned its peer {receiver.name} (parties.peers.{receiver.name}), so "
                    f"its border cannot be asked; `fedsov region set {model.owner}` pins it"
                )
            yield serving_gate(place, theirs), target, MANY

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


def _artifact(model: Registered, people: int) -> Artifact:
    """The parameters behind the description, as the border is asked about them."""
    count, name = 0 if model.saved.label.is_public else people, f"model {model.called}"
    content = _description(model) + model.weights
    return Artifact(Kind.MODEL, model.saved.label, content, count=count, name=name, pool=name, pool_people=count)


def _description(model: Registered) -> bytes:
    return json.dumps(model.saved.to_json(), sort_keys=True).encode()


def _crossed(gate: Gate, model: Registered, target: Party, people: int) -> bytes:
    """What arrives of the parameters through the gate, checked."""
    shapes = {parameter: list(array.shape) for parameter, array in model.parameters.items()}
    passed = gate.cross(_artifact(model, people), target, tensors=shapes)
    arrived = passed.content[len(_description(model)) :]
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
