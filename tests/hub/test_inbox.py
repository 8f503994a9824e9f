"""A reply counts for the message that it answers, and from the region that was asked alone."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.artifact import Party
from fedsov.errors import FedsovError
from fedsov.hub.inbox import Inbox
from fedsov.label import PUBLIC, Label
from fedsov.protocol.flower_messages import identify, new_id, reason_of

DE = Label(frozenset({"DE"}))


class Links:
    """Delivers whatever a test puts in."""

    def __init__(self) -> None:
        self.parties = {2: Party("DE", "DE", ""), 3: Party("FR", "FR", "")}
        self.sent: list[tuple[Message, Label]] = []
        self.delivered: list[tuple[Message, Label]] = []

    def send(self, message: Message, label: Label) -> None:
        self.sent.append((message, label))

    def poll(self, seconds: float) -> Iterable[tuple[Message, Label]]:
        delivered, self.delivered = self.delivered, []
        return delivered


def _message(node: int) -> Message:
    message = Message(RecordDict({"config": ConfigRecord({})}), node, "query.ready")
    identify(message, new_id())
    return message


def _reply(message: Message) -> Message:
    reply = Message(RecordDict(), reply_to=message)
    identify(reply, new_id())
    return reply


def test_a_reply_is_kept_until_it_is_taken_and_given_once() -> None:
    links = Links()
    inbox, message = Inbox(links), _message(2)
    inbox.send(message, DE)
    assert links.sent == [(message, DE)] and inbox.take(message.metadata.message_id) is None
    links.delivered.append((_reply(message), DE))
    inbox.poll(0.0)
    taken = inbox.take(message.metadata.message_id)
    assert taken is not None and taken[1] == DE
    assert inbox.take(message.metadata.message_id) is None


def test_a_region_cannot_answer_in_another_s_place() -> None:
    links = Links()
    inbox, message = Inbox(links), _message(2)
    inbox.send(message, PUBLIC)
    reply = _reply(message)
    reply.metadata.__dict__["_src_node_id"] = 3
    links.delivered.append((reply, DE))
    inbox.poll(0.0)
    taken = inbox.take(message.metadata.message_id)
    assert taken is not None and taken[1] == PUBLIC
    assert taken[0].metadata.src_node_id == 2 and reason_of(taken[0]) == "AnswerUnreadable"


def test_a_reply_to_what_nobody_sent_or_a_second_one_is_a_fault_of_the_runtime() -> None:
    links = Links()
    inbox, message = Inbox(links), _message(2)
    links.delivered.append((_reply(message), DE))
    with pytest.raises(FedsovError, match="nobody sent"):
        inbox.poll(0.0)
    inbox.send(message, PUBLIC)
    links.delivered += [(_reply(message), DE), (_reply(message), DE)]
    with pytest.raises(FedsovError, match="nobody sent"):
        inbox.poll(0.0)
