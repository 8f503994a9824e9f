"""A region's own process under the deployment runtime: it holds keys, ledger, store and gate, and no network.

The Fleet client beside it (`fedsov.runtimes.deployment.region.region_service`) hands it parcels as they came, and takes
back parcels as they are to go. It opens its region for a run when the hub says so, and again by itself after it was
killed: what it was told then is kept in the region's folder. Delivery is at least once, so each answer is kept until
the next one of its run: a question that comes again gets the very same answer, and nothing is decided, spent or trained
twice.

    regions/NAME/deployed/RUN/start.json      what the region was told when the run began
    regions/NAME/deployed/RUN/answer.bin      the last answer, and the id of its question
"""

from __future__ import annotations

import json
import os
import shutil
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.artifact import Artifact, Kind
from fedsov.errors import FedsovError, JobRefused, WorkspaceUnusable
from fedsov.keys import KeySettings, RegionKeys, open_keys_as
from fedsov.keys.principals import TRAINER
from fedsov.label import PUBLIC, Label
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.ledger import Ledger
from fedsov.processes import give_back_memory, reuse_memory
from fedsov.protocol.envelopes import NoEnvelope, enveloped_reply, opened, question_of, reply_of
from fedsov.protocol.flower_messages import (
    FAILED,
    HUB_NODE,
    REFUSED,
    begin_flower_process,
    error_reply,
    identify,
    new_id,
)
from fedsov.protocol.job import RegionStart
from fedsov.protocol.message_types import FINISH
from fedsov.protocol.signed_labels import LabelledAnswer, signed_label
from fedsov.region.journal import NAME as RUN_NAME
from fedsov.region.journal import hold_alone
from fedsov.region.outbound import RedactedErrors, withheld
from fedsov.region.worker import ClosedRegion, OpenRegion, answer, open_region
from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench
from fedsov.runtimes.deployment.acts import ANSWER, CLOSE, HOLDINGS, OPEN, REGISTER
from fedsov.runtimes.deployment.flower_clients import named_once, parcel_of, parcelled, record_names
from fedsov.runtimes.deployment.region import kept_answer
from fedsov.runtimes.deployment.region.holdings import holdings
from fedsov.runtimes.deployment.region.own_files import with_own_files
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.runtimes.region_log import RegionLog
from fedsov.runtimes.registry_connection import RegistryConnection, open_registry
from fedsov.serialization import Unserializable, from_plain, to_plain
from fedsov.storage.atomic_files import write_file
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

UNREADABLE = b""
"""In the place of an answer: what came is no message."""
ENDED = "RegionProcessEnded"
ALONE = 10.0
"""Seconds that a process of the same region, whose client is gone, has to end."""
SECOND = ".second"
"""How the folder of a run's second process ends: as no name of a run does."""
KEPT = 30 * 86_400.0
"""Seconds for which a run is kept whose end was never told here: its hub, or this region, was away then."""
LARGEST_START = 2**26
"""Letters of an envelope that opens a region: a job and its parties."""


def run(connection: FramedSocket) -> None:
    """Answers parcels until the socket closes. The first frame says whose process this is."""
    try:
        place = connection.receive().header
    except ConnectionClosed:
        return
    workspace = Workspace(Path(place["workspace"]))
    log = RegionLog(workspace.region(place["region"]))  # before anything can fail
    begin_flower_process(HUB_NODE + 1)
    reuse_memory()
    with BenchServer() as benches:
        deployed = DeployedRegion(place["region"], workspace, benches, keep_out=[Path(place["home"])])
        try:
            while True:
                frame = connection.receive()
                act = deployed.given_up if frame.header.get("given_up") else deployed.answered
                with log.of_message():
                    answer_parcel = act(frame.body)
                connection.send(Frame({}, answer_parcel))
        except ConnectionClosed:
            deployed.close()


@dataclass(frozen=True, slots=True)
class _OpenRun:
    """A run that the region is open for, and the keys that sign its labels."""

    region: OpenRegion | ClosedRegion
    start: RegionStart
    keys: RegionKeys


