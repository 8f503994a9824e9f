"""An open run at the hub, with its real gate, ledger and checkpoints, over regions that answer as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedsov.artifact import Party
from fedsov.config.hub_settings import hub_settings
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import Settings, settings
from fedsov.hub.run import HubRun, open_run
from fedsov.hub.runtime import IngestRequest, RegionLinks, RunStart
from fedsov.hub.settings import HubSettings
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import continuation
from fedsov.model.features import Statistics
from fedsov.protocol.flower_messages import FAILED, error_reply, identify, new_id, pack, unpack
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.registry.values import RunRecord

NAMES = ("DE", "FR", "US")
Reply = RecordDict | str | None
"""What a region answers: records, the name of an error, or nothing at all."""
Answer = Callable[[str, Message], Reply]


@cache
def _composed(*words: str) -> Settings:
    return settings(compose(["border=unsafe_open", "today=2026-11-23", "federation.rounds=2", *words]))


def text(name: str, value: Any) -> RecordDict:
    """A record of one JSON text, as regions answer questions."""
    return RecordDict({name: ConfigRecord({"json": json.dumps(value)})})


def profile(name: str, rows: int = 600) -> dict[str, Any]:
    """What a region says of its rows."""
    label = Label(frozenset({name}), frozenset({"personal"}))
    return {"rows": rows, "public": 0, "shareable": rows, "classes": 2, "label": label.to_json()}


def statistics() -> dict[str, Any]:
    """What a region says of one numeric column."""
    columns = {"age": np.arange(40.0)}
    return Statistics.from_records(columns, {"age": "numeric"}).to_json()


def result(**changes: Any) -> dict[str, Any]:
    """What a region says of the model that it ends with."""
    scores = dict.fromkeys(("score", "local_score", "gain", "gain_se", "validation_score"))
    return {**scores, "test_rows": 100, "selected": "federated", **changes}


def update(message: Message, step: float, rows: int = 100) -> RecordDict:
    """The model that came, each number moved by a step."""
    model = next(iter(message.content.array_records.values()))
    arrays = ArrayRecord({name: Array(array.numpy() + np.float32(step)) for name, array in model.items()})
    metrics = MetricRecord({"num-examples": rows, "loss": 0.5, "score": 0.7})
    return RecordDict({"arrays": arrays, "metrics": metrics})


@dataclass
class World:
    """A runtime, and its links, whose regions answer at once; `starts` and `messages` are all that they were told."""

    folder: Path
    answers: Mapping[str, Answer] = field(default_factory=dict)
    names: Sequence[str] = NAMES
    starts: list[RunStart] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    registered: list[tuple[str, str, RunRecord | None]] = field(default_factory=list)
    parties: dict[int, Party] = field(default_factory=dict)
    arrived: list[tuple[Message, Label]] = field(default_factory=list)
    closed: int = 0

    def ingest(self, request: IngestRequest) -> IngestionReport:
        regions = {name: Party(name, name, f"Example {name}") for name in self.names}
        return IngestionReport(9, 9, {}, {"age": "numeric"}, False, regions, dict.fromkeys(self.names, "00"), {})

    def connect(self, start: RunStart) -> RegionLinks:
        self.starts.append(start)
        self.parties |= {node: start.regions[name] for name, node in start.nodes.items()}
        return self

    def register(self, owner: str, run: str, record: RunRecord | None = None) -> list[tuple[str, int]]:
        self.registered.append((owner, run, record))
        return [(f"model of {owner}", 1)]

    def close(self) -> None:
        self.closed += 1

    def send(self, message: Message, label: Label) -> None:
        received = unpack(pack(message))
        self.messages.append(received)
        self.labels.append(label)
        name = self.parties[message.metadata.dst_node_id].name
        reply = self._reply(name, received)
        if reply is None:
            return
        if isinstance(reply, str):
            self.arrived.append((error_reply(received, FAILED, reply), PUBLIC))
            return
        answered = Message(reply, reply_to=received)
        identify(answered, new_id())
        self.arrived.append((answered, Label(frozenset({name}), frozenset({"personal"}))))

    def poll(self, seconds: float) -> list[tuple[Message, Label]]:
        arrived, self.arrived = self.arrived, []
        return arrived

    def _reply(self, name: str, message: Message) -> Reply:
        kind = message.metadata.message_type
        if kind in self.answers:
            return self.answers[kind](name, message)
        return _ordinary(self.folder, name, message)

    def kinds(self, kind: str) -> list[Message]:
        """All messages of a kind."""
        return [message for message in self.messages if message.metadata.message_type == kind]


def _ordinary(folder: Path, name: str, message: Message) -> Reply:
    """What a region answers that nothing is wrong with."""
    match message.metadata.message_type:
        case "query.profile":
            return text("profile", profile(name))
        case "query.statistics":
            return text("statistics", statistics())
        case "query.privacy":
            return text("privacy", {"fits": True})
        case "query.finish":
            return text("metrics", result(score=0.75))
        case "train":
            return update(message, {"DE": 1.0, "FR": 2.0}.get(name, 3.0))
        case "query.ledger":
            return text("ledger", {**ledger_of(folder, name), "permitted": 1, "refused": 0, "refusals": []})
        case _:
            return RecordDict()


def ledger_of(folder: Path, name: str) -> dict[str, Any]:
    """A region's ledger head, signed by its own key."""
    ledger = Ledger(folder / "ledgers" / name / "ledger.sqlite", name)
    ledger.append({"act": "note", "note": {}})
    head = continuation(ledger, None)
    ledger.close()
    return head


@contextmanager
def connected(world: World, *words: str, lines: list[str] | None = None) -> Iterator[HubRun]:
    """An open run whose regions are connected."""
    with open_run(hub(world.folder, *words), lambda _: world, progress=(lines or []).append) as run:
        if lines is not None:
            run.progress = lines.append
        run.ingested = run.runtime.ingest(IngestRequest(run.settings.plain, run.name))
        run.connect()
        yield run


def hub(folder: Path, *words: str) -> HubSettings:
    """A hub's settings over a workspace in a folder."""
    return replace(hub_settings(_composed(*words)), workspace=folder / "w")
