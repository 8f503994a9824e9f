"""A region at work: its keys, its store, its ledger, and the one way out of it.

`open_region` opens what is the region's own, as its start says (`fedsov.protocol.job.RegionStart`), and `answer`
answers one Flower message with the ClientApp that is installed here: this is all that a runtime needs of a region.
Whatever the app answers goes through the region's `Outbound` before it reaches a runtime: each record becomes an
artifact bound by the label of the rows it came from and of the model that came in, and is decided, recorded and only
then sent. An exception leaves as the name of its type; its text stays in the region's own log.

    region = open_region(start)
    reply, label = answer(region, message, label)
    region.close()
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flwr.app import ConfigRecord, Context, Message, RecordDict

from fedsov.artifact import BASE_MODEL, TRAINING, Artifact, Kind
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.gate import Gate
from fedsov.border.people_counts import PeopleCounter
from fedsov.errors import (
    CheckpointDamaged,
    FedsovError,
    JobRefused,
    LedgerBroken,
    SumRefused,
    WorkspaceUnusable,
)
from fedsov.keys.principals import TRAINER
from fedsov.keys.protocol import RegionKeys
from fedsov.label import PUBLIC, Label, Scope
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.partition.store import Store
from fedsov.privacy.secure_aggregation.protocol import Directory
from fedsov.protocol.flower_messages import (
    FAILED,
    HUB_NODE,
    OTHER_VERSION,
    REFUSED,
    RUN_ID,
    config_of,
    day_round_of,
    error_reply,
    identify,
    new_id,
    round_of,
)
from fedsov.protocol.job import Asked, RegionStart
from fedsov.protocol.message_types import FINISH, LEDGER, MESSAGE_TYPES, PRIVACY, PROPOSE, READY, TRAIN, version_fault
from fedsov.protocol.secure_sum_messages import MASK
from fedsov.region import labels_sent, own_answers, run_record
from fedsov.region.admission import Place, admit, admit_rows, refuse
from fedsov.region.answers.memory import Answers
from fedsov.region.answers.rare_origins import without_rare_origins
from fedsov.region.bench.tasks import THIS_PROCESS, Bench
from fedsov.region.client_app import client_app
from fedsov.region.journal import ROUNDS_KEPT, Journal, OwnStates, hold_alone
from fedsov.region.lifecycle.retention import in_use
from fedsov.region.outbound import Outbound, RedactedErrors, open_sealed_rows, withheld
from fedsov.region.people_budgets import open_private
from fedsov.region.secure_sum_member import STEPS, SecureSumMember
from fedsov.region.session import Session
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import split_key
from fedsov.region.trust import applications, hub_head, known_peers
from fedsov.region.trust.access import Opening, keys_for, open_store
from fedsov.region.trust.leaned_on import rewritten
from fedsov.storage.workspace import Workspace, is_there, ledger_of

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp


@dataclass(frozen=True, slots=True)
class OpenRegion:
    """An opened region; `member` is its part in secure sums, where it takes one.

    `journal` is what it remembers of the run from process to process. `lock` is the descriptor that makes it the one
    that answers for the region in this run; None for a second process.
    """

    start: RegionStart
    outbound: Outbound
    app: ClientApp
    context: Context
    member: SecureSumMember | None = None
    journal: Journal = field(default_factory=Journal)
    lock: int | None = None

    def on_the_day_of(self, message: Message) -> OpenRegion:
        """The same region, deciding on the day of the message's round."""
        gate = self.outbound.gate
        gate = self.start.asked.calendar(gate.ledger.today).at(gate, day_round_of(message))
        return replace(self, outbound=replace(self.outbound, gate=gate))

    def close(self) -> None:
        """Closes the bench and the ledger, and lets another process answer for the region."""
        self.outbound.session.bench.close()
        self.outbound.gate.ledger.close()
        if self.lock is not None:
            os.close(self.lock)


@dataclass(frozen=True, slots=True)
class ClosedRegion:
    """A region that could not be opened: it answers every message with what may be told of what went wrong."""

    failure: str

    def close(self) -> None:
        """Nothing is open."""


def open_region(start: RegionStart, *, bench: Bench = THIS_PROCESS) -> OpenRegion | ClosedRegion:
    """Opens a region; what goes wrong is told by name, its text is in the region's log. The bench runs model code."""
    redacted = RedactedErrors()
    with redacted, ExitStack() as undo:
        lock = None
        if not start.second_process:
            lock = hold_alone(start.folder, start.run)
            undo.callback(os.close, lock)
        region = replace(_open(start), lock=lock)
        region.outbound.session.bench = bench
        undo.pop_all()
        return region
    _note_closed(start, str(redacted.name))
    return ClosedRegion(redacted.told)


def _note_closed(start: RegionStart, error: str) -> None:
    """Notes that the region was not opened for a run, where the ledger is whole and does not say so yet."""
    path = ledger_of(start.folder)
    with RedactedErrors():
        if error != JobRefused.__name__ and is_there(path):
            with closing(Ledger(path, start.region.name)) as ledger:
                ledger.verify()
                ledger.note(withheld("a run's start", error), run=start.run)


