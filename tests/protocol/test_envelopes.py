"""Envelopes: a message that travels as Flower's comes out as the region's process in this machine would have it."""

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from fedsov.label import Label
from fedsov.protocol.envelopes import (
    ENVELOPE,
    Address,
    NoEnvelope,
    enveloped,
    enveloped_reply,
    opened,
    question_of,
    reply_of,
)
from fedsov.protocol.flower_messages import HUB_NODE, RUN_ID, flower_process, identify

LABEL = Label(frozenset({"DE"}))


@pytest.fixture(autouse=True)
def hub():
    with flower_process(HUB_NODE):
        yield


def question():
    content = RecordDict({"arrays": ArrayRecord([np.arange(3.0)]), "config": ConfigRecord({"server-round": 2})})
    message = Message(content, dst_node_id=4, message_type="train", group_id="2")
    identify(message, "our-own-id")
    return message


def test_a_question_keeps_its_id_node_and_type():
    outer = enveloped(question(), {"act": "answer", "label": LABEL.to_json()}, Address(77, 88))
    assert (outer.metadata.run_id, outer.metadata.dst_node_id, outer.metadata.src_node_id) == (77, 88, HUB_NODE)
    content, header = opened(outer)
    message = question_of(content, header)
    meta = message.metadata
    assert (meta.message_id, meta.dst_node_id, meta.src_node_id, meta.run_id) == ("our-own-id", 4, HUB_NODE, RUN_ID)
    assert (meta.message_type, meta.group_id) == ("train", "2")
    assert Label.from_json(header["label"]) == LABEL
    assert set(message.content) == {"arrays", "config"}
    assert np.array_equal(next(iter(message.content.array_records.values())).to_numpy_ndarrays()[0], np.arange(3.0))


def test_the_message_that_is_sent_stays_as_it_was():
    message = question()
    enveloped(message, {"act": "answer"}, Address(77, 88))
    assert set(message.content) == {"arrays", "config"}
    assert message.metadata.message_id == "our-own-id"


def test_a_reply_answers_the_question_that_was_asked_whatever_is_written_on_it():
    asked = question()
    outer = enveloped(asked, {"act": "answer"}, Address(77, 88))
    reply = Message(RecordDict({"metrics": MetricRecord({"loss": 0.5})}), reply_to=question_of(*opened(outer)))
    identify(reply, "reply-id")
    back = enveloped_reply(outer, reply, {"label": LABEL.to_json()})
    assert (back.metadata.src_node_id, back.metadata.run_id) == (88, 77)
    content, header = opened(back)
    received = reply_of(content, header, asked)
    assert received.metadata.reply_to_message_id == "our-own-id"
    assert (received.metadata.src_node_id, received.metadata.message_id) == (4, "reply-id")
    assert received.content["metrics"]["loss"] == 0.5


def test_an_error_travels_as_its_code_and_reason():
    outer = enveloped(question(), {"act": "answer"}, Address(77, 88))
    back = enveloped_reply(outer, Message(Error(code=102, reason="KeyUnavailable"), reply_to=outer), {})
    assert (back.error.code, back.error.reason) == (102, "KeyUnavailable")


@pytest.mark.parametrize(
    "record",
    [
        None,
        ConfigRecord({"other": "text"}),
        ConfigRecord({"json": b"bytes"}),
        ConfigRecord({"json": "no json"}),
        ConfigRecord({"json": "[1, 2]"}),
        ConfigRecord({"json": "x" * 2_000_000}),
    ],
)
def test_what_is_no_envelope_is_refused(record):
    outer = Message(RecordDict({} if record is None else {ENVELOPE: record}), dst_node_id=3, message_type="train")
    with pytest.raises(NoEnvelope):
        opened(outer)


@pytest.mark.parametrize("header", [{}, {"node": "three", "type": "train", "id": "x"}, {"node": 3, "type": "train"}])
def test_an_envelope_without_ids_is_refused(header):
    with pytest.raises(NoEnvelope):
        question_of(RecordDict(), header)
