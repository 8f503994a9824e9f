"""What may leave a region, and how: the table, and the passage of each record through the region's gate.

The table decides, not the message and not the app: for each question it says which rows the answer may be about (its
scope, and with it the label), which records it may hold, of which type, of which kind, and from which part of the rows
each was computed, so that the people behind it are counted. A record that is not in the table does not leave.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

import fedsov
from fedsov.artifact import BASE_MODEL, Artifact, Kind
from fedsov.border.gate import Gate, Outgoing, Refused
from fedsov.errors import FedsovError, JobRefused, LimitExceeded, SumRefused
from fedsov.keys.protocol import RegionKeys
from fedsov.keys.sealing import seal
from fedsov.label import PUBLIC, Label, Scope
from fedsov.protocol import payloads
from fedsov.protocol.flower_messages import config_of, round_of
from fedsov.protocol.job import RegionStart, TrainingJob
from fedsov.protocol.message_types import FINISH, MESSAGE_TYPES, PayloadRule, Record
from fedsov.region.session import Session
from fedsov.region.trust.known_peers import check_pinned, sealing_key

TOLD = (JobRefused, LimitExceeded)
"""Errors whose text may leave a region."""


class RedactedErrors(AbstractContextManager["RedactedErrors"]):
    """Holds back an exception: its type's name is all that can be known outside, its text goes to the region's log.

    The name of a type that is neither Python's nor fedsov's own is not told either. What a region's settings do not
    allow is told in its words (`TOLD`): they speak of settings and of the job, never of a row. So it is only where
    fedsov's own code raised it: an application can raise any error, with any text.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.told: str = "Exception"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        module = sys.modules.get(kind.__module__) if kind.__module__.startswith("fedsov.") else builtins
        is_ours = getattr(module, kind.__name__, None) is kind
        self.name = str(kind.__name__) if is_ours else "Exception"
        self.told = f"{self.name}: {error}" if issubclass(kind, TOLD) and _is_our_code(trace) else self.name
        with suppress(OSError):  # the log is on a full disk, perhaps: the region answers all the same
            traceback.print_exception(error)
        return True


_OUR_CODE = str(Path(fedsov.__file__).parent) + os.sep


def _is_our_code(trace: TracebackType | None) -> bool:
    """Whether a file of fedsov's raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OUR_CODE)


LONGEST_QUESTION = 40
"""Letters of a question's name in the ledger: a hub chooses it."""


def withheld(question: str, error: str) -> dict[str, Any]:
    """What a ledger notes of an answer that did not leave: to which question, and the name of what went wrong."""
    return {"withheld": {"question": question[:LONGEST_QUESTION], "error": error}}