def answer(region: OpenRegion | ClosedRegion, message: Message, label: Label) -> tuple[Message, Label]:
    """The reply to a message and what binds it: what passed the region's gate, or the name of what went wrong.

    Args:
        label: what binds the message.
    """
    if isinstance(region, ClosedRegion):
        return error_reply(message, FAILED, region.failure), PUBLIC
    if fault := version_fault(message, region.start.region.name):
        return error_reply(message, OTHER_VERSION, fault), PUBLIC
    region = region.on_the_day_of(message)
    redacted = RedactedErrors()
    with redacted:
        region.context.node_id = message.metadata.dst_node_id
        reply, bound_by = _reply(region, message, label)
        identify(reply, new_id())
        return reply, bound_by
    return _failure(region, message, redacted), PUBLIC


def _open(start: RegionStart) -> OpenRegion:
    path = ledger_of(start.folder)
    if start.last_known_head is not None and not is_there(path):
        raise LedgerBroken("this region's ledger is gone, though the hub noted its head")
    ledger = Ledger(path, start.region.name)
    with ExitStack() as undo:
        undo.callback(ledger.close)
        region = _opened_with(ledger, start)
        undo.pop_all()
    return region


def _opened_with(ledger: Ledger, start: RegionStart) -> OpenRegion:
    ledger.verify()
    gaps.check_last_known(ledger, start.last_known_head)
    hub_head.check_hub(ledger, start.hub.name, start.hub_head)
    job, asked = start.job, start.asked
    place = Place(start.folder, ledger)
    own = admit(place, job.dataset, asked, run=start.run, job=job)
    own.limits.check(start.region.name, job.training)
    examples = own.of_dataset(job.dataset).examples and job.calls_examples
    own.limits.check_at_home(start.region.name, job.recipe, people=not (examples or job.privacy))
    if why := applications.refusal(own, job.recipe.network, examples=examples, private=job.privacy is not None):
        refuse(place, [why], asked, run=start.run)
    told = known_peers.directory(start.folder)
    if faults := known_peers.faults(own, told, start):
        refuse(place, faults, asked, run=start.run)
    workspace = Workspace.around(start.folder)
    register = own.register(job.dataset, asked, ledger, workspace.reviewers)
    _check_register(place, register, run=start.run)
    keys = keys_for(place, own, TRAINER)
    store = open_store(place, keys, Opening(job.dataset, TRAINING, f"run {start.run}"), run=start.run)
    admit_rows(place, own, store.manifest, run=start.run)
    records = in_use(store, own, on=ledger.today())
    if store.manifest.rows and not len(records):
        refuse(place, [_too_old(own, store)], asked, run=start.run)
    if not examples:
        records = without_rare_origins(records, own.limits.least_people)
    secret = split_key(own, keys)
    session = Session(records, job, start.folder, settings=own, secret=secret)
    gate = Gate(
        start.region,
        bundle=own.bundle(asked, workspace.law),
        evidence=register,
        ledger=ledger,
        run=start.run,
        today=asked.calendar(ledger.today).day,
        tally=PeopleCounter(ledger),
        marks=tuple(asked.marks),
    )
    context = Context(run_id=RUN_ID, node_id=HUB_NODE + 1, node_config={}, state=RecordDict(), run_config={})
    journal = Journal.open(start.folder, start.run, secret)
    if not session.examples:
        session.answers = Answers.open(start.folder, gate, own.limits, secret)
    session.private = open_private(start, session, gate, journal)
    if not start.second_process:
        session.received = Label.from_json(journal.notes["received"]) if "received" in journal.notes else PUBLIC
        session.rounds = [(name, value, number) for name, value, number in journal.notes.get("rounds", ())]
        left = max(_rounds_that_left(ledger, start.run), default=0)
        journal.check_rounds(left)
        if journal.folder is not None:
            session.own = _own_states(journal, journal.folder, session, left)
    app = client_app(session, lambda sealed: open_sealed_rows(keys, sealed))
    member = _member(start, known_peers.members(own, ledger.key), journal, keys)
    return OpenRegion(start, Outbound(start, gate, session), app, context, member, journal)


def _check_register(place: Place, register: LiveRegister, *, run: str) -> None:
    """Raises JobRefused where a document that an earlier decision leaned on was rewritten under the same id."""
    if register.path is not None and (faults := rewritten(register.register(), register.path, place.ledger)):
        refuse(place, faults, Asked(), run=run)


def _too_old(own: RegionSettings, store: Store) -> str:
    """That a store's rows are older than the region uses rows, and what removes or replaces them."""
    shortest = min(days for days in (own.retention_days, *own.retention.categories.values()) if days is not None)
    return (
        f"region {own.region} uses rows for {shortest} days (retention_days, retention.categories), and those of "
        f"{store.manifest.dataset} are of {store.manifest.ingested or 'an unknown day'}: they are used no more; "
        f"`fedsov retention apply {own.region}` removes them, and `fedsov ingest` of a newer source replaces them"
    )


