"""A region's own process: its keys, its store, its ledger, and the one door out of it.

The process is told its brief (`RegionBrief`), opens what is its own, and answers Flower messages with the ClientApp
that is installed here. Whatever the app answers goes through the region's `Door` before it reaches the line: each
record becomes an artifact bound by the label of the rows it came from and of the model that came in, and is decided,
recorded and only then sent. An exception leaves as the name of its type; its text stays in the region's own log.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fedsov.artifact import Artifact, Kind
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.gate import Gate
from fedsov.border.people_counts import PeopleCounter
from fedsov.errors import BudgetBroken, BudgetExceeded, CheckpointDamaged, FedsovError, LedgerBroken, SumRefused
from fedsov.keys import open_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.label import PUBLIC, Label
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import accepted, continuation, noted_heads
from fedsov.ledger.signed_head import Head
from fedsov.partition.store import Store
from fedsov.privacy.budget import Budget, BudgetHead
from fedsov.protocol.flower_messages import (
    FAILED,
    OTHER_VERSION,
    REFUSED,
    config_of,
    day_round_of,
    error_reply,
    identify,
    new_id,
    pack,
    round_of,
    unpack,
)
from fedsov.protocol.job import RegionStart
from fedsov.protocol.message_types import version_fault
from fedsov.protocol.secure_sum_messages import MASK
from fedsov.region import run_record
from fedsov.region.client_app import client_app
from fedsov.region.journal import OWN_KEPT, Journal, OwnStates, Released
from fedsov.region.outbound import Outbound, RedactedErrors, open_sealed_rows
from fedsov.region.private_run import BUDGET_FILE as BUDGET
from fedsov.region.private_run import PrivateRun, noted_head
from fedsov.region.secure_sum_member import STEPS, SecureSumMember
from fedsov.region.session import Session
from fedsov.runtimes.framed_socket import Frame
from fedsov.storage.workspace import is_there

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp


@dataclass(frozen=True, slots=True)
class OpenRegion:
    """An opened region: what its process holds; `member` is its part in secure sums, where it takes one.

    `journal` is what it remembers of the run from process to process.
    """

    brief: RegionStart
    door: Outbound
    app: ClientApp
    context: Context
    member: SecureSumMember | None = None
    journal: Journal = field(default_factory=Journal)

    def on_the_day_of(self, message: Message) -> OpenRegion:
        """The same region, deciding on the day of the message's round."""
        gate = self.brief.calendar().at(self.door.gate, day_round_of(message))
        return replace(self, door=replace(self.door, gate=gate))


def _open(brief: RegionStart) -> OpenRegion:
    path = brief.folder / "ledger.sqlite"
    if brief.noted is not None and not is_there(path):
        raise LedgerBroken("this region's ledger is gone, though the hub noted its head")
    ledger = Ledger(path, brief.region.name)
    with ExitStack() as undo:
        undo.callback(ledger.close)
        home = _opened_with(ledger, brief)
        undo.pop_all()
    return home


def _opened_with(ledger: Ledger, brief: RegionStart) -> OpenRegion:
    ledger.verify()
    if brief.noted is not None and not ledger.contains(Head.from_json(brief.noted)):
        raise LedgerBroken("this ledger does not continue the one whose head the hub noted: it was cut or rewritten")
    work = brief.job
    keys = open_keys(KeySettings(brief.region.name, brief.folder))
    records = Store.open(brief.folder / "store" / work.dataset, keys).read()
    session = Session(records, work, brief.folder)
    gate = Gate(
        brief.region,
        bundle=brief.bundle(),
        evidence=LiveRegister(brief.evidence, ledger),
        ledger=ledger,
        run=brief.run,
        today=brief.calendar().day,
        tally=PeopleCounter(ledger),
    )
    context = Context(run_id=1, node_id=2, node_config={}, state=RecordDict(), run_config={})
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 2, 1
    journal = Journal.open(brief.folder, brief.run)
    session.private = _private(brief, session, gate, journal)
    if not brief.beside:
        session.received = Label.from_json(journal.said["received"]) if "received" in journal.said else PUBLIC
        session.rounds = [(name, value, number) for name, value, number in journal.said.get("rounds", ())]
        if journal.folder is not None:
            session.own = _own_states(journal, journal.folder, session, _rounds_that_left(ledger, brief.run))
    app = client_app(session, lambda sealed: open_sealed_rows(keys, sealed))
    return OpenRegion(brief, Outbound(brief, gate, session), app, context, _member(brief, journal, keys), journal)


