"""Links over real sockets, with a region's process at the other end: one question at a time, and every one answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.artifact import Party
from fedsov.errors import FedsovError, InputError
from fedsov.hub.runtime import IngestRequest
from fedsov.label import PUBLIC, Label
from fedsov.protocol.flower_messages import LOST, flower_process, identify, new_id, pack, reason_of, unpack
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.runtimes.in_process import InProcess, ProcessLinks, RegionConnection
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace

DE = Label(frozenset({"DE"}))
Life = Callable[[FramedSocket], None]


@pytest.fixture(autouse=True)
def flower() -> Iterator[None]:
    with flower_process():
        yield


def _message(node: int = 2, text: str = "") -> Message:
    message = Message(RecordDict({"config": ConfigRecord({"text": text})}), node, "query.ready")
    identify(message, new_id())
    return message


def _reply(message: Message) -> Message:
    reply = Message(message.content, reply_to=message)
    identify(reply, new_id())
    return reply


def _answering(far: FramedSocket) -> None:
    """A region that answers every question with what it holds."""
    while True:
        frame = far.receive()
        far.send(Frame({"label": DE.to_json()}, pack(_reply(unpack(frame.body)))))


@pytest.fixture
def links() -> Iterator[Callable[..., ProcessLinks]]:
    """Links to regions that live as given, by node from 2 on."""
    opened: list[ProcessLinks] = []
    threads: list[threading.Thread] = []

    def connect(*lives: Life) -> ProcessLinks:
        found = ProcessLinks()
        opened.append(found)
        for node, life in enumerate(lives, 2):
            ours, theirs = socket.socketpair()
            found.add(RegionConnection(node, Party(f"R{node}", "DE", ""), FramedSocket(ours)))
            threads.append(threading.Thread(target=_live, args=(life, FramedSocket(theirs))))
            threads[-1].start()
        return found

    yield connect
    for each in opened:
        each.close()
    for thread in threads:
        thread.join()


def _live(life: Life, far: FramedSocket) -> None:
    try:
        life(far)
    except ConnectionClosed:
        pass
    finally:
        far.close()


def _all(links: ProcessLinks, count: int) -> list[tuple[Message, Label]]:
    replies: list[tuple[Message, Label]] = []
    while len(replies) < count:
        arrived = list(links.poll(5.0))
        assert arrived, "nothing came in time"
        replies += arrived
    return replies


def test_every_question_is_answered_once_and_each_region_s_in_order(links: Callable[..., ProcessLinks]) -> None:
    regions = links(_answering, _answering)
    messages = [_message(2 + at % 2, str(at)) for at in range(6)]
    for message in messages:
        regions.send(message, PUBLIC)
    replies = _all(regions, 6)
    assert {reply.metadata.reply_to_message_id for reply, _ in replies} == {
        message.metadata.message_id for message in messages
    }
    assert all(label == DE for _, label in replies) and list(regions.poll(0.0)) == []
    for node in (2, 3):
        texts = [
            str(reply.content.config_records["config"]["text"])
            for reply, _ in replies
            if reply.metadata.src_node_id == node
        ]
        assert texts == sorted(texts)
    assert regions.parties[3].name == "R3"


def test_a_region_that_ends_answers_what_it_was_asked_and_all_that_follows_with_an_error(
    links: Callable[..., ProcessLinks],
) -> None:
    regions = links(lambda far: far.receive() and None, _answering)
    for node in (2, 2, 3):
        regions.send(_message(node), PUBLIC)
    replies = _all(regions, 3)
    regions.send(_message(2), PUBLIC)
    replies += _all(regions, 1)
    lost = [reply for reply, _ in replies if reply.has_error()]
    assert len(lost) == 3 and {(reply.error.code, reason_of(reply)) for reply in lost} == {(LOST, "RegionProcessEnded")}
    assert [reply.metadata.src_node_id for reply, _ in replies if reply.has_content()] == [3]


def _garbage(far: FramedSocket) -> None:
    far.receive()
    far.send(Frame({"label": DE.to_json()}, b"\x00\x00\x00\x05nonsense"))
    far.receive()


def _unlabelled(far: FramedSocket) -> None:
    far.send(Frame({}, pack(_reply(unpack(far.receive().body)))))
    far.receive()


def _for_another_node(far: FramedSocket) -> None:
    reply = _reply(unpack(far.receive().body))
    reply.metadata.__dict__["_src_node_id"] = 3
    far.send(Frame({"label": PUBLIC.to_json()}, pack(reply)))
    far.receive()


def _to_another_question(far: FramedSocket) -> None:
    reply = _reply(unpack(far.receive().body))
    reply.metadata.__dict__["_reply_to_message_id"] = new_id()
    far.send(Frame({"label": PUBLIC.to_json()}, pack(reply)))
    far.receive()


@pytest.mark.parametrize("life", [_garbage, _unlabelled, _for_another_node, _to_another_question])
def test_a_reply_that_makes_no_sense_is_as_good_as_none(links: Callable[..., ProcessLinks], life: Life) -> None:
    regions, message = links(life), _message()
    regions.send(message, PUBLIC)
    ((reply, label),) = _all(regions, 1)
    assert reply.has_error() and label == PUBLIC
    assert (reply.metadata.src_node_id, reply.metadata.reply_to_message_id) == (2, message.metadata.message_id)


def test_a_source_that_cannot_be_read_ends_the_ingestion_with_the_line_of_its_process(tmp_path: Path) -> None:
    from fedsov.config.hydra_compose import compose
    from fedsov.config.settings import settings

    words = [f"workspace={tmp_path / 'w'}", "dataset=table", "dataset.path=/nowhere.csv", "dataset.name=people"]
    chosen = settings(
        compose([*words, "dataset.jurisdiction=country", "dataset.target=ill", "federation.regions=auto"])
    )
    heard: list[bytes] = []
    with hold_workspace(Workspace(tmp_path / "w")) as workspace:
        runtime = InProcess(workspace, trains=False, on_bytes=heard.append)
        try:
            with pytest.raises(InputError, match="nowhere.csv"):
                runtime.ingest(IngestRequest(chosen.plain, "r1"))
            with pytest.raises(FedsovError, match="a run that trains"):
                runtime.register("hub", "r1")
            (workspace.regions / "DE").mkdir(parents=True)
            with pytest.raises(PermissionError):  # the guard is the runtime's
                (workspace.regions / "DE" / "keyring.json").read_bytes()
        finally:
            runtime.close()
            runtime.close()
        with pytest.raises(FileNotFoundError):
            (workspace.regions / "DE" / "keyring.json").read_bytes()
    assert any(b"nowhere.csv" in frame for frame in heard)
