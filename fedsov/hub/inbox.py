"""Replies that have come to the hub, each under the id of the message that it answers; the grids of a run share it.

A reply counts only for the message that it answers, and only from the node that was asked: whatever a runtime delivers,
no region can answer in another's place. It counts as what the table of messages lets it be
(`fedsov.protocol.read_answers`): whatever raises while one region's reply is read becomes that region's error.

A region that does not answer in time is waited for once. Until its late answer comes, and is dropped, every further
message to it is answered at once with the reason, so that it costs the others nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from flwr.app import Message

from fedsov.artifact import Party
from fedsov.errors import FedsovError
from fedsov.hub.runtime import RegionLinks
from fedsov.hub.server_app import SILENT
from fedsov.label import PUBLIC, Label
from fedsov.protocol.flower_messages import LOST, error_reply
from fedsov.protocol.read_answers import read_answer, why_unreadable


class Inbox:
    """Sends messages over the links of a run, and keeps their replies until somebody takes them.

    Args:
        say: told in a sentence which region is no longer asked and why, and which one is asked again.
    """

    def __init__(self, links: RegionLinks, say: Callable[[str], None] = lambda _: None) -> None:
        self._links, self._say = links, say
        self._unanswered: dict[str, Message] = {}
        self._late: dict[str, int] = {}
        self._replies: dict[str, tuple[Message, Label]] = {}

    @property
    def parties(self) -> Mapping[int, Party]:
        """The region at each node."""
        return self._links.parties

    @property
    def silent(self) -> frozenset[int]:
        """The nodes that did not answer in time, and have not since."""
        return frozenset(self._late.values())

    def send(self, message: Message, label: Label) -> None:
        """Sends a message to its region; what it carries is bound by the label."""
        if message.metadata.dst_node_id in self.silent:
            self.answer(message, error_reply(message, LOST, SILENT))
            return
        self._unanswered[message.metadata.message_id] = message
        self._links.send(message, label)

    def answer(self, message: Message, reply: Message) -> None:
        """Keeps a reply of the hub's own, to a message that was not sent."""
        self._replies[message.metadata.message_id] = (reply, PUBLIC)

    def give_up(self, message_ids: Iterable[str], seconds: float) -> None:
        """Waits no longer for the answers to these messages, for which it waited so many seconds.

        Their regions are asked nothing more until they answer.
        """
        for message_id in message_ids:
            message = self._unanswered.get(message_id)
            if message is None or message_id in self._late:
                continue
            node = message.metadata.dst_node_id
            if node not in self.silent:
                self._say(
                    f"region {self.parties[node].name} did not answer within {seconds:g} seconds; it is left out "
                    "until it does"
                )
            self._late[message_id] = node

    def poll(self, seconds: float) -> None:
        """Waits up to so many seconds for a reply, and keeps what has come.

        Raises FedsovError where the runtime delivers a reply to a message that was never sent.
        """
        for reply, label in self._links.poll(seconds):
            message = self._unanswered.pop(reply.metadata.reply_to_message_id, None)
            if message is None:
                raise FedsovError("the runtime delivered a reply to a message that nobody sent; this is a fault of it")
            if message.metadata.message_id in self._late:
                self._drop_late(message)
                continue
            self._replies[message.metadata.message_id] = _read(message, reply, label)

    def take(self, message_id: str) -> tuple[Message, Label] | None:
        """The reply to a message and what binds it, once; None where none has come."""
        return self._replies.pop(message_id, None)

    def _drop_late(self, message: Message) -> None:
        node = self._late.pop(message.metadata.message_id)
        if node not in self.silent:
            self._say(f"region {self.parties[node].name} answered too late; it is asked again from now on")


def _read(question: Message, reply: Message, label: Label) -> tuple[Message, Label]:
    """The reply in its form and what binds it; an error in its place where it cannot be read."""
    if reply.metadata.src_node_id != question.metadata.dst_node_id:
        return error_reply(question, LOST, "AnswerUnreadable"), PUBLIC
    try:
        return read_answer(question, reply), label
    except Exception as problem:  # boundary: whatever one region answers costs that region alone
        return error_reply(question, LOST, why_unreadable(problem)), PUBLIC