def _own_states(journal: Journal, folder: Path, session: Session, left: int) -> OwnStates:
    """What stays in the region. Raises CheckpointDamaged where it is older than the last round that left, or gone."""
    states = OwnStates(journal, folder, ROUNDS_KEPT + session.work.patience)
    if session.work.training.keeps_state and left and states.newest(Scope.SHAREABLE) <= left:
        raise CheckpointDamaged("the ledger knows of later rounds than the run's journal: it was lost or put back")
    return states


def _member(start: RegionStart, directory: Directory, journal: Journal, keys: RegionKeys) -> SecureSumMember | None:
    if start.secure_sum is None:
        return None
    frozen = start.job.recipe.frozen
    return SecureSumMember(
        start.region.name, start.run, keys.sign, directory, start.secure_sum, journal=journal, frozen=frozen
    )


def _rounds_that_left(ledger: Ledger, run: str) -> set[int]:
    """The rounds of a run in which an update to the global model that is bound left this region."""
    bodies = [entry.body for entry in ledger.entries(run) if entry.body["act"] == "cross"]
    return {
        body["round"]
        for body in bodies
        if body["kind"] == Kind.UPDATE
        and body["verdict"] == "permit"
        and body["origins"]
        and body["round"]
        and body.get("purpose") != BASE_MODEL
    }


def _reply(region: OpenRegion, message: Message, incoming: Label) -> tuple[Message, Label]:
    kind = message.metadata.message_type
    if kind in OWN_ANSWERS:
        return _own_answer(region, message), PUBLIC
    session = region.outbound.session
    labels_sent.check(region.journal, message, incoming)
    session.received |= incoming  # whatever is made here later may be made from this too
    region.outbound.scope(message)  # a question about rows that no answer may be about is not even worked on
    if region.start.second_process:
        _check_second(message)
    else:
        region.journal.note(received=session.received.to_json())
    reply = _worked(region, message)
    if kind in TRAINS:
        session.rounds = region.journal.rounds(session.rounds)
    if kind == FINISH:  # the model is the region's, whether or not its scores may leave
        run_record.write(region.start, session, incoming, region.outbound.gate.ledger, config_of(message))
    passed, label = region.outbound.pass_through(message, reply, incoming)
    labels_sent.note(region.journal, message, passed, label)
    return passed, label


TRAINS = (TRAIN, MASK)


def _check_second(message: Message) -> None:
    """Raises FedsovError for what the region's first process alone answers: it remembers what it answered before."""
    if not MESSAGE_TYPES[message.metadata.message_type].second_process:
        raise FedsovError("a region's second process makes synthetic rows and nothing else")


def _worked(region: OpenRegion, message: Message) -> Message:
    """What the app answers, or this region's part in a secure sum: masked before anything else sees it."""
    if message.metadata.message_type not in STEPS:
        return region.app(message, region.context)
    if region.member is None:
        raise SumRefused("this region was not asked to take part in secure sums when the run began")
    return region.member.answer(message, lambda plain: region.app(plain, region.context))


def _own_answer(region: OpenRegion, message: Message) -> Message:
    """What the region answers by itself, which it has decided about already."""
    outbound = region.outbound
    sources = own_answers.OwnSources(region.start, outbound.gate, outbound.session, round_of(message))
    texts = OWN_ANSWERS[message.metadata.message_type](sources, config_of(message))
    return Message(RecordDict({name: ConfigRecord({"json": text}) for name, text in texts.items()}), reply_to=message)


OWN_ANSWERS = {
    READY: own_answers.ready,
    PRIVACY: own_answers.privacy,
    PROPOSE: own_answers.propose,
    LEDGER: own_answers.ledger_head,
}
"""Questions that the region answers itself, from its gate and ledger."""


def _failure(region: OpenRegion, message: Message, failed: RedactedErrors) -> Message:
    """The error reply: what may be told of it, itself an artifact that the gate decides about.

    Where the ledger cannot be written, one word is told, which is the same whatever went wrong.
    """
    name, recording = failed.told, RedactedErrors()
    code = REFUSED if name == "Refused" else FAILED
    with recording:
        region.outbound.gate.note(withheld(message.metadata.message_type, str(failed.name)))
        if name == failed.name:
            label, what = region.outbound.session.label(Scope.ALL), "name of an exception's type"
            artifact = Artifact(Kind.ERROR, label, name.encode(), name=what)
        else:  # it speaks of settings and of the job
            artifact = Artifact(Kind.REPORT, PUBLIC, name.encode(), name="what the region's settings do not allow")
        region.outbound.gate.cross(artifact, region.start.hub, round_number=round_of(message))
        return error_reply(message, code, name)
    if recording.name == "Refused":
        return error_reply(message, REFUSED, "Refused")
    return error_reply(message, FAILED, WorkspaceUnusable.__name__)
