"""Every message between hub and region: who asks, who answers, about which rows, and which records may answer.

The table decides, not the message and not the app: a record that is not in the table does not leave a region, and a
message that is not in it is not answered. The hub reads answers by the same table (`fedsov.protocol.read_answers`), and
takes no more bytes for one than its row allows (`largest_answer`). `VERSION` is the version of this table. The hub
writes it into every message; a region that has another answers with an error that names both (`version_fault`). Raise
it whenever a message, a record or the form of one changes so that the other side would misread it.

To add a message: a row here, its payload's form in `fedsov.protocol.payloads`, and whoever answers it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord

from fedsov.artifact import Kind
from fedsov.label import Scope
from fedsov.protocol import SEALED_ROWS, payloads
from fedsov.protocol.flower_messages import VERSION_KEY, SizeLimit, config_of
from fedsov.protocol.secure_sum_messages import ADVERTISE, MASK, SHARE, UNMASK

VERSION = 1
"""Of the messages below, their records and their payloads."""

READY, PRIVACY, PROPOSE, LEDGER = "query.ready", "query.privacy", "query.propose", "query.ledger"
PROFILE, STATISTICS, SYNTHESISE, FINISH = "query.profile", "query.statistics", "query.synthesise", "query.finish"
TRAIN = "train"

KIB, MIB = 2**10, 2**20
LARGEST_LABEL = 64 * KIB
"""Bytes of the header that comes before an answer: the label that binds it."""
_SMALL, _LARGE = 64 * KIB, 8 * MIB
_BESIDE_AN_ARRAY = 4 * KIB
"""Bytes that an array may take beside its numbers: its name, its shape, its place in the message."""

Record = ArrayRecord | ConfigRecord | MetricRecord


class Answerer(StrEnum):
    """Who in a region answers a message.

    The worker answers from its gate and ledger, and has decided about its answer itself; the app works on rows; a
    member of a secure sum masks what the app answered.
    """

    WORKER = "worker"
    APP = "app"
    SECURE_SUM = "secure sum"


@dataclass(frozen=True, slots=True)
class PayloadRule:
    """How one record of an answer leaves.

    Attributes:
        kind: as what it is decided about.
        type: Flower's type that it must have.
        parts: the parts of the rows it was computed from; the fewest people in one of them are counted. None for what
            was computed from no row, keys and shares of them: it is public, and about nobody.
        form: reads its text, or its numbers (arrays: and the model that came in, and the job), and gives what may
            leave; what has another form does not.
        optional: whether an answer may lack it.
    """

    kind: Kind
    type: type[Record]
    parts: tuple[str, ...]
    form: Callable[..., Any] | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """One message, and what its answer may hold. The hub asks every one of them.

    Attributes:
        answerer: who in the region answers.
        scopes: the rows an answer is about. With one, the question has no say; with several it names one of them.
        records: the records an answer may hold, by name. The hub reads an answer by them, and no other passes from a
            region's app; what its worker answers has passed the gate before it is one.
        only_summed: scopes for which a region that takes part in secure sums does not answer: what the message asks
            for leaves such a region in a sum only.
        second_process: whether a region's second process answers it too, while the first one trains.
        texts: the most bytes of an answer beside arrays; an array's own follow from the model that went down.
    """

    answerer: Answerer
    scopes: tuple[str, ...] = ()
    records: Mapping[str, PayloadRule] = field(default_factory=dict)
    only_summed: frozenset[str] = frozenset()
    second_process: bool = False
    texts: int = _SMALL


def _text(kind: Kind, parts: tuple[str, ...], form: Callable[..., Any]) -> PayloadRule:
    return PayloadRule(kind, ConfigRecord, parts, form)


MESSAGE_TYPES: Mapping[str, ReplyRule] = {
    READY: ReplyRule(
        Answerer.WORKER, records={"law": PayloadRule(Kind.REPORT, ConfigRecord, (), payloads.own_rules, optional=True)}
    ),
    PRIVACY: ReplyRule(Answerer.WORKER, records={"privacy": _text(Kind.REPORT, (), payloads.price)}),
    PROPOSE: ReplyRule(Answerer.WORKER),
    LEDGER: ReplyRule(Answerer.WORKER, records={"ledger": _text(Kind.REPORT, (), payloads.account)}, texts=_LARGE),
    PROFILE: ReplyRule(Answerer.APP, (Scope.ALL,), {"profile": _text(Kind.METRICS, ("all",), payloads.profile)}),
    STATISTICS: ReplyRule(
        Answerer.APP,
        (Scope.SHAREABLE, Scope.PUBLIC, Scope.CONSENTED),
        {"statistics": _text(Kind.METRICS, ("train",), payloads.statistics)},
        texts=_LARGE,
    ),
    SYNTHESISE: ReplyRule(
        Answerer.APP,
        (Scope.SHAREABLE,),
        {SEALED_ROWS: PayloadRule(Kind.SYNTHETIC, ConfigRecord, ("train",))},
        second_process=True,
        texts=256 * MIB,
    ),
    TRAIN: ReplyRule(
        Answerer.APP,
        (Scope.SHAREABLE, Scope.PUBLIC, Scope.CONSENTED),
        {
            "arrays": PayloadRule(Kind.UPDATE, ArrayRecord, ("train",)),
            "metrics": PayloadRule(Kind.METRICS, MetricRecord, ("validation",), payloads.round_scores),
        },
        only_summed=frozenset({Scope.SHAREABLE, Scope.CONSENTED}),
    ),
    FINISH: ReplyRule(
        Answerer.APP, (Scope.ALL,), {"metrics": _text(Kind.METRICS, ("test", "validation"), payloads.outcome)}
    ),
    ADVERTISE: ReplyRule(Answerer.SECURE_SUM, (Scope.SHAREABLE,), {"keys": _text(Kind.REPORT, (), payloads.keys)}),
    SHARE: ReplyRule(
        Answerer.SECURE_SUM, (Scope.SHAREABLE,), {"letters": _text(Kind.REPORT, (), payloads.letters)}, texts=MIB
    ),
    MASK: ReplyRule(
        Answerer.SECURE_SUM,
        (Scope.SHAREABLE,),
        {
            "words": PayloadRule(Kind.UPDATE, ArrayRecord, ("train",), payloads.words),
            "list": _text(Kind.REPORT, (), payloads.signature),
            "complaint": _text(Kind.REPORT, (), payloads.complaint),
        },
    ),
    UNMASK: ReplyRule(
        Answerer.SECURE_SUM, (Scope.SHAREABLE,), {"shares": _text(Kind.REPORT, (), payloads.shares)}, texts=MIB
    ),
}


def largest_answer(question: Message) -> SizeLimit:
    """The most bytes that an answer to a question may come to; no region has a say in it.

    An update, and the words of a secure sum, hold at most a number of 8 bytes for each of the model that went down.
    """
    rule = MESSAGE_TYPES.get(question.metadata.message_type, ReplyRule(Answerer.WORKER))
    if not any(record.type is ArrayRecord for record in rule.records.values()):
        return SizeLimit(rule.texts)
    model = [array for record in question.content.array_records.values() for array in record.values()]
    numbers = sum(math.prod(array.shape) for array in model)
    beside = _BESIDE_AN_ARRAY * (len(model) + 1)
    return SizeLimit(rule.texts + beside, 8 * (numbers + 1) + beside)


def version_fault(message: Message, region: str) -> str | None:
    """Why a region cannot answer a message of another version than its own, in words that name both; None where it can.

    A message without a version was not made by a hub of this protocol.
    """
    theirs = config_of(message).get(VERSION_KEY)
    if theirs == VERSION:
        return None
    asked = f"version {theirs}" if isinstance(theirs, int) else "no version"
    return f"the hub speaks {asked} of the protocol, region {region} speaks version {VERSION}; install the same fedsov"
