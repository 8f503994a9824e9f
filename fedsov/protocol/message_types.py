"""Every message: which rows its answer is about, which records may answer, of which kind, from which part of the rows.

The table decides, not the message and not the app: a record that is not in the table does not leave a region.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, MetricRecord

from fedsov.artifact import Kind
from fedsov.protocol import SEALED_ROWS, payloads

Record = ArrayRecord | ConfigRecord | MetricRecord


@dataclass(frozen=True, slots=True)
class PayloadRule:
    """How one record of an answer leaves.

    Attributes:
        kind: as what it is decided about.
        type: Flower's type that it must have.
        parts: the parts of the rows it was computed from; the fewest people in one of them are counted. None for what
            was computed from no row, keys and shares of them: it is public, and about nobody.
        form: reads its text, or its numbers (arrays: and the model that came in, and the work), and gives what may
            leave; what has another form does not.
    """

    kind: Kind
    type: type[Record]
    parts: tuple[str, ...]
    form: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """What an answer may hold. With one scope the question has no say; with several it must name one of them."""

    scopes: tuple[str, ...]
    records: Mapping[str, PayloadRule]


MESSAGE_TYPES: Mapping[str, ReplyRule] = {
    "query.profile": ReplyRule(
        ("all",), {"profile": PayloadRule(Kind.METRICS, ConfigRecord, ("all",), payloads.profile)}
    ),
    "query.statistics": ReplyRule(
        ("shareable", "public"),
        {"statistics": PayloadRule(Kind.METRICS, ConfigRecord, ("train",), payloads.statistics)},
    ),
    "query.synthesise": ReplyRule(("shareable",), {SEALED_ROWS: PayloadRule(Kind.SYNTHETIC, ConfigRecord, ("train",))}),
    "query.finish": ReplyRule(
        ("all",), {"metrics": PayloadRule(Kind.METRICS, ConfigRecord, ("test", "validation"), payloads.outcome)}
    ),
    "train": ReplyRule(
        ("shareable", "public"),
        {
            "arrays": PayloadRule(Kind.UPDATE, ArrayRecord, ("train",)),
            "metrics": PayloadRule(Kind.METRICS, MetricRecord, ("validation",), payloads.round_scores),
        },
    ),
    "query.advertise": ReplyRule(("shareable",), {"keys": PayloadRule(Kind.REPORT, ConfigRecord, (), payloads.keys)}),
    "query.share": ReplyRule(("shareable",), {"letters": PayloadRule(Kind.REPORT, ConfigRecord, (), payloads.letters)}),
    "train.masked": ReplyRule(
        ("shareable",),
        {
            "words": PayloadRule(Kind.UPDATE, ArrayRecord, ("train",), payloads.words),
            "list": PayloadRule(Kind.REPORT, ConfigRecord, (), payloads.signature),
        },
    ),
    "query.unmask": ReplyRule(("shareable",), {"shares": PayloadRule(Kind.REPORT, ConfigRecord, (), payloads.shares)}),
}


SUMMED_ONLY = frozenset({("train", "shareable")})
"""Questions and scopes that a region with secure sums does not answer: what they ask for leaves in a sum only."""
