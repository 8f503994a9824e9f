"""What the hub answers a region that brings the head of its ledger and asks for those of others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fedsov.api.control.control_hub import ControlHub
from fedsov.control_plane.compliance.witnesses import HubWitness
from fedsov.keys.certificates import REGION
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.witness_messages import WitnessQuestion
from fedsov.runtimes.deployment.hub.access import Access, Caller
from fedsov.storage.deployment_folder import DeploymentFolder


def witness_answers(hub: ControlHub) -> Callable[[Caller, control.WitnessMessage], control.WitnessMessage]:
    """The hub as a witness of those regions that are its members when they ask."""
    access = Access(DeploymentFolder(hub.home))
    witness = HubWitness(hub.database, hub.ledger, keys=lambda: access.verify_keys(REGION))

    def answer(who: Caller, message: control.WitnessMessage) -> control.WitnessMessage:
        question = WitnessQuestion.from_bytes(message.document)
        answered = witness.answer(who.name, question, now=datetime.now(UTC))
        return control.WitnessMessage(document=answered.to_bytes())

    return answer