@dataclass(slots=True)
class DeployedRegion:
    """A region and the runs that it is open for, by run and whether it is the second process.

    Attributes:
        benches: where the processes begin in which model code runs.
        keep_out: folders that these must not see, beside the workspace.
    """

    name: str
    workspace: Workspace
    benches: BenchServer
    keep_out: Sequence[Path] = ()
    _runs: dict[tuple[str, bool], _OpenRun] = field(default_factory=dict)
    _opened: ExitStack = field(default_factory=ExitStack)
    _registering: RegistryConnection | None = None

    @property
    def folder(self) -> Path:
        """The region's own folder."""
        return self.workspace.region(self.name)

    def given_up(self, parcel: bytes) -> bytes:
        """The parcel that says that the region's process ended over a message, again and again."""
        (came,) = parcelled(parcel)
        outer = came.message()
        self._note(outer, ENDED)
        return _sent(outer, error_reply(outer, FAILED, ENDED))

    def answered(self, parcel: bytes) -> bytes:
        """The parcel of the answer to the message of a parcel. Whatever goes wrong is told as its type's name alone.

        `UNREADABLE` where the parcel holds no message, so that there is nothing to answer.
        """
        try:
            (came,) = parcelled(parcel)
            outer = came.message()
        except Exception as problem:  # boundary: whatever a hub sends costs that message alone
            with suppress(OSError):  # of a log on a full disk
                traceback.print_exception(problem)
            return UNREADABLE
        redacted = RedactedErrors()
        with redacted:
            return self._act(outer)
        self._note(outer, str(redacted.name))
        code = REFUSED if redacted.name == "JobRefused" else FAILED
        return _sent(outer, error_reply(outer, code, redacted.told))

    def _note(self, outer: Message, error: str) -> None:
        """Notes in the region's ledger that a message got no answer; a region without one has nothing to keep."""
        path = ledger_of(self.folder)
        with RedactedErrors():
            if is_there(path):
                with closing(Ledger(path, self.name)) as ledger:
                    ledger.note(withheld(outer.metadata.message_type, error))

    def close(self) -> None:
        """Closes every region that is open."""
        for each in self._runs.values():
            each.region.close()
        self._runs.clear()
        self._opened.close()
        self._registering = None

    def _act(self, outer: Message) -> bytes:
        content, header = opened(outer, LARGEST_START)
        act, question = str(header.get("act")), question_of(content, header)
        if act == ANSWER:
            return self._answer(outer, question, header)
        acts = {OPEN: self._open, HOLDINGS: self._holdings, REGISTER: self._register, CLOSE: self._close}
        if act not in acts:
            raise NoEnvelope(f"an envelope that asks for {act[:40]!r}")
        return _sent(outer, acts[act](question, header))

    def _open(self, question: Message, header: Mapping[str, Any]) -> Message:
        """Opens the region for a run, of its own folder and under its own name, whatever the hub wrote there."""
        start = from_plain(RegionStart, {**header["start"], "folder": str(self.folder)})
        if start.region.name != self.name:
            raise JobRefused(f"this is region {self.name}, and not {start.region.name}")
        _check_dataset(start.job.dataset)
        place = self._place(start.run, start.second_process)  # before anything is opened under the run's name
        self._give_up_others(start.run)
        self._begin(start)
        make_private_folder(place)
        write_file(place / "start.json", json.dumps(to_plain(start)).encode())
        return _nothing(question)

    def _give_up_others(self, run: str) -> None:
        """Closes the regions of other runs, of which nobody may have said that they ended; removes what is kept of old.

        A run that does go on finds its region opened again, as after this process was killed.
        """
        for key in [key for key in self._runs if key[0] != run]:
            self._runs.pop(key).region.close()
        for place in (self.folder / "deployed").glob("*"):
            newest = max((path.stat().st_mtime for path in (place, *place.glob("*"))), default=0.0)
            if time.time() - newest > KEPT:
                shutil.rmtree(place, ignore_errors=True)

    def _begin(self, start: RegionStart) -> _OpenRun:
        key = (start.run, start.second_process)
        if (before := self._runs.pop(key, None)) is not None:
            before.region.close()
        keys = open_keys_as(KeySettings(self.name, self.folder), TRAINER)
        if not start.second_process:
            _until_alone(start)
        bench = ProcessBench(self.benches, keep_out=[self.workspace.root, *self.keep_out])
        start = replace(start, asked=with_own_files(self.folder, start.asked))
        self._runs[key] = _OpenRun(open_region(start, bench=bench), start, keys)
        return self._runs[key]

    def _holdings(self, question: Message, header: Mapping[str, Any]) -> Message:
        config, run = header["config"], _checked_run(header["run"])
        _check_dataset(config["dataset"]["name"])
        report = holdings(config, self.workspace, self.name, run=run)
        return _text(question, "holdings", report)

    def _register(self, question: Message, header: Mapping[str, Any]) -> Message:
        """Has the region's models registered here; their names and versions leave through its gate."""
        each = self._run(str(header["run"]), second=False)
        versions = self._registry().record(self.folder, each.start.run)
        if isinstance(each.region, OpenRegion):
            artifact = Artifact(Kind.REPORT, PUBLIC, json.dumps(versions).encode(), name="names of registered models")
            each.region.outbound.gate.cross(artifact, each.start.hub)
        return _text(question, "models", versions)

    def _registry(self) -> RegistryConnection:
        """The process that writes the registry; it begins with a run's last question, for its imports take a while."""
        if self._registering is None:
            self._registering = self._opened.enter_context(open_registry())
        return self._registering

    def _close(self, question: Message, header: Mapping[str, Any]) -> Message:
        run = str(header["run"])
        for second in (False, True):
            if (each := self._runs.pop((run, second), None)) is not None:
                each.region.close()
            shutil.rmtree(self._place(run, second), ignore_errors=True)
        if not self._runs:
            self._opened.close()
            self._registering = None
            give_back_memory()
        return _nothing(question)

    def _answer(self, outer: Message, question: Message, header: Mapping[str, Any]) -> bytes:
        """The region's answer, or the very one that it gave when this question came before."""
        run, second = str(header["run"]), bool(header.get("second"))
        place, identifier = self._place(run, second), question.metadata.message_id
        if (parcel := kept_answer.read(place, identifier)) is not None:
            (before,) = parcelled(parcel)
            content, reply_header = opened(before.message())
            return _sent(outer, reply_of(content, reply_header, question), reply_header)
        each = self._run(run, second=second)
        if question.metadata.message_type == FINISH:
            self._registry()
        reply, label = answer(each.region, question, Label.from_json(header["label"]))
        if reply.has_error():
            return _sent(outer, reply)
        reply_header = {"label": label.to_json()}
        with named_once():
            if reply.content.array_records:
                body = canonical(record_names(reply.content))
                labelled = LabelledAnswer(run, self.name, identifier, body, label)
                reply_header |= {"signature": signed_label(each.keys.sign, labelled)}
            parcel = parcel_of([enveloped_reply(outer, reply, reply_header)])
        kept_answer.keep(place, identifier, parcel)
        return parcel

    def _run(self, run: str, *, second: bool) -> _OpenRun:
        """The region as it is open for a run, opened again where this process was begun since. Raises FedsovError."""
        if (each := self._runs.get((run, second))) is not None:
            return each
        path = self._place(run, second) / "start.json"
        try:
            start = from_plain(RegionStart, json.loads(path.read_text()))
        except (OSError, ValueError, Unserializable):
            raise FedsovError("this region was not opened for the run") from None
        if (start.run, start.second_process, start.region.name) != (run, second, self.name):
            raise FedsovError(f"{path} is of another run; remove it, and the hub opens the region again")
        return self._begin(replace(start, folder=self.folder))

    def _place(self, run: str, second: bool) -> Path:
        return self.folder / "deployed" / f"{_checked_run(run)}{SECOND if second else ''}"


