"""Whatever bytes a region sends, as a frame, a body, a text or an array: read or refused, and never anything else."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from types import MappingProxyType
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import FedsovError
from fedsov.hub.inbox import Inbox
from fedsov.label import PUBLIC
from fedsov.protocol.flower_messages import LOST, pack, unpack
from fedsov.protocol.message_types import LARGEST_LABEL, MESSAGE_TYPES, largest_answer
from fedsov.runtimes.frame_stream import FrameLimit, FrameRefused, FrameStream
from fedsov.runtimes.framed_socket import LENGTHS, ConnectionClosed, Frame, FramedSocket
from fedsov.serialization import from_plain
from tests.hostile.fuzzing import fuzzed
from tests.hostile.hostile_links import question, reply, update

LIMIT = FrameLimit(2**12, 2**14, seconds=0.0)
NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans())
JSON = st.recursive(
    st.none() | NUMBERS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(
    ["rows", "public", "label", "origins", "numeric", "categorical", "levels", "n", "mean", "seeds", "keys", "head"]
)
FORMS = st.recursive(
    st.none() | NUMBERS | st.text(max_size=8) | st.just("DE"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=20,
)


@fuzzed(150)
@given(st.binary(max_size=200), st.integers(0, 2**13), st.integers(0, 2**15), st.booleans())
def test_a_stream_of_any_bytes_gives_a_frame_or_is_refused_and_holds_no_more_than_came(
    content: bytes, header: int, body: int, announces: bool
) -> None:
    near, far = socket.socketpair()
    with closing(near), closing(far):
        far.sendall((LENGTHS.pack(header, body) if announces else b"") + content)
        far.shutdown(socket.SHUT_WR)
        stream = FrameStream(FramedSocket(near))
        with suppress(FrameRefused, ConnectionClosed):
            frame = stream.read(LIMIT)
            assert frame is None or isinstance(frame.header, dict)
        assert len(stream._arrived) <= LENGTHS.size + len(content)


@fuzzed(150)
@given(st.data())
def test_a_packed_answer_with_any_bytes_changed_is_a_message_or_none(data: st.DataObject) -> None:
    asked = question(2, "train", numbers=8)
    content = bytearray(pack(reply(asked, update(asked))))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["set", "cut", "insert"])):
            case "set":
                content[place] = data.draw(st.integers(0, 255))
            case "cut":
                del content[place : place + data.draw(st.integers(1, 40))]
            case _:
                content[place:place] = data.draw(st.binary(max_size=40))
        content = content or bytearray(b"\0")
    read = None
    with suppress(Exception):  # what the links catch of one region
        read = unpack(bytes(content), largest_answer(asked))
    if read is not None and (found := _through_the_inbox(asked, read)).has_content():
        arrays = found.content.array_records.get("arrays", ArrayRecord())
        assert all(array.numpy().dtype.kind in "biufc" for array in arrays.values())


def _through_the_inbox(asked: Message, answered: Message) -> Message:
    """What the hub has of an answer: always a reply to this question, from the node that was asked."""

    class Links:
        parties: Mapping[int, Any] = MappingProxyType({})

        def send(self, message: Message, label: object) -> None: ...

        def poll(self, seconds: float) -> Any:
            answered.metadata.__dict__["_reply_to_message_id"] = asked.metadata.message_id
            answered.metadata.__dict__["_src_node_id"] = asked.metadata.dst_node_id
            return [(answered, PUBLIC)]

    inbox = Inbox(Links())
    inbox.send(asked, PUBLIC)
    inbox.poll(0.0)
    taken = inbox.take(asked.metadata.message_id)
    assert taken is not None
    found = taken[0].metadata
    assert (found.reply_to_message_id, found.src_node_id) == (asked.metadata.message_id, asked.metadata.dst_node_id)
    if taken[0].has_error():
        assert str(taken[0].error.reason).isprintable()
    return taken[0]


TEXTS = {
    kind: rule.records for kind, rule in MESSAGE_TYPES.items() if len(rule.records) == 1 and kind != "query.synthesise"
}


@fuzzed(250)
@given(st.sampled_from(sorted(TEXTS)), FORMS | JSON)
def test_a_text_of_any_json_is_in_the_form_of_its_question_or_an_error(kind: str, value: Any) -> None:
    (name,) = TEXTS[kind]
    asked = question(2, kind)
    answered = reply(asked, RecordDict({name: ConfigRecord({"json": json.dumps(value)})}))
    found = _through_the_inbox(asked, answered)
    if found.has_error():
        assert found.error.code == LOST
        return
    form = TEXTS[kind][name].form
    assert form is not None
    written = json.loads(str(found.content.config_records[name]["json"]))
    assert json.dumps(form(written), sort_keys=True) == json.dumps(written, sort_keys=True)


ARRAYS = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda shape, descr, more: _npy(shape, descr) + more,
        st.sampled_from(["(4,)", "(2, 2)", "()", "(-4,)", "(99999999999,)", "(4.0,)", "[4]", "('a',)", "(True, 4)"]),
        st.sampled_from(["'<f4'", "'<f8'", "'|O'", "'<U4'", "'|V4'", "[('a', '<f4')]", "5"]),
        st.binary(min_size=16, max_size=16) | st.binary(max_size=40),
    ),
)


def _npy(shape: str, descr: str) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@fuzzed(150)
@given(
    ARRAYS, st.sampled_from(["float32", "float64", "object", ""]), st.lists(st.integers(-5, 2**40), max_size=3),
    st.dictionaries(st.sampled_from(["num-examples", "loss", "score", "contributors", "x"]), NUMBERS, max_size=4),
)  # fmt: skip
def test_an_update_of_any_arrays_and_metrics_holds_numbers_or_is_an_error(
    content: bytes, dtype: str, shape: list[int], metrics: dict[str, Any]
) -> None:
    asked = question(2, "train", numbers=4)
    arrays = ArrayRecord({"w": Array(dtype, tuple(shape), "numpy.ndarray", content)})
    written = MetricRecord({key: value if isinstance(value, float) else int(value) for key, value in metrics.items()})
    found = _through_the_inbox(asked, reply(asked, RecordDict({"arrays": arrays, "metrics": written})))
    if found.has_error():
        return
    values = found.content.array_records["arrays"]["w"].numpy()
    assert isinstance(values, np.ndarray) and values.dtype.kind in "biufc"
    assert set(found.content.metric_records["metrics"]) <= {"num-examples", "loss", "score"}


@fuzzed(80)
@given(JSON)
def test_a_plain_value_is_read_as_a_region_s_start_or_refused(value: Any) -> None:
    from fedsov.protocol.job import RegionStart

    start = None
    with suppress(FedsovError):
        start = from_plain(RegionStart, value)
    assert start is None  # no such value is one: it lacks the parties


@fuzzed(80)
@given(st.dictionaries(st.text(max_size=10), JSON, max_size=4))
def test_a_label_of_any_json_is_one_or_none(header: dict[str, Any]) -> None:
    """What comes before an answer: the links read a label of it, or lose the region."""
    from fedsov.label import Label

    near, far = socket.socketpair()
    with closing(near), closing(far):
        FramedSocket(far).send(Frame({"label": header}))
        stream = FrameStream(FramedSocket(near))
        frame = stream.read(FrameLimit(LARGEST_LABEL, 0))
        assert frame is not None
        with suppress(KeyError, TypeError, ValueError):
            label = Label.from_json(frame.header["label"])
            assert all(isinstance(word, str) for part in label.to_json().values() for word in part)
