"""A region's own process: its keys, its store, its ledger, and the one door out of it.

The process is told its brief (`RegionBrief`), opens what is its own, and answers Flower messages with the ClientApp
that is installed here. Whatever the app answers passes this module before it reaches the line: every record of a
reply must be one that `EXPORTS` names for that message, becomes an artifact bound by the label of the rows it came
from and of the model that came in, and is decided, recorded and only then sent by the region's gate. An exception
leaves as the name of its type; its text stays in the region's own log.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fedsov.artifact import Artifact, Kind
from fedsov.border.gate import Gate, Refused
from fedsov.border.ledger import Head, Ledger
from fedsov.errors import FedsovError, LedgerBroken
from fedsov.federation import region_record
from fedsov.federation.brief import RegionBrief
from fedsov.federation.in_process import REFUSED, error_reply
from fedsov.federation.wire import Frame, Line, LineClosed, identify, new_id, pack, round_of, unpack
from fedsov.label import PUBLIC, Label
from fedsov.partition.keys import LocalKeyring, seal
from fedsov.partition.store import Store
from fedsov.training.client_app import client_app
from fedsov.training.session import Session
from fedsov.training.work import PARCELS, Work

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp

FAILED = 102

EXPORTS: Mapping[str, Mapping[str, tuple[Kind, str]]] = {
    "query.profile": {"profile": (Kind.METRICS, "all")},
    "query.statistics": {"statistics": (Kind.METRICS, "train")},
    "query.synthesise": {PARCELS: (Kind.SYNTHETIC, "train")},
    "query.finish": {"metrics": (Kind.METRICS, "test")},
    "train": {"arrays": (Kind.UPDATE, "train"), "metrics": (Kind.METRICS, "validation")},
}
"""What may leave, by message and record: its kind, and the part of the rows it was computed from.
A record that is not here does not leave, whoever wrote the app."""


class TypeNameOnly(AbstractContextManager["TypeNameOnly"]):
    """Holds back an exception: its type's name is all that can be known outside, its text goes to the region's log."""

    def __init__(self) -> None:
        self.name: str | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        self.name = kind.__name__
        traceback.print_exception(error)
        return True


@dataclass(frozen=True, slots=True)
class Home:
    """An opened region: what its process holds."""

    brief: RegionBrief
    gate: Gate
    session: Session
    keyring: LocalKeyring
    app: ClientApp
    context: Context


def run(line: Line) -> None:
    """The life of a region's process: open, answer until the line closes."""
    try:
        brief = RegionBrief.from_json(line.receive().header)
    except LineClosed:
        return
    _keep_to_itself(brief.folder)
    held = TypeNameOnly()
    with held:
        home = _open(brief)
    if held.name:
        _until_closed(line, held.name)
        return
    try:
        while True:
            line.send(_answer(home, line.receive()))
    except LineClosed:
        home.gate.ledger.close()


def _until_closed(line: Line, failure: str) -> None:
    """Answers every message of a region that could not be opened with the name of what went wrong."""
    while True:
        try:
            message = unpack(line.receive().body)
            line.send(Frame({"label": PUBLIC.to_json()}, pack(error_reply(message, FAILED, failure))))
        except LineClosed:
            return


def _keep_to_itself(folder: Path) -> None:
    """Sends all that this process prints to the region's own log; nothing reaches the caller's terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _open(brief: RegionBrief) -> Home:
    if brief.noted is not None and not (brief.folder / "ledger.sqlite").exists():
        raise LedgerBroken("this region's ledger is gone, though the hub noted its head")
    ledger = Ledger(brief.folder / "ledger.sqlite", brief.region.name)
    with ExitStack() as undo:
        undo.callback(ledger.close)
        home = _opened_with(ledger, brief)
        undo.pop_all()
    return home


def _opened_with(ledger: Ledger, brief: RegionBrief) -> Home:
    ledger.verify()
    if brief.noted is not None and not ledger.contains(Head(brief.noted["size"], brief.noted["digest"])):
        raise LedgerBroken("this ledger does not continue the one whose head the hub noted: it was cut or rewritten")
    work = Work.from_json(brief.work)
    keyring = LocalKeyring.open(brief.folder / "keyring.json", brief.region.name)
    records = Store.open(brief.folder / "store" / work.dataset, keyring).read()
    session = Session(records, work, brief.folder)
    gate = Gate(
        brief.region,
        bundle=brief.bundle(),
        evidence=brief.register(),
        ledger=ledger,
        run=brief.run,
        today=lambda: brief.today,
    )
    context = Context(run_id=1, node_id=2, node_config={}, state=RecordDict(), run_config={})
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 2, 1
    return Home(brief, gate, session, keyring, client_app(session, lambda sealed: _opened(keyring, sealed)), context)


def _answer(home: Home, frame: Frame) -> Frame:
    """One message in, one frame out; never an exception, never a record that was not decided upon."""
    message = unpack(frame.body)
    incoming = Label.from_json(frame.header["label"])
    TaskIdentity.node_id = home.context.node_id = message.metadata.dst_node_id
    held = TypeNameOnly()
    with held:
        reply = OWN_ANSWERS.get(message.metadata.message_type, _app_answer)(home, message)
        label = _export(home, message, reply, incoming)
        if message.metadata.message_type == "query.finish":
            region_record.write(home.brief, home.session, incoming, home.gate.ledger)
        identify(reply, new_id())
        return Frame({"label": label.to_json()}, pack(reply))
    return Frame({"label": PUBLIC.to_json()}, pack(_failure(home, message, held.name or "Exception")))


def _app_answer(home: Home, message: Message) -> Message:
    return home.app(message, home.context)


def _propose(home: Home, message: Message) -> Message:
    """Decides about the update that the plan would need, and records the answer: a refusal is an entry too."""
    artifact = Artifact(
        Kind.UPDATE,
        home.session.label("shareable"),
        count=home.session.people("shareable", "train"),
        name="planned update",
    )
    home.gate.refuse(artifact, home.brief.hub)
    return Message(RecordDict(), reply_to=message)


def _ready(home: Home, message: Message) -> Message:
    """That this region's ledger, keys and store could be opened; nothing of them is said, so nothing crosses."""
    return Message(RecordDict(), reply_to=message)


