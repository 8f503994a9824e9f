"""The in-process runtime: one long-lived child process per region, connected by sockets."""

from __future__ import annotations

import select
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flwr.app import Message

from fedsov.artifact import Party
from fedsov.errors import FedsovError, InputError
from fedsov.hub.gated_grid import HUB_NODE
from fedsov.hub.region_errors import error_by_name
from fedsov.label import PUBLIC, Label
from fedsov.ledger.proofs import noted_heads
from fedsov.protocol.flower_messages import LOST, error_reply, pack, unpack
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.protocol.job import RegionStart
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.serialization import to_plain

if TYPE_CHECKING:
    from fedsov.hub.run import HubRun


def ingest_rows(scene: HubRun, *, again: bool = False) -> IngestionReport:
    """Has the ingestion process sort the source into the regions' stores, and waits for its report.

    Args:
        again: writes the stores anew even where they are up to date.

    Raises:
        InputError and the other errors of `fedsov.partition`, with the line that process wrote about the source.
    """
    line = scene.warm.fork("ingestion", scene.tap, hold=scene.workspace.lock)
    request: dict[str, Any] = {
        "config": dict(scene.settings.plain),
        "run": scene.run,
        "again": again,
    }
    request["config"]["workspace"] = str(scene.workspace.root)
    try:
        line.send(Frame(request))
        said = line.receive().header
    except ConnectionClosed as error:
        raise InputError("the ingestion process ended early; is there memory enough for the source?") from error
    finally:
        line.close()
    if "error" in said:
        raise error_by_name(said["type"], said["error"])
    scene.ingested = IngestionReport(
        rows_in=said["rows_in"],
        stored=said["stored"],
        quarantined=said["quarantined"],
        kinds=said["kinds"],
        up_to_date=said["up_to_date"],
        regions={one["name"]: Party.from_json(one) for one in said["regions"]},
        public_keys={one["name"]: one["public_key"] for one in said["regions"]},
        stores=said["stores"],
    )
    return scene.ingested


def open_regions(scene: HubRun) -> None:
    """Starts one process for each region; they open their stores while the hub goes on."""
    if scene.ingested is None:
        raise FedsovError("rows are ingested before regions are opened")
    scene.noted = noted_heads(scene.gate.ledger)
    scene.nodes = {name: HUB_NODE + 1 + place for place, name in enumerate(sorted(scene.ingested.regions))}
    for name, node in scene.nodes.items():  # one by one: Ctrl-C here must find the lines that are open
        scene.board.lines[node] = start_region(scene, name, node)


def start_region(scene: HubRun, name: str, node: int) -> RegionConnection:
    """A process for a region (its first, or another beside it), told its brief."""
    if scene.ingested is None:
        raise FedsovError("rows are ingested before regions are opened")
    party = scene.ingested.regions[name]
    line: FramedSocket = scene.warm.fork("region", scene.tap, hold=scene.workspace.lock)
    line.send(Frame(to_plain(replace(_brief(scene, party), beside=node != scene.nodes[name]))))
    return RegionConnection(node, party, line)


def _brief(scene: HubRun, party: Party) -> RegionStart:
    from fedsov.hub.run import training_job

    settings, ingested = scene.settings, scene.ingested
    peers = {} if ingested is None else {name: one for name, one in ingested.regions.items() if name != party.name}
    return RegionStart(
        region=party,
        hub=scene.gate.owner,
        folder=scene.workspace.region(party.name),
        run=scene.run,
        job=training_job(settings),
        evidence=_absolute(settings.border.evidence),
        rules=_absolute(settings.border.rules),
        unsafe=settings.border.unsafe_open,
        today=settings.today,
        days_per_round=settings.days_per_round,
        sums=settings.sums,
        peers=peers,
        noted=scene.noted.get(party.name),
        peer_keys={} if ingested is None else {name: ingested.public_keys[name] for name in peers},
    )


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.resolve()


@dataclass(slots=True)
class RegionConnection:
    """A region's process as the hub sees it: a party, a line, and the messages that wait for it."""

    node: int
    party: Party
    line: FramedSocket
    waiting: deque[tuple[Message, Label]] = field(default_factory=deque)
    asked: Message | None = None
    lost: bool = False


class ProcessLinks:
    """All the lines of a run. It moves frames, and alone knows which answer belongs to which question."""

    def __init__(self, lines: Iterable[RegionConnection]) -> None:
        self.lines = {line.node: line for line in lines}
        self.answers: dict[str, tuple[Message, Label]] = {}

    def party(self, node: int) -> Party:
        """The party at a node."""
        return self.lines[node].party

    def ask(self, message: Message, label: Label) -> None:
        """Queues a message for its region; what it carries is bound by the label."""
        line = self.lines[message.metadata.dst_node_id]
        line.waiting.append((message, label))
        self._feed(line)

    def turn(self, seconds: float) -> None:
        """Waits up to `seconds` for any region to answer, and takes what came."""
        busy = [line for line in self.lines.values() if line.asked is not None and not line.lost]
        ready, _, _ = select.select([line.line for line in busy], [], [], seconds) if busy else ([], [], [])
        for line in busy:
            if line.line in ready:
                self._take(line)

    def _feed(self, line: RegionConnection) -> None:
        while line.waiting and line.asked is None:
            message, label = line.waiting.popleft()
            if line.lost:
                self.answer(message, error_reply(message, LOST, "RegionProcessEnded"), PUBLIC)
                continue
            line.asked = message
            try:
                line.line.send(Frame({"label": label.to_json()}, pack(message)))
            except ConnectionClosed:
                self._lose(line)

    def _take(self, line: RegionConnection) -> None:
        try:
            frame = line.line.receive()
            reply, label = unpack(frame.body), Label.from_json(frame.header["label"])
        except (ConnectionClosed, KeyError, ValueError, TypeError, struct.error):  # gone, or no longer making sense
            self._lose(line)
            return
        asked, line.asked = line.asked, None
        if asked is not None:
            self.answer(asked, reply, label)
        self._feed(line)

    def _lose(self, line: RegionConnection) -> None:
        asked, line.asked, line.lost = line.asked, None, True
        if asked is not None:
            self.answer(asked, error_reply(asked, LOST, "RegionProcessEnded"), PUBLIC)
        self._feed(line)

    def answer(self, asked: Message, reply: Message, label: Label) -> None:
        """Notes the answer to a question, from a region or in its place."""
        self.answers[asked.metadata.message_id] = (reply, label)
