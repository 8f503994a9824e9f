"""The in-process runtime: every region in a long-lived process of its own on this machine, connected by sockets.

It owns what belongs to that: the fork server, the sockets, the process that ingests, the one that writes registries,
and the guard that keeps this process, the hub's, out of the regions' files. It decides nothing.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from flwr.app import Message

from fedsov.artifact import Party
from fedsov.errors import FedsovError
from fedsov.hub.runtime import IngestRequest, RegionLinks, RunStart, take_arrived
from fedsov.label import PUBLIC, Label
from fedsov.ledger import known_keys
from fedsov.protocol.flower_messages import LOST, error_reply, pack, unpack
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.protocol.message_types import LARGEST_LABEL, largest_answer
from fedsov.protocol.read_answers import why_unreadable
from fedsov.protocol.signed_labels import LabelledAnswer, check_label
from fedsov.registry.values import RunRecord
from fedsov.runtimes import OnBytes
from fedsov.runtimes.file_guard import keep_out
from fedsov.runtimes.fork_server import TO_READ, TO_TRAIN, shared_fork_server
from fedsov.runtimes.frame_stream import FrameLimit, FrameStream
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.runtimes.ingestion_request import answer_of, report_from_json, request_to_json
from fedsov.runtimes.region_starts import region_starts
from fedsov.runtimes.registry_connection import RunRegistry
from fedsov.serialization import to_plain
from fedsov.storage.workspace import Workspace


class InProcess:
    """The runtime of one run over a held workspace (`fedsov.hub.runtime.Runtime`)."""

    def __init__(self, workspace: Workspace, *, trains: bool = True, on_bytes: OnBytes | None = None) -> None:
        self._workspace, self._trains, self._on_bytes = workspace, trains, on_bytes
        self._opened = ExitStack()
        self._fork_server = self._opened.enter_context(shared_fork_server(TO_TRAIN if trains else TO_READ))
        self._opened.enter_context(keep_out(workspace.regions))
        self._links = ProcessLinks()
        self._opened.callback(self._links.close)
        self._registry = RunRegistry(workspace, self._opened, on_bytes)

    def ingest(self, request: IngestRequest) -> IngestionReport:
        """Has the ingestion process sort the source into the regions' stores, and waits for its report.

        Raises:
            InputError and the other errors of `fedsov.partition`, with the line that process wrote about the source.
        """
        asked = request_to_json(request, self._workspace)
        return report_from_json(answer_of(self._fork("ingestion"), asked))

    def connect(self, start: RunStart) -> RegionLinks:
        """Starts one process for each region; they open their stores while the hub goes on.

        The process that registers models is started too, where there will be any: its imports take a while.
        """
        self._links.believe(start.run, known_keys.believed_keys(self._workspace.hub, start.last_known_heads))
        for node, region_start in region_starts(start, self._workspace):
            connection = RegionConnection(node, region_start.region, self._fork("region"))
            self._links.add(connection)  # one by one: Ctrl-C here must find the sockets that are open
            self._links.begin(node, Frame(to_plain(region_start)))
        if self._trains:
            self._registry.begin()
        return self._links

    def register(self, owner: str, run: str, record: RunRecord | None = None) -> Sequence[tuple[str, int]]:
        """Has the registry of the hub or of a region written; names and versions of its models.

        Raises WorkspaceUnusable.
        """
        folder = self._workspace.hub if owner == "hub" else self._workspace.region(owner)
        return self._registry.record(folder, run, record)

    def close(self) -> None:
        """Closes all sockets, upon which the processes end."""
        self._opened.close()

    def _fork(self, role: str) -> FramedSocket:
        return self._fork_server.fork(role, self._on_bytes, hold=self._workspace.lock)


FRAME_SECONDS = 60.0
"""Seconds that the hub waits for the rest of an answer that has begun to come."""


@dataclass(slots=True)
class RegionConnection:
    """A region's process as the hub sees it: a party, a socket, and the messages that wait for it.

    `question` is the message that the region works on; None while it waits for one. `lost` is why nothing more is read
    of it; empty while it lives.
    """

    node: int
    party: Party
    socket: FramedSocket
    waiting: deque[tuple[Message, Label]] = field(default_factory=deque)
    question: Message | None = None
    lost: str = ""
    stream: FrameStream = field(init=False)

    def __post_init__(self) -> None:
        self.stream = FrameStream(self.socket)

    def fileno(self) -> int:
        return self.socket.fileno()


class ProcessLinks:
    """The sockets to all regions of a run (`fedsov.hub.runtime.RegionLinks`). Each region answers one at a time.

    Nothing here waits for one region alone, and whatever one sends costs it its own socket: its process ends, and each
    question to it is answered with the reason.

    Args:
        frame_seconds: how long the rest of an answer is waited for that has begun to come.
    """

    def __init__(self, frame_seconds: float = FRAME_SECONDS) -> None:
        self.parties: dict[int, Party] = {}
        self._frame_seconds = frame_seconds
        self._connections: dict[int, RegionConnection] = {}
        self._run, self._verify_keys = "", dict[str, bytes]()
        self._arrived: list[tuple[Message, Label]] = []

    def add(self, connection: RegionConnection) -> None:
        """One more region."""
        self._connections[connection.node] = connection
        self.parties[connection.node] = connection.party

    def believe(self, run: str, verify_keys: Mapping[str, bytes]) -> None:
        """By which keys regions sign the labels of their updates in this run; where none is given, none is checked."""
        self._run, self._verify_keys = run, dict(verify_keys)

    def begin(self, node: int, start: Frame) -> None:
        """Tells a region's process what it is, before any message."""
        connection = self._connections[node]
        connection.stream.queue(start)
        self._write(connection)

    def close(self) -> None:
        """Closes every socket."""
        for connection in self._connections.values():
            connection.socket.close()

    def send(self, message: Message, label: Label) -> None:
        """Queues a message for its region; what it carries is bound by the label."""
        connection = self._connections[message.metadata.dst_node_id]
        connection.waiting.append((message, label))
        self._feed(connection)

    def poll(self, seconds: float) -> Iterable[tuple[Message, Label]]:
        """Waits up to `seconds` for any region to answer; the replies that have come."""
        return take_arrived(self._arrived, self._exchange, seconds)

    def _exchange(self, seconds: float) -> bool:
        """Waits up to `seconds` for any socket, and gives and takes what it can; False where nothing is under way."""
        living = [each for each in self._connections.values() if not each.lost]
        asked = [each for each in living if each.question is not None]
        writing = [each for each in living if each.stream.is_writing]
        if not asked and not writing:
            return False
        begun, since = [each for each in asked if each.stream.is_reading], time.monotonic()
        readable, writable, _ = select.select(asked, writing, [], seconds)
        for connection in begun:
            connection.stream.waited += time.monotonic() - since
        for connection in writable:
            self._write(connection)
        for connection in asked:
            if connection in begun or connection in readable:
                self._take(connection)
        return True

    def _write(self, connection: RegionConnection) -> None:
        try:
            connection.stream.write()
        except ConnectionClosed:
            self._lose(connection, "RegionProcessEnded")

    def _feed(self, connection: RegionConnection) -> None:
        while connection.waiting and connection.question is None:
            message, label = connection.waiting.popleft()
            if connection.lost:
                self._answer_lost(message, connection.lost)
                continue
            connection.question = message
            connection.stream.queue(Frame({"label": label.to_json()}, pack(message)))
            self._write(connection)

    def _take(self, connection: RegionConnection) -> None:
        """Takes what has come of a region's reply. One that answers another question, or makes no sense, is none."""
        question = connection.question
        if question is None or connection.lost:
            return
        limit = largest_answer(question)
        try:
            frame = connection.stream.read(FrameLimit(LARGEST_LABEL, limit.together, self._frame_seconds))
            if frame is None:
                return
            reply, label = unpack(frame.body, limit), Label.from_json(frame.header["label"])
            if not _answers(reply, question):
                raise FedsovError("it answers another question, or for another region")
            if self._verify_keys and reply.has_content() and reply.content.array_records:
                self._check_label(connection, frame, label)
        except ConnectionClosed:
            self._lose(connection, "RegionProcessEnded")
        except Exception as problem:  # boundary: whatever one region sends costs that region alone
            self._lose(connection, why_unreadable(problem))
        else:
            connection.question = None
            self._arrived.append((reply, label))
            self._feed(connection)

    def _check_label(self, connection: RegionConnection, frame: Frame, label: Label) -> None:
        """Raises LabelUnsigned where the region did not sign the label of its update."""
        name, question = connection.party.name, connection.question
        labelled = LabelledAnswer(self._run, name, question.metadata.message_id if question else "", frame.body, label)
        check_label(labelled, frame.header.get("signature"), self._verify_keys.get(name))

    def _lose(self, connection: RegionConnection, why: str) -> None:
        question, connection.question, connection.lost = connection.question, None, why
        connection.socket.close()
        if question is not None:
            self._answer_lost(question, why)
        self._feed(connection)

    def _answer_lost(self, question: Message, why: str) -> None:
        self._arrived.append((error_reply(question, LOST, why), PUBLIC))


def _answers(reply: Message, question: Message) -> bool:
    """True where a reply names the question and the node that was asked."""
    named = (reply.metadata.reply_to_message_id, reply.metadata.src_node_id)
    return named == (question.metadata.message_id, question.metadata.dst_node_id)
