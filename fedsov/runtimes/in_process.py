"""The in-process runtime: every region in a long-lived process of its own on this machine, connected by sockets.

It owns what belongs to that: the fork server, the sockets, the process that ingests, the one that writes registries,
and the guard that keeps this process, the hub's, out of the regions' files. It decides nothing.
"""

from __future__ import annotations

import select
import struct
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from flwr.app import Message

from fedsov.artifact import Party
from fedsov.errors import FedsovError, InputError
from fedsov.hub.region_errors import error_by_name
from fedsov.hub.runtime import IngestRequest, RegionLinks, RunStart
from fedsov.label import PUBLIC, Label
from fedsov.protocol.flower_messages import LOST, error_reply, pack, unpack
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.registry.values import RunRecord
from fedsov.runtimes import OnBytes
from fedsov.runtimes.file_guard import keep_out
from fedsov.runtimes.fork_server import TO_READ, TO_TRAIN, shared_fork_server
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.runtimes.ingestion_request import report_from_json, request_to_json
from fedsov.runtimes.region_starts import region_starts
from fedsov.runtimes.registry_connection import RegistryConnection, open_registry
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
        self._registry: RegistryConnection | None = None

    def ingest(self, request: IngestRequest) -> IngestionReport:
        """Has the ingestion process sort the source into the regions' stores, and waits for its report.

        Raises:
            InputError and the other errors of `fedsov.partition`, with the line that process wrote about the source.
        """
        connection = self._fork("ingestion")
        try:
            connection.send(Frame(request_to_json(request, self._workspace)))
            report = connection.receive().header
        except ConnectionClosed as error:
            raise InputError("the ingestion process ended early; is there memory enough for the source?") from error
        finally:
            connection.close()
        if "error" in report:
            raise error_by_name(report["type"], report["error"])
        return report_from_json(report)

    def connect(self, start: RunStart) -> RegionLinks:
        """Starts one process for each region; they open their stores while the hub goes on.

        The process that registers models is started too, where there will be any: its imports take a while.
        """
        for node, region_start in region_starts(start, self._workspace):
            connection = RegionConnection(node, region_start.region, self._fork("region"))
            self._links.add(connection)  # one by one: Ctrl-C here must find the sockets that are open
            connection.socket.send(Frame(to_plain(region_start)))
        if self._trains and self._registry is None:
            registry = open_registry(hold=self._workspace.lock, on_bytes=self._on_bytes)
            self._registry = self._opened.enter_context(registry)
        return self._links

    def register(self, owner: str, run: str, record: RunRecord | None = None) -> Sequence[tuple[str, int]]:
        """Has the registry of the hub or of a region written; names and versions of its models.

        Raises WorkspaceUnusable.
        """
        if self._registry is None:
            raise FedsovError("models are registered by a run that trains, after its regions are connected")
        folder = self._workspace.hub if owner == "hub" else self._workspace.region(owner)
        return self._registry.record(folder, run, record)

    def close(self) -> None:
        """Closes all sockets, upon which the processes end."""
        self._opened.close()

    def _fork(self, role: str) -> FramedSocket:
        return self._fork_server.fork(role, self._on_bytes, hold=self._workspace.lock)


@dataclass(slots=True)
class RegionConnection:
    """A region's process as the hub sees it: a party, a socket, and the messages that wait for it.

    `question` is the message that the region works on; None while it waits for one. `lost`: its process is gone.
    """

    node: int
    party: Party
    socket: FramedSocket
    waiting: deque[tuple[Message, Label]] = field(default_factory=deque)
    question: Message | None = None
    lost: bool = False


class ProcessLinks:
    """The sockets to all regions of a run (`fedsov.hub.runtime.RegionLinks`). Each region answers one at a time."""

    def __init__(self) -> None:
        self.parties: dict[int, Party] = {}
        self._connections: dict[int, RegionConnection] = {}
        self._arrived: list[tuple[Message, Label]] = []

    def add(self, connection: RegionConnection) -> None:
        """One more region."""
        self._connections[connection.node] = connection
        self.parties[connection.node] = connection.party

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
        busy = [each for each in self._connections.values() if each.question is not None and not each.lost]
        wait = 0.0 if self._arrived else seconds
        ready, _, _ = select.select([each.socket for each in busy], [], [], wait) if busy else ([], [], [])
        for connection in busy:
            if connection.socket in ready:
                self._take(connection)
        arrived, self._arrived = self._arrived, []
        return arrived

    def _feed(self, connection: RegionConnection) -> None:
        while connection.waiting and connection.question is None:
            message, label = connection.waiting.popleft()
            if connection.lost:
                self._answer_lost(message)
                continue
            connection.question = message
            try:
                connection.socket.send(Frame({"label": label.to_json()}, pack(message)))
            except ConnectionClosed:
                self._lose(connection)

    def _take(self, connection: RegionConnection) -> None:
        """Takes a region's reply. One that does not answer the question, or makes no sense, is as good as none."""
        try:
            frame = connection.socket.receive()
            reply, label = unpack(frame.body), Label.from_json(frame.header["label"])
        except (ConnectionClosed, KeyError, ValueError, TypeError, struct.error):
            self._lose(connection)
            return
        if connection.question is None or not _answers(reply, connection.question):
            self._lose(connection)
            return
        connection.question = None
        self._arrived.append((reply, label))
        self._feed(connection)

    def _lose(self, connection: RegionConnection) -> None:
        question, connection.question, connection.lost = connection.question, None, True
        if question is not None:
            self._answer_lost(question)
        self._feed(connection)

    def _answer_lost(self, question: Message) -> None:
        self._arrived.append((error_reply(question, LOST, "RegionProcessEnded"), PUBLIC))


def _answers(reply: Message, question: Message) -> bool:
    """True where a reply names the question and the node that was asked."""
    named = (reply.metadata.reply_to_message_id, reply.metadata.src_node_id)
    return named == (question.metadata.message_id, question.metadata.dst_node_id)
