"""Real links over real sockets: an honest region beside one that lives as a test says, and what the hub has of both."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedsov.artifact import Party
from fedsov.label import PUBLIC, Label
from fedsov.protocol.flower_messages import identify, new_id, pack, reason_of, record_of, unpack
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.runtimes.in_process import ProcessLinks, RegionConnection

HOSTILE, HONEST = 2, 3
DE = Label(frozenset({"DE"}))
Life = Callable[[FramedSocket], None]


def question(node: int, kind: str = "query.ready", numbers: int = 0) -> Message:
    """A question to a node, with a model of so many numbers where there are any."""
    content = RecordDict({"config": ConfigRecord({"server-round": 1})})
    if numbers:
        content["arrays"] = record_of({"w": np.zeros(numbers, np.float32)})
    message = Message(content, node, kind)
    identify(message, new_id())
    return message


def reply(asked: Message, content: RecordDict | None = None) -> Message:
    """An answer that holds these records, or none."""
    answered = Message(RecordDict() if content is None else content, reply_to=asked)
    identify(answered, new_id())
    return answered


def frame(asked: Message, content: RecordDict | None = None) -> Frame:
    """An answer as an honest region's process sends it."""
    return Frame({"label": DE.to_json()}, pack(reply(asked, content)))


def update(asked: Message) -> RecordDict:
    """An update that says what it should."""
    arrays = ArrayRecord(dict(next(iter(asked.content.array_records.values()))))
    return RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 5, "loss": 0.5, "score": 0.5})})


def answering(far: FramedSocket) -> None:
    """The life of an honest region."""
    while True:
        asked = unpack(far.receive().body)
        far.send(frame(asked, update(asked) if asked.content.array_records else None))


@contextmanager
def links(hostile: Life, frame_seconds: float = 0.5) -> Iterator[ProcessLinks]:
    """Links to a hostile region and to an honest one."""
    opened, threads = ProcessLinks(frame_seconds), []
    for node, life in ((HOSTILE, hostile), (HONEST, answering)):
        ours, theirs = socket.socketpair()
        opened.add(RegionConnection(node, Party(f"R{node}", "DE", ""), FramedSocket(ours)))
        threads.append(threading.Thread(target=_live, args=(life, FramedSocket(theirs))))
        threads[-1].start()
    try:
        yield opened
    finally:
        opened.close()
        for thread in threads:
            thread.join()


def _live(life: Life, far: FramedSocket) -> None:
    try:
        life(far)
        while far.stream.recv(2**16):  # until the hub has enough of it
            pass
    except (ConnectionClosed, OSError):
        pass
    finally:
        far.close()


def lost(opened: ProcessLinks, kind: str = "query.ready", numbers: int = 0) -> str:
    """Asks both; the honest region's answer came whole. Why the hostile one is lost, now and at the next question."""
    questions = [question(node, kind, numbers) for node in (HOSTILE, HONEST)]
    for message in questions:
        opened.send(message, PUBLIC)
    replies, until = dict[int, Message](), time.monotonic() + 20.0
    while len(replies) < 2:
        assert time.monotonic() < until, "nothing came in time"
        replies |= {answer.metadata.src_node_id: answer for answer, _ in opened.poll(1.0)}
    assert replies[HONEST].has_content() and replies[HOSTILE].has_error()
    again = question(HOSTILE, kind, numbers)
    opened.send(again, PUBLIC)
    ((following, _),) = opened.poll(0.0)
    assert reason_of(following) == reason_of(replies[HOSTILE])
    return reason_of(following)
