"""Replies that have come to the hub, each under the id of the message that it answers; the grids of a run share it.

A reply counts only for the message that it answers, and only from the node that was asked: whatever a runtime delivers,
no region can answer in another's place.
"""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import Message

from fedsov.artifact import Party
from fedsov.errors import FedsovError
from fedsov.hub.runtime import RegionLinks
from fedsov.label import PUBLIC, Label
from fedsov.protocol.flower_messages import LOST, error_reply


class Inbox:
    """Sends messages over the links of a run, and keeps their replies until somebody takes them."""

    def __init__(self, links: RegionLinks) -> None:
        self._links = links
        self._unanswered: dict[str, Message] = {}
        self._replies: dict[str, tuple[Message, Label]] = {}

    @property
    def parties(self) -> Mapping[int, Party]:
        """The region at each node."""
        return self._links.parties

    def send(self, message: Message, label: Label) -> None:
        """Sends a message to its region; what it carries is bound by the label."""
        self._unanswered[message.metadata.message_id] = message
        self._links.send(message, label)

    def answer(self, message: Message, reply: Message) -> None:
        """Keeps a reply of the hub's own, to a message that was not sent."""
        self._replies[message.metadata.message_id] = (reply, PUBLIC)

    def poll(self, seconds: float) -> None:
        """Waits up to so many seconds for a reply, and keeps what has come.

        Raises FedsovError where the runtime delivers a reply to a message that was never sent.
        """
        for reply, label in self._links.poll(seconds):
            message = self._unanswered.pop(reply.metadata.reply_to_message_id, None)
            if message is None:
                raise FedsovError("the runtime delivered a reply to a message that nobody sent; this is a fault of it")
            if reply.metadata.src_node_id != message.metadata.dst_node_id:
                reply, label = error_reply(message, LOST, "AnswerUnreadable"), PUBLIC
            self._replies[message.metadata.message_id] = (reply, label)

    def take(self, message_id: str) -> tuple[Message, Label] | None:
        """The reply to a message and what binds it, once; None where none has come."""
        return self._replies.pop(message_id, None)