def _checked_run(run: Any) -> str:
    """The name of a run, which becomes a folder's and stands in the ledger for ever. Raises JobRefused."""
    if not isinstance(run, str) or not RUN_NAME.fullmatch(run):
        raise JobRefused("the name of a run is letters, digits, '-' and '_'")
    return run


def _check_dataset(name: Any) -> None:
    """Raises JobRefused for a name that leads out of the folder of a region's stores."""
    if not isinstance(name, str) or not name.strip(".") or Path(name).name != name:
        raise JobRefused("the name of a data set is no path")


def _until_alone(start: RegionStart) -> None:
    """Waits until the process that answered for the region before has ended: one whose client was killed ends soon."""
    until = time.monotonic() + ALONE
    while time.monotonic() < until:
        try:
            os.close(hold_alone(start.folder, start.run))
        except WorkspaceUnusable:
            time.sleep(0.1)
        except OSError:
            return  # of a full disk: the opening says so
        else:
            return


def _sent(outer: Message, reply: Message, header: Mapping[str, Any] | None = None) -> bytes:
    with named_once():
        return parcel_of([enveloped_reply(outer, reply, header or {})])


def _nothing(question: Message) -> Message:
    reply = Message(RecordDict(), reply_to=question)
    identify(reply, new_id())
    return reply


def _text(question: Message, name: str, value: Any) -> Message:
    reply = Message(RecordDict({name: ConfigRecord({"json": json.dumps(value)})}), reply_to=question)
    identify(reply, new_id())
    return reply
