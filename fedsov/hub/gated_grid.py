"""Flower's `Grid` over the links of any runtime, with the hub's gate on the way out.

A grid speaks to some of the regions about one thing, and knows the label of what it carries: whatever the hub sends
with parameters is a MODEL bound by the join of every update that ever went into them, and is decided by the hub's
gate as an export from every origin in that label, before a runtime sees it. A refused message never leaves; Flower sees
an error reply in its place and goes on with the others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fedsov.artifact import Artifact, Kind
from fedsov.border.gate import Gate, Outgoing, Refused
from fedsov.errors import FedsovError
from fedsov.hub.inbox import Inbox
from fedsov.label import PUBLIC, Label
from fedsov.protocol.calendar import Calendar
from fedsov.protocol.flower_messages import (
    LOST,
    REFUSED,
    config_of,
    error_reply,
    identify,
    new_id,
    new_run,
    node_records,
    round_of,
    with_version,
)
from fedsov.protocol.message_types import VERSION

if TYPE_CHECKING:
    from flwr.proto.node_pb2 import NodeInfo
    from flwr.supercore.run import Run

LONGEST_WAIT = 86_400.0
"""Seconds that `GatedGrid.send_and_receive` waits where nobody says how long."""


class CrossingGate(Protocol):
    """What a grid needs of the hub's gate (`fedsov.border.gate.Gate`)."""

    def cross_all(
        self, leaving: Iterable[Outgoing], *, round_number: int | None = None
    ) -> tuple[Artifact | Refused, ...]: ...


class GatedGrid(Grid):
    """Flower's Grid for some regions and one line of work; `label` binds the parameters it carries.

    Messages are made in a process of Flower's (`fedsov.protocol.flower_messages.flower_process`).

    Args:
        inbox: of the run, shared with its other grids.
        nodes: node ids this grid may speak to.
        gate: the hub's gate.
        label: what binds the parameters before the first update.
        people: records behind the parameters, for the ledger.
        known: by node, the hub's own record of what binds its rows. Where it has one, that is joined to the label of
            each update, and an update whose label holds anything else is none: a region that invents bonds would keep
            the model from all.
        name: of what it carries, in the ledger.
    """

    def __init__(
        self,
        inbox: Inbox,
        nodes: Iterable[int],
        gate: CrossingGate,
        *,
        label: Label = PUBLIC,
        people: int = 0,
        known: Mapping[int, Label] | None = None,
        name: str = "global model",
    ) -> None:
        self._name = name
        self._inbox, self._gate, self._known = inbox, gate, dict(known or {})
        self._questions: dict[str, Message] = {}
        self._nodes = tuple(sorted(nodes))
        self.label, self.people = label, people
        self._run = new_run()

    def set_run(self, run: Run) -> None:
        """Flower's description of the run."""
        self._run = run

    @property
    def run(self) -> Run:
        """Flower's description of the run."""
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message of this run; see Flower's Grid."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """The nodes of this grid's regions, in order."""
        return list(self._nodes)

    def get_nodes(self) -> Iterable[NodeInfo]:
        """The regions of this grid as Flower's node records."""
        return node_records(self._nodes)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Decides, records and sends each message; returns their ids.

        Raises FedsovError for a region this grid may not speak to, LedgerBroken where the ledger cannot be written.
        """
        pushed = list(messages)
        for message in pushed:
            identify(message, new_id())
            with_version(message, VERSION)
        for round_number, together in groupby(pushed, key=round_of):
            self._send(list(together), round_number)
        return [message.metadata.message_id for message in pushed]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that have come; each is given once. Joins the labels of updates into the grid's label."""
        self._inbox.poll(0.0)
        replies = []
        for message_id in message_ids:
            arrived = self._inbox.take(message_id)
            if arrived is None:
                continue
            question, (reply, label) = self._questions.pop(message_id, None), arrived
            if reply.has_content() and reply.content.array_records:
                reply = self._joined(question, reply, label)
            replies.append(reply)
        return replies

    def _joined(self, question: Message | None, update: Message, label: Label) -> Message:
        """The update, its label joined to the grid's; an error in its place where the label holds what nobody told."""
        own = self._known.get(update.metadata.src_node_id)
        if question is not None and own is not None and label | own | self.label != own | self.label:
            why = "LabelUnknown (its update is bound by more than it told before the plan)"
            return error_reply(question, LOST, why)
        self.label |= label if own is None else label | own
        return update

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Asks all, waits for all (at most `timeout` seconds), and returns the replies that came.

        A region that was waited for in vain is asked nothing more until it answers (`fedsov.hub.inbox`).
        """
        waiting, seconds = list(self.push_messages(messages)), timeout if timeout is not None else LONGEST_WAIT
        until, replies = time.monotonic() + seconds, list[Message]()
        while waiting:
            arrived = list(self.pull_messages(waiting))
            replies += arrived
            answered = {reply.metadata.reply_to_message_id for reply in arrived}
            waiting = [message_id for message_id in waiting if message_id not in answered]
            if waiting and time.monotonic() >= until:
                self._inbox.give_up(waiting, seconds)
                self._questions.clear()
                break
            if waiting:
                self._inbox.poll(min(1.0, max(0.0, until - time.monotonic())))
        return replies

    def _send(self, messages: Sequence[Message], round_number: int | None) -> None:
        for node in (message.metadata.dst_node_id for message in messages):
            if node not in self._nodes:
                raise FedsovError(f"node {node} is not one of this grid's regions")
        silent = self._inbox.silent  # no model crosses to a region that is asked nothing
        asked = [message for message in messages if message.metadata.dst_node_id not in silent]
        loaded = [message for message in asked if _carries_model(message)]
        leaving = [
            Outgoing(self._artifact(message), self._inbox.parties[message.metadata.dst_node_id], _shapes(message))
            for message in loaded
        ]
        settled = dict(zip(map(_id, loaded), self._gate.cross_all(leaving, round_number=round_number), strict=True))
        self._questions |= {_id(message): message for message in loaded}
        for message in messages:
            if isinstance(settled.get(_id(message)), Refused):
                self._inbox.answer(message, error_reply(message, REFUSED, "CrossingRefused"))
            else:
                self._inbox.send(message, self.label if _id(message) in settled else PUBLIC)

    def _artifact(self, message: Message) -> Artifact:
        arrays = (array.data for record in message.content.array_records.values() for array in record.values())
        content = b"".join((*arrays, json.dumps(config_of(message), sort_keys=True, default=str).encode()))
        name = self._name if self.label.origins else "public model"
        people = self.people
        return Artifact(Kind.MODEL, self.label, content, count=people, name=name, pool=name, pool_people=people)


def _id(message: Message) -> str:
    return str(message.metadata.message_id)


def _carries_model(message: Message) -> bool:
    """True where a message holds a model, or what was learned from rows."""
    return bool(message.content.array_records) or "features" in config_of(message)


def _shapes(message: Message) -> Mapping[str, list[int]]:
    return {
        name: list(array.shape) for record in message.content.array_records.values() for name, array in record.items()
    }


@dataclass(frozen=True, slots=True)
class DatedGate:
    """A gate whose every crossing is decided on the day of its round; `decision_round` is for what has none."""

    gate: Gate
    calendar: Calendar
    decision_round: int = 1

    def cross_all(
        self, leaving: Iterable[Outgoing], *, round_number: int | None = None
    ) -> tuple[Artifact | Refused, ...]:
        """As `Gate.cross_all`, on the round's day."""
        gate = self.calendar.at(self.gate, self.decision_round if round_number is None else round_number)
        return gate.cross_all(leaving, round_number=round_number)
