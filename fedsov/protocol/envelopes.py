"""fedsov's messages inside Flower's that travel: a record beside the content says what they are and what binds them.

Under a runtime of sockets a message goes as bytes, and its label in the header before it. Between machines it is one of
Flower's own, which its SuperLink stores and gives an id of its own. So the message's id, node and label, and whatever
else its frame would say, ride in a record of the name `ENVELOPE`; the content beside it is Flower's, whole.

    outer = enveloped(message, {"label": label.to_json()}, Address(run, node))
    content, header = opened(outer)
    message = question_of(content, header)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.errors import FedsovError
from fedsov.protocol.flower_messages import HUB_NODE, RUN_ID, address, identify

ENVELOPE = "fedsov"
LARGEST_HEADER = 2**20
"""Letters of an envelope's text, which are a label, a signature and ids; a region's start is larger and has its own."""
WEEK = 7 * 86_400.0
"""Seconds that a message is kept for a region that is away; a run's own timeout is shorter."""


class NoEnvelope(FedsovError):
    """A message of Flower's that is none of fedsov's."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: the run of Flower's, and the node that Flower gave the region."""

    run: int
    node: int


def enveloped(message: Message, header: Mapping[str, Any], to: Address) -> Message:
    """A message that travels to a region. Its content is shared with the one given, which stays as it is."""
    meta = message.metadata
    said = {"id": meta.message_id, "node": meta.dst_node_id, "type": meta.message_type, "group": meta.group_id}
    content = RecordDict({**(message.content if message.has_content() else {})})
    content[ENVELOPE] = ConfigRecord({"json": json.dumps({**header, **said})})
    outer = Message(content, dst_node_id=to.node, message_type=meta.message_type, ttl=WEEK)
    address(outer, run=to.run, source=HUB_NODE, target=to.node)
    return outer


def enveloped_reply(outer: Message, reply: Message, header: Mapping[str, Any]) -> Message:
    """A reply that travels back to the hub; of an error its code and reason alone, as Flower has it."""
    if reply.has_error():
        return Message(reply.error, reply_to=outer)
    content = RecordDict({**reply.content})
    content[ENVELOPE] = ConfigRecord({"json": json.dumps({**header, "id": reply.metadata.message_id})})
    return Message(content, reply_to=outer)


def opened(outer: Message, largest: int = LARGEST_HEADER) -> tuple[RecordDict, dict[str, Any]]:
    """The content of a message that came, and what its envelope says. Raises NoEnvelope."""
    record = outer.content.config_records.get(ENVELOPE)
    text = record.get("json") if record is not None else None
    if not isinstance(text, str) or len(text) > largest:
        raise NoEnvelope("a message of Flower's without fedsov's envelope, or with one that is too long")
    try:
        header = json.loads(text)
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise NoEnvelope("a message of Flower's whose envelope cannot be read")
    return RecordDict({name: record for name, record in outer.content.items() if name != ENVELOPE}), header


def question_of(content: RecordDict, header: Mapping[str, Any]) -> Message:
    """The hub's message as a region's process in this machine would have it. Raises NoEnvelope for one without ids."""
    try:
        node, kind, group = int(header["node"]), str(header["type"]), str(header.get("group", ""))
        identifier = str(header["id"])
    except (KeyError, TypeError, ValueError):
        raise NoEnvelope("an envelope without the ids of its message") from None
    message = Message(content, dst_node_id=node, message_type=kind, group_id=group)
    address(message, run=RUN_ID, source=HUB_NODE, target=node)
    identify(message, identifier)
    return message


def reply_of(content: RecordDict, header: Mapping[str, Any], question: Message) -> Message:
    """A region's reply as the hub has it: to the question that was asked, from the node that was asked."""
    reply = Message(content, reply_to=question)
    identify(reply, str(header.get("id", "")))
    return reply