@dataclass(frozen=True, slots=True)
class Outbound:
    """A region's way out: its gate, its session (which knows labels and counts people), and whom it may speak to."""

    start: RegionStart
    gate: Gate
    session: Session

    def scope(self, message: Message) -> str:
        """The rows an answer to this question is about. Raises FedsovError for a question or scope not in the table."""
        rule = MESSAGE_TYPES.get(message.metadata.message_type)
        if rule is None or not rule.scopes:
            raise FedsovError(f"no answer leaves to {message.metadata.message_type!r}")
        wanted = str(config_of(message).get("scope", ""))
        if len(rule.scopes) > 1 and wanted not in rule.scopes:
            raise FedsovError(
                f"{message.metadata.message_type} is about one of {', '.join(rule.scopes)}, not {wanted!r}"
            )
        scope = wanted if len(rule.scopes) > 1 else rule.scopes[0]
        if self.start.secure_sum is not None and scope in rule.only_summed:
            raise SumRefused("this region's part in a global model leaves it in a secure sum only")
        return scope

    def pass_through(self, message: Message, reply: Message, incoming: Label) -> tuple[Message, Label]:
        """The answer as it may be sent, made anew from the records that passed, and what binds it.

        Raises:
            FedsovError: it holds a record that the table does not name, or one of another type or shape.
            Refused: the gate refused one of its records; then none is sent.
        """
        scope = self.scope(message)
        label = self.session.label(scope) | incoming | self.session.received
        allowed = MESSAGE_TYPES[message.metadata.message_type].records
        passed, leaving = RecordDict(), list[Outgoing]()
        for name, record in reply.content.items():
            if name not in allowed:
                raise FedsovError(f"record {name!r} does not leave in answer to {message.metadata.message_type}")
            payload = allowed[name]
            count = min((self.session.people(scope, part) for part in payload.parts), default=0)
            formed = _formed(record, payload, message, work=self.session.work)
            if payload.kind is Kind.SYNTHETIC:
                self._seal(cast(ConfigRecord, formed), label, count=count, scope=scope)
            else:
                content, shapes = _content(formed)
                artifact = Artifact(payload.kind, label if payload.parts else PUBLIC, content, count=count, name=name)
                artifact = self._from_here(artifact, scope) if payload.parts else artifact
                leaving.append(Outgoing(artifact, self.start.hub, shapes))
            passed[name] = formed
        for gate, crossing in self._decided_by(message, scope, leaving, incoming=incoming):
            for settled in gate.cross_all(crossing, round_number=round_of(message)):
                if isinstance(settled, Refused):
                    raise settled
        return Message(passed, reply_to=message), label

    def _decided_by(
        self, message: Message, scope: str, leaving: Sequence[Outgoing], *, incoming: Label
    ) -> list[tuple[Gate, Sequence[Outgoing]]]:
        """What each gate is asked: for a base model, or for training.

        Where a region began with a base model it tells of all its rows, not of those who consented: what it tells must
        be permitted for training too, as bound by its own rows alone. A hub that says so opens nothing by it.
        """
        for_base = replace(self.gate, purpose=BASE_MODEL)
        if scope == Scope.CONSENTED:
            return [(for_base, leaving)]
        if not _began_with_base_model(message, incoming):
            return [(self.gate, leaving)]
        own = self.session.label(scope)
        bound = [each for each in leaving if not each.artifact.label.is_public]
        alone = [replace(each, artifact=replace(each.artifact, label=own)) for each in bound]
        return [(self.gate, alone), (for_base, leaving)]

    def _from_here(self, artifact: Artifact, scope: str) -> Artifact:
        """The artifact with the pool its people were drawn from, so that rounds do not count them again and again."""
        return replace(artifact, pool=self.session.work.dataset, pool_people=self.session.people(scope, "all"))

    def _seal(self, record: ConfigRecord, label: Label, *, count: int, scope: str) -> None:
        """Rows for other regions: each a crossing of its own, sealed so that the hub relays what it cannot read.

        A recipient that is not pinned gets none, and the ledger has a note that says so.
        """
        for recipient in list(record):
            rows = cast(bytes, record.pop(recipient))
            artifact = Artifact(Kind.SYNTHETIC, label, rows, count=count, name="synthetic rows")
            artifact = self._from_here(artifact, scope)
            redacted = RedactedErrors()
            with redacted:
                target = self.start.peers[recipient]
                check_pinned(self.session.settings, self.start, recipient)
                self.gate.cross(artifact, target)
                key = sealing_key(self.session.settings, self.start, recipient)
                record[recipient] = seal(key, _labelled(label, rows), recipient)
            if redacted.name == JobRefused.__name__:
                self.gate.note({"not_sealed": {"recipient": recipient, "why": redacted.told}})
            elif redacted.name and redacted.name != Refused.__name__:
                raise FedsovError(f"rows could not be sealed for {recipient}")


def _began_with_base_model(message: Message, incoming: Label) -> bool:
    """Whether the message is the last one to a region that begins with a model of others' rows."""
    begins = message.metadata.message_type == FINISH and config_of(message).get("strategy") == "transfer_learning"
    return begins and not incoming.is_public


def _formed(record: Record, rule: PayloadRule, message: Message, *, work: TrainingJob) -> Record:
    """The record written anew in its form. Raises FedsovError for another type, or what the form cannot read."""
    if not isinstance(record, rule.type):
        raise FedsovError(f"a {type(record).__name__} does not leave where a {rule.type.__name__} is asked for")
    if isinstance(record, ArrayRecord):
        form, model = rule.form or payloads.update, next(iter(message.content.array_records.values()), ArrayRecord())
        return cast(ArrayRecord, form(record, model, work))
    if rule.form is None:
        return record
    if isinstance(record, MetricRecord):
        return MetricRecord(rule.form(dict(record)))
    if set(record) != {"json"}:
        raise FedsovError("an answer holds more than its one text")
    return ConfigRecord({"json": json.dumps(rule.form(json.loads(str(record["json"]))))})


def _shapes(record: ArrayRecord) -> dict[str, list[int]]:
    return {name: list(array.shape) for name, array in record.items()}


def _content(record: Record) -> tuple[bytes, Mapping[str, Any]]:
    """A record's bytes for the digest, and the names and shapes of its arrays for the ledger."""
    if isinstance(record, ArrayRecord):
        return b"".join(array.data for array in record.values()), _shapes(record)
    return json.dumps(dict(record), sort_keys=True, default=str).encode(), {}


def _labelled(label: Label, rows: bytes) -> bytes:
    head = json.dumps(label.to_json()).encode()
    return len(head).to_bytes(4, "big") + head + rows


def open_sealed_rows(keys: RegionKeys, sealed: bytes) -> tuple[Label, bytes]:
    """The label and rows that another region sealed for this one. Raises KeyUnavailable for another's."""
    content = keys.open_sealed(sealed, keys.region)
    size = 4 + int.from_bytes(content[:4], "big")
    return Label.from_json(json.loads(content[4:size])), content[size:]