def _ledger(home: Home, message: Message) -> Message:
    """The ledger's head, and what this run's entries say of crossings. Nothing in it is personal: it is public."""
    said = json.dumps(region_record.ledger_summary(home.gate.ledger, home.brief.run))
    artifact = Artifact(Kind.REPORT, PUBLIC, said.encode(), name="ledger head and refusals")
    home.gate.cross(artifact, home.brief.hub)
    return Message(RecordDict({"ledger": ConfigRecord({"json": said})}), reply_to=message)


OWN_ANSWERS = {"query.ready": _ready, "query.propose": _propose, "query.ledger": _ledger}
"""Questions that the worker answers itself, from its gate and ledger; these it has decided about already."""


def _failure(home: Home, message: Message, name: str) -> Message:
    """The error reply: the type's name, itself an artifact that the gate decides about."""
    code = REFUSED if name == "Refused" else FAILED
    held = TypeNameOnly()
    with held:
        artifact = Artifact(Kind.ERROR, home.session.label("all"), name.encode(), name="name of an exception's type")
        home.gate.cross(artifact, home.brief.hub, round=round_of(message))
        return error_reply(message, code, name)
    return error_reply(message, REFUSED, "Refused")


def _export(home: Home, message: Message, reply: Message, incoming: Label) -> Label:
    """Passes every record of a reply through the gate; returns the label of what may now be sent.

    Raises:
        FedsovError: the reply holds a record that `EXPORTS` does not name.
        Refused: the gate refused one of them; then none is sent.
    """
    scope = str(dict(message.content.config_records.get("config", {})).get("scope", "all"))
    if message.metadata.message_type in OWN_ANSWERS:
        return PUBLIC
    label = home.session.label(scope) | incoming
    allowed = EXPORTS.get(message.metadata.message_type, {})
    for name, record in reply.content.items():
        if name not in allowed:
            raise FedsovError(f"record {name!r} is not one that leaves in answer to {message.metadata.message_type}")
        kind, part = allowed[name]
        if kind is Kind.SYNTHETIC:
            _seal(home, reply.content.config_records[name], label)
            continue
        content, shapes = _content(record)
        artifact = Artifact(kind, label, content, count=home.session.people(scope, part), name=name)
        home.gate.cross(artifact, home.brief.hub, round=round_of(message), details=shapes)
    return label


def _seal(home: Home, record: ConfigRecord, label: Label) -> None:
    """Rows for other regions: each a crossing of its own, sealed so that the hub relays what it cannot read."""
    for recipient in list(record):
        rows = cast(bytes, record.pop(recipient))
        artifact = Artifact(
            Kind.SYNTHETIC, label, rows, count=home.session.people("shareable", "train"), name="synthetic rows"
        )
        held = TypeNameOnly()
        with held:
            home.gate.cross(artifact, home.brief.peers[recipient])
            key = bytes.fromhex(home.brief.peer_keys[recipient])
            record[recipient] = seal(key, _labelled(label, rows), recipient)
        if held.name and held.name != Refused.__name__:
            raise FedsovError(f"rows could not be sealed for {recipient}")


def _labelled(label: Label, rows: bytes) -> bytes:
    head = json.dumps(label.to_json()).encode()
    return len(head).to_bytes(4, "big") + head + rows


def _opened(keyring: LocalKeyring, sealed: bytes) -> tuple[Label, bytes]:
    content = keyring.open_sealed(sealed, keyring.region)
    size = 4 + int.from_bytes(content[:4], "big")
    return Label.from_json(json.loads(content[4:size])), content[size:]


def _content(record: Any) -> tuple[bytes, Mapping[str, Any]]:
    """A record's bytes for the digest, and the names and shapes of its arrays for the ledger."""
    if hasattr(record, "to_numpy_ndarrays"):
        content = b"".join(array.data for array in record.values())
        return content, {name: list(array.shape) for name, array in record.items()}
    return json.dumps(dict(record), sort_keys=True, default=str).encode(), {}