def _own_states(journal: Journal, folder: Path, session: Session, left: set[int]) -> OwnStates:
    """What stays in the region. Raises CheckpointDamaged where it is older than the rounds that left, or gone."""
    states = OwnStates(journal, folder, OWN_KEPT + session.work.patience)
    if session.work.training.keeps_state and left and states.newest("shareable") <= max(left):
        raise CheckpointDamaged("the ledger knows of later rounds than the run's journal: it was lost or put back")
    return states


def _member(brief: RegionStart, journal: Journal, keys: RegionKeys) -> SecureSumMember | None:
    if brief.sums is None:
        return None
    known = known_keys.read_keys(brief.folder)
    frozen = brief.job.recipe.frozen
    return SecureSumMember(brief.region.name, brief.run, keys.sign, known, brief.sums, journal=journal, frozen=frozen)


def _private(brief: RegionStart, session: Session, gate: Gate, journal: Journal) -> PrivateRun | None:
    """The run's draw on this region's budget, where privacy is asked for. Raises BudgetBroken, ConfigurationError."""
    asked = session.work.privacy
    if asked is None:
        return None
    lifetime = (asked.lifetime_epsilon, asked.delta_for(len(session.records)))
    budget = Budget.open(brief.folder / BUDGET, lifetime=lifetime, last_known_head=noted_head(gate.ledger))

    def note(head: BudgetHead, report: dict[str, Any]) -> None:
        gate.note({"privacy": {"head": head._asdict(), "report": report}})

    dataset, memory = session.work.dataset, Released(journal)
    private = PrivateRun(asked, budget, session.extent(), run=brief.run, dataset=dataset, note=note, memory=memory)
    if len(_rounds_that_left(gate.ledger, brief.run)) > private.answered:
        raise BudgetBroken("the ledger knows of more private rounds than the run's journal: it was lost or put back")
    return private


def _rounds_that_left(ledger: Ledger, run: str) -> set[int]:
    """The rounds of a run in which an update that is bound left this region."""
    bodies = [entry.body for entry in ledger.entries(run) if entry.body["act"] == "cross"]
    return {
        body["round"]
        for body in bodies
        if body["kind"] == Kind.UPDATE and body["verdict"] == "permit" and body["origins"] and body["round"]
    }


def _answer(home: OpenRegion, frame: Frame) -> Frame:
    """One message in, one frame out: what passed the door, or the name of what went wrong."""
    message = unpack(frame.body)
    if fault := version_fault(message, home.brief.region.name):
        return Frame({"label": PUBLIC.to_json()}, pack(error_reply(message, OTHER_VERSION, fault)))
    home = home.on_the_day_of(message)
    held = RedactedErrors()
    with held:
        TaskIdentity.node_id = home.context.node_id = message.metadata.dst_node_id
        reply, label = _replied(home, message, Label.from_json(frame.header["label"]))
        identify(reply, new_id())
        return Frame({"label": label.to_json()}, pack(reply))
    return Frame({"label": PUBLIC.to_json()}, pack(_failure(home, message, held.name or "Exception")))


def _replied(home: OpenRegion, message: Message, incoming: Label) -> tuple[Message, Label]:
    own = OWN_ANSWERS.get(message.metadata.message_type)
    if own is not None:
        return own(home, message), PUBLIC
    session = home.door.session
    session.received |= incoming  # whatever is made here later may be made from this too
    home.door.scope(message)  # a question about rows that no answer may be about is not even worked on
    if home.brief.beside:
        _only_beside(message)
    else:
        home.journal.note(received=session.received.to_json())
    reply = _worked(home, message)
    if message.metadata.message_type in TRAINS:
        session.rounds = home.journal.rounds(session.rounds)
    if (
        message.metadata.message_type == "query.finish"
    ):  # the model is the region's, whether or not its scores may leave
        run_record.write(home.brief, home.door.session, incoming, home.door.gate.ledger, config_of(message))
    return home.door.pass_through(message, reply, incoming)


TRAINS = ("train", MASK)


