"""Flower's `Grid` over one long-lived process per region, with the hub's gate on the way out.

A grid speaks to some of the regions about one thing, and knows the label of what it carries: whatever the hub sends
with parameters is a MODEL bound by the join of every update that ever went into them, and is decided by the hub's
gate as an export from every origin in that label, before it is written to the region's line. A refused message never
leaves; Flower sees an error reply in its place and goes on with the others.

Each region answers one message at a time. `push_messages` queues; `pull_messages` gives what has arrived.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedsov.artifact import Artifact, Kind
from fedsov.border.gate import Gate, Outgoing, Refused
from fedsov.errors import FedsovError
from fedsov.hub.runtime import RegionLinks
from fedsov.label import PUBLIC, Label
from fedsov.protocol.calendar import Calendar
from fedsov.protocol.flower_messages import REFUSED, config_of, error_reply, identify, new_id, round_of, with_version
from fedsov.protocol.message_types import VERSION

if TYPE_CHECKING:
    from flwr.proto.node_pb2 import NodeInfo


logging.getLogger("flwr").setLevel(logging.ERROR)  # what a round did is told by its own progress line


HUB_NODE = 1


class CrossingGate(Protocol):
    """What a grid needs of the hub's gate (`fedsov.border.gate.Gate`)."""

    def cross_all(self, leaving: Iterable[Outgoing], *, round: int | None = None) -> tuple[Artifact | Refused, ...]: ...


class GatedGrid(Grid):
    """Flower's Grid for some regions and one line of work; `label` binds the parameters it carries.

    Args:
        board: the lines of the run, shared with the other grids.
        nodes: node ids this grid may speak to.
        gate: the hub's gate.
        label: what binds the parameters before the first update.
        people: records behind the parameters, for the ledger.
    """

    def __init__(
        self,
        board: RegionLinks,
        nodes: Iterable[int],
        gate: CrossingGate,
        *,
        label: Label = PUBLIC,
        people: int = 0,
    ) -> None:
        self._board, self._gate = board, gate
        self._nodes = tuple(sorted(nodes))
        self.label, self.people = label, people
        self._run = Run.create_empty(run_id=1)
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = self._run.run_id, HUB_NODE, 1

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message of this run; see Flower's Grid."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        return list(self._nodes)

    def get_nodes(self) -> Iterable[NodeInfo]:
        """The regions of this grid as Flower's node records."""
        from flwr.proto.node_pb2 import NodeInfo

        return [NodeInfo(node_id=node) for node in self._nodes]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Decides, records and queues each message; returns their ids.

        Raises FedsovError for a region this grid may not speak to, LedgerBroken where the ledger cannot be written.
        """
        pushed = list(messages)
        for message in pushed:
            identify(message, new_id())
            with_version(message, VERSION)
        for round, together in groupby(pushed, key=round_of):
            self._leave(list(together), round)
        return [message.metadata.message_id for message in pushed]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The answers that have come; each is given once. Joins the labels of updates into the grid's label."""
        self._board.turn(0.0)
        pulled = []
        for identifier in message_ids:
            if identifier not in self._board.answers:
                continue
            reply, label = self._board.answers.pop(identifier)
            if reply.has_content() and reply.content.array_records:
                self.label |= label
            pulled.append(reply)
        return pulled

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Asks all, waits for all (at most `timeout` seconds), and returns the answers that came."""
        waiting = list(self.push_messages(messages))
        until = time.monotonic() + (timeout if timeout is not None else 86_400.0)
        replies: list[Message] = []
        while waiting and time.monotonic() < until:
            came = list(self.pull_messages(waiting))
            replies += came
            answered = {reply.metadata.reply_to_message_id for reply in came}
            waiting = [identifier for identifier in waiting if identifier not in answered]
            if waiting:
                self._board.turn(min(1.0, max(0.0, until - time.monotonic())))
        return replies

    def _leave(self, messages: Sequence[Message], round: int | None) -> None:
        for node in (message.metadata.dst_node_id for message in messages):
            if node not in self._nodes:
                raise FedsovError(f"node {node} is not one of this grid's regions")
        loaded = [message for message in messages if _carries(message)]
        leaving = [
            Outgoing(self._artifact(message), self._board.party(message.metadata.dst_node_id), _shapes(message))
            for message in loaded
        ]
        passed = dict(zip(map(_id, loaded), self._gate.cross_all(leaving, round=round), strict=True))
        for message in messages:
            if isinstance(passed.get(_id(message)), Refused):
                self._board.answer(message, error_reply(message, REFUSED, "CrossingRefused"), PUBLIC)
            else:
                self._board.ask(message, self.label if _id(message) in passed else PUBLIC)

    def _artifact(self, message: Message) -> Artifact:
        arrays = (array.data for record in message.content.array_records.values() for array in record.values())
        content = b"".join((*arrays, json.dumps(config_of(message), sort_keys=True, default=str).encode()))
        name = "joint model" if self.label.origins else "public model"
        people = self.people
        return Artifact(Kind.MODEL, self.label, content, count=people, name=name, pool=name, pool_people=people)


def _id(message: Message) -> str:
    return str(message.metadata.message_id)


def _carries(message: Message) -> bool:
    """True where a message holds a model, or what was learned from rows."""
    return bool(message.content.array_records) or "features" in config_of(message)


def _shapes(message: Message) -> Mapping[str, list[int]]:
    return {
        name: list(array.shape) for record in message.content.array_records.values() for name, array in record.items()
    }


@dataclass(frozen=True, slots=True)
class DatedGate:
    """A gate whose every crossing is decided on the day of its round; `standing_by` is the round of what has none."""

    gate: Gate
    calendar: Calendar
    standing_by: int = 1

    def cross_all(self, leaving: Iterable[Outgoing], *, round: int | None = None) -> tuple[Artifact | Refused, ...]:
        """As `Gate.cross_all`, on the round's day."""
        gate = self.calendar.at(self.gate, self.standing_by if round is None else round)
        return gate.cross_all(leaving, round=round)
