"""Whatever a region's process sends down its socket costs that region alone, and the hub says why it is lost."""

from __future__ import annotations

import json
import resource
import struct
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedsov.label import PUBLIC
from fedsov.protocol.flower_messages import pack, unpack
from fedsov.runtimes.framed_socket import LENGTHS, Frame, FramedSocket
from tests.hostile.hostile_links import HONEST, HOSTILE, frame, links, lost, question, reply


def _sending(content: bytes) -> Callable[[FramedSocket], None]:
    def life(far: FramedSocket) -> None:
        far.receive()
        far.stream.sendall(content)

    return life


def _header(text: bytes, body: bytes = b"") -> bytes:
    return LENGTHS.pack(len(text), len(body)) + text + body


@pytest.mark.parametrize("sizes", [(40, 2**34), (2**26, 10), (2**32 - 1, 2**63)])
def test_a_frame_that_announces_16_gib_costs_that_region_alone(sizes: tuple[int, int]) -> None:
    """Today's hub takes 16 GiB of address space before a byte of it has come, and waits for them all."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with links(_sending(LENGTHS.pack(*sizes) + b'{"label": {}}')) as opened:
        began = time.monotonic()
        assert "an answer to this question has at most 65,536 + 65,536" in lost(opened)
    assert time.monotonic() - began < 5.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 2**10


@pytest.mark.parametrize("part", [b"\x00", LENGTHS.pack(20, 100), LENGTHS.pack(20, 100) + b'{"label"'])
def test_half_a_frame_stalls_nobody_and_its_region_is_named_after_its_seconds(part: bytes) -> None:
    with links(_sending(part), frame_seconds=0.5) as opened:
        honest = question(HONEST)
        opened.send(question(HOSTILE), PUBLIC)
        opened.send(honest, PUBLIC)
        began, came = time.monotonic(), []
        while not came:
            came = [answer for answer, _ in opened.poll(0.2) if answer.metadata.src_node_id == HONEST]
            assert time.monotonic() - began < 5.0
        assert came[0].metadata.reply_to_message_id == honest.metadata.message_id
        errors: list[Message] = []
        while not errors:
            errors = [answer for answer, _ in opened.poll(0.2)]
            assert time.monotonic() - began < 10.0
        assert "began a frame and did not end it within 0.5 seconds" in str(errors[0].error.reason)


def test_a_frame_that_drips_is_half_a_frame() -> None:
    def dripping(far: FramedSocket) -> None:
        far.receive()
        for byte in LENGTHS.pack(20, 1000) + b" " * 1000:
            far.stream.sendall(bytes([byte]))
            time.sleep(0.05)

    with links(dripping, frame_seconds=0.5) as opened:
        assert "did not end it within 0.5 seconds" in lost(opened)


def test_the_hub_s_own_absence_counts_against_nobody() -> None:
    """A region whose frame waits in a full socket, while the hub does something else, is not slow."""

    def large(far: FramedSocket) -> None:
        asked = unpack(far.receive().body)
        text = json.dumps({"levels": "x" * 3_000_000})
        far.send(frame(asked, RecordDict({"statistics": ConfigRecord({"json": text})})))

    with links(large, frame_seconds=2.0) as opened:
        opened.send(question(HOSTILE, "query.statistics"), PUBLIC)
        time.sleep(0.3)
        replies = [answer for answer, _ in opened.poll(0.0)]  # reads what a socket holds, and of the frame no more
        time.sleep(3.0)
        until = time.monotonic() + 10.0
        while not replies and time.monotonic() < until:
            replies = [answer for answer, _ in opened.poll(0.1)]
        assert replies[0].has_content()


def test_a_region_that_reads_nothing_does_not_keep_the_hub_from_the_others() -> None:
    """A model larger than a socket's buffer, to a region that is frozen: today's hub waits in the middle of sending."""

    def frozen(far: FramedSocket) -> None:
        time.sleep(2.0)

    with links(frozen) as opened:
        began = time.monotonic()
        for node in (HOSTILE, HONEST):
            opened.send(question(node, "train", numbers=2_000_000), PUBLIC)
        came: list[Message] = []
        while not came:
            came = [answer for answer, _ in opened.poll(0.2)]
            assert time.monotonic() - began < 1.9
        assert came[0].has_content() and came[0].metadata.src_node_id == HONEST


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 30_000,
        b'{"label":' + b"[" * 30_000,
        b"\xff\xfe",
        b"",
        b"[]",
        b"null",
        b'{"label": null}',
        b'{"label": 5}',
        b'{"label": "DE"}',
        b'{"label": {"origins": {"DE": 1}, "categories": [], "restrictions": []}}',
        b'{"label": {"origins": [["DE"]], "categories": [], "restrictions": []}}',
        b'{"label": {"origins": [1e999], "categories": [NaN], "restrictions": [null]}}',
        b'{"label": {"origins": ["DE"]}}',
    ],
)
def test_a_header_of_odd_json_costs_that_region_alone(header: bytes) -> None:
    def life(far: FramedSocket) -> None:
        asked = unpack(far.receive().body)
        far.stream.sendall(_header(header, pack(reply(asked))))

    with links(life) as opened:
        assert lost(opened).startswith("AnswerUnreadable (")


def _table(table: Any, rest: bytes = b"") -> bytes:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("!I", len(text)) + text + rest


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        struct.pack("!I", 2**32 - 1) + b"{}",
        _table(b"[" * 50_000),
        _table([]),
        _table({"root": "a", "message": "b", "objects": None}),
        _table({"root": "a", "message": "b", "objects": {"a": "5"}}),
        _table({"root": "a", "message": "b", "objects": {"a": 10**30}}),
        _table({"root": "a", "message": "b", "objects": {"a": 5, "b": -5}}, b"12345"),
        _table({"root": ["a"], "message": "b", "objects": {"a": 5}}, b"12345"),
        _table({"root": "a", "message": "b", "objects": {"a": 17}}, b"Message a 0\x00abcde"),
        _table({"root": "a", "message": "b", "objects": {"a": 12}}, b"ArrayChunk 0"),
    ],
)
def test_a_body_that_is_no_message_costs_that_region_alone(body: bytes) -> None:
    def life(far: FramedSocket) -> None:
        far.receive()
        far.send(Frame({"label": PUBLIC.to_json()}, body))

    with links(life) as opened:
        assert lost(opened).startswith("AnswerUnreadable (")


def test_an_object_inside_itself_thousands_of_levels_deep_costs_that_region_alone() -> None:
    names = [f"{at:064x}" for at in range(3000)]
    objects = {name: f"RecordDict {child} 2".encode() + b"\x00{}" for name, child in pairwise(names)}
    table = {"root": names[0], "message": "m", "objects": {name: len(content) for name, content in objects.items()}}

    def life(far: FramedSocket) -> None:
        far.receive()
        far.send(Frame({"label": PUBLIC.to_json()}, _table(table, b"".join(objects.values()))))

    with links(life) as opened:
        assert lost(opened, "query.statistics").startswith("AnswerUnreadable (")


def test_a_chunk_that_is_named_a_thousand_times_is_not_laid_out() -> None:
    """An update of 4 MB whose one chunk stands 1000 times in its array would be 4 GB at the hub."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def life(far: FramedSocket) -> None:
        asked = unpack(far.receive().body)
        array = Array(np.arange(500_000, dtype=np.float64))
        content = pack(reply(asked, RecordDict({"arrays": ArrayRecord({"w": array})})))
        many = b'"arraychunk_ids": [' + b", ".join([b"0"] * 1000) + b"]"
        (size,) = struct.unpack_from("!I", content)
        table, rest = json.loads(content[4 : 4 + size]), content[4 + size :]
        objects, at = {}, 0
        for key, length in table["objects"].items():
            objects[key], at = rest[at : at + length], at + length
        for key, one in objects.items():
            if one.startswith(b"Array "):
                head, _, text = one.partition(b"\x00")
                text = text.replace(b'"arraychunk_ids": [0]', many)
                objects[key] = b" ".join(head.split(b" ")[:2]) + b" %d\x00" % len(text) + text
        table["objects"] = {key: len(one) for key, one in objects.items()}
        far.send(Frame({"label": PUBLIC.to_json()}, _table(table, b"".join(objects.values()))))

    with links(life) as opened:
        assert "and arrays of 4,000,148,000; at most" in lost(opened, "train", numbers=600_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 2**10


def test_an_answer_is_no_larger_than_its_question_allows() -> None:
    """Metrics of a million numbers beside a small update: lists that take twenty times their bytes in memory."""

    def life(far: FramedSocket) -> None:
        asked = unpack(far.receive().body)
        metrics = MetricRecord({"num-examples": 5, "loss": [1] * 1_000_000})
        arrays = ArrayRecord(dict(next(iter(asked.content.array_records.values()))))
        far.send(frame(asked, RecordDict({"arrays": arrays, "metrics": metrics})))

    with links(life) as opened:
        assert "announced a frame of" in lost(opened, "train", numbers=10)
    with links(life) as opened:
        assert "a message of 1,0" in lost(opened, "train", numbers=1_000_000)  # within the update's own size


def test_an_answer_to_a_question_that_nobody_asked_takes_the_place_of_none() -> None:
    def life(far: FramedSocket) -> None:
        asked = unpack(far.receive().body)
        other = question(HONEST)
        far.send(Frame({"label": PUBLIC.to_json()}, pack(reply(other))))
        far.send(frame(asked))

    with links(life) as opened:
        assert "answers another question" in lost(opened)