def _only_beside(message: Message) -> None:
    """Raises FedsovError for what the region's first process alone answers: it remembers what it answered before."""
    if message.metadata.message_type != "query.synthesise":
        raise FedsovError("a region's second process makes synthetic rows and nothing else")


def _worked(home: OpenRegion, message: Message) -> Message:
    """What the app answers, or this region's part in a secure sum: masked before anything else sees it."""
    if message.metadata.message_type not in STEPS:
        return home.app(message, home.context)
    if home.member is None:
        raise SumRefused("this region was not asked to take part in secure sums when the run began")
    return home.member.answer(message, lambda plain: home.app(plain, home.context))


def _propose(home: OpenRegion, message: Message) -> Message:
    """Decides about crossings that the plan would need, and writes down the answers: a refusal is an entry too.

    The question may add the label of a model that the crossing would be made from as well; it cannot take any away.
    """
    session, brief, config = home.door.session, home.brief, config_of(message)
    asked = {(str(kind), str(target)) for kind, target in json.loads(str(config["crossings"]))}
    beside = Label.from_json(json.loads(str(config["label"]))) if "label" in config else PUBLIC
    label, people = session.label("shareable") | session.received | beside, session.people("shareable", "train")
    for kind, target in sorted(asked):
        artifact = Artifact(Kind(kind), label, count=people, name=f"planned {kind}")
        party = brief.hub if target == brief.hub.name else brief.peers[target]
        home.door.gate.refuse(artifact, party, round=round_of(message))
    return Message(RecordDict(), reply_to=message)


def _ready(home: OpenRegion, message: Message) -> Message:
    """That this region's ledger, keys and store could be opened; nothing of them is said, so nothing crosses."""
    return Message(RecordDict(), reply_to=message)


def _ledger(home: OpenRegion, message: Message) -> Message:
    """The ledger's head, and what this run's entries say of crossings. Nothing in it is personal: it is public.

    The hub's head, which comes with the question, is noted here where it is signed by the hub's key of the first time
    and proved to continue the head noted last; so does the hub with the one that is told.
    """
    ledger, hub = home.door.gate.ledger, home.brief.hub.name
    told, noted_head = config_of(message), noted_heads(ledger).get(hub)
    paths = json.loads(str(told.get("paths", "{}")))
    head = accepted(
        json.loads(str(told["head"])), noted_head, path=paths.get(str(noted_head["size"])) if noted_head else ()
    )
    home.door.gate.note({"heads": {hub: head.to_json()}})
    said = json.dumps(run_record.ledger_summary(ledger, home.brief.run) | continuation(ledger, home.brief.noted))
    artifact = Artifact(Kind.REPORT, PUBLIC, said.encode(), name="ledger head and refusals")
    home.door.gate.cross(artifact, home.brief.hub)
    return Message(RecordDict({"ledger": ConfigRecord({"json": said})}), reply_to=message)


def _privacy(home: OpenRegion, message: Message) -> Message:
    """What the run would cost here, or why it does not fit; nothing is spent. It stands on counts of rows alone."""
    private = home.door.session.private
    try:
        said = {"fits": True, **(private.price() if private else {})}
    except BudgetExceeded as error:
        said = {"fits": False, "why": str(error)}
    text = json.dumps(said)
    home.door.gate.cross(Artifact(Kind.REPORT, PUBLIC, text.encode(), name="privacy budget"), home.brief.hub)
    return Message(RecordDict({"privacy": ConfigRecord({"json": text})}), reply_to=message)


OWN_ANSWERS = {"query.ready": _ready, "query.privacy": _privacy, "query.propose": _propose, "query.ledger": _ledger}
"""Questions that the worker answers itself, from its gate and ledger; these it has decided about already."""


def _failure(home: OpenRegion, message: Message, name: str) -> Message:
    """The error reply: the type's name, itself an artifact that the gate decides about."""
    code = REFUSED if name == "Refused" else FAILED
    held = RedactedErrors()
    with held:
        artifact = Artifact(
            Kind.ERROR, home.door.session.label("all"), name.encode(), name="name of an exception's type"
        )
        home.door.gate.cross(artifact, home.brief.hub, round=round_of(message))
        return error_reply(message, code, name)
    return error_reply(message, REFUSED, "Refused")
