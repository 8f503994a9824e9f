"""A region's turn as a witness, as its agent takes it: it asks the hub until neither has more to say."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fedsov.errors import FedsovError
from fedsov.ledger.witnessing import EVERY
from fedsov.protocol.witness_messages import WitnessAnswer
from fedsov.region.admission import open_region
from fedsov.region.witnessing import WitnessMemory, brought, received
from fedsov.runtimes.deployment.hub_connection import HubUnreachable
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.storage.workspace import Workspace

SECONDS = 60.0
"""How often a region asks, beside each time that the hub has news of heads for it."""
_TURNS = 20
"""Questions of one turn at most; what is left waits for the next."""
_LOG = logging.getLogger(__name__)


def region_turns(
    workspace: Path, name: str, *, every: timedelta = EVERY
) -> Callable[[Callable[[bytes], bytes]], list[str]]:
    """A function that takes one turn, by the call that it is given, and returns a sentence for each new alarm.

    Args:
        every: how often the region announces its head at most.
    """
    memory = WitnessMemory()

    def turn(ask: Callable[[bytes], bytes]) -> list[str]:
        """One turn: what it takes is noted and countersigned in the region's ledger."""
        nonlocal memory
        before = memory.ledger.alarms
        with open_region(Workspace(workspace).region(name), name) as (place, own):
            for _ in range(_TURNS):
                now = datetime.now(UTC)
                question, memory = brought(place, own, memory, now=now, every=every)
                answer = WitnessAnswer.from_bytes(ask(question.to_bytes()))
                memory = received(place, own, memory, question, answer, now=now)
                if not memory.has_more:
                    break
        found = [each for party, each in memory.ledger.alarms.items() if not each.is_same(before.get(party))]
        return [each.sentence() for each in found]

    return turn


def said_turns(workspace: Path, name: str) -> Callable[[ControlClient], None]:
    """The same by an agent's connection; alarms, and why a turn could not be taken, are said in the agent's log."""
    turn = region_turns(workspace, name)

    def act(client: ControlClient) -> None:
        try:
            for alarm in turn(client.witness):
                _LOG.warning("%s", alarm)
        except HubUnreachable:
            raise
        except FedsovError as problem:
            _LOG.warning("%s did not witness the other parties' ledgers: %s", name, problem)

    return act
