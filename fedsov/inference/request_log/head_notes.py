"""What a region's ledger knows of its log of requests: how far each worker's chain had come, and what became of it.

The ledger is signed and cannot be rewritten unseen. So whoever cuts the end of the log, or takes a segment away, is
found by the newest note; what came after that is not noted yet, and `fedsov requests verify` says how much it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fedsov.inference.request_log.open_segment import Tip
from fedsov.inference.request_log.segments import SegmentName

NOTE = "request_log"
STARTED, REACHED, ENDED, CLOSED, TORN, DISK_FULL, SPACE_AGAIN, REMOVED = (
    "started",
    "reached",
    "segment_ended",
    "closed",
    "torn",
    "disk_full",
    "space_again",
    "removed",
)


def note_of(event: str, tip: Tip, **beside: Any) -> dict[str, Any]:
    """A note that a chain has come so far."""
    reached = {"worker": tip.worker, "segment": tip.number, "batches": tip.batches, "lines": tip.lines}
    return {NOTE: {"event": event, **reached, "head": tip.head, **beside}}


@dataclass(frozen=True, slots=True)
class Removed:
    """The oldest segments of a chain, up to a number, removed when their period was over."""

    worker: int
    segment: int
    lines: int
    head: str


@dataclass(frozen=True, slots=True)
class NotedHeads:
    """What a ledger notes of a log.

    Attributes:
        heads: by segment, after so many batches, the head.
        removed: by worker, the newest note of segments that were removed.
        erasures: how many erasures of people the ledger notes; None where no ledger is at hand.
    """

    heads: Mapping[SegmentName, Mapping[int, str]] = field(default_factory=dict)
    removed: Mapping[int, Removed] = field(default_factory=dict)
    erasures: int | None = None

    @staticmethod
    def of(notes: Iterable[Mapping[str, Any]], *, erasures: int | None = None) -> NotedHeads:
        """The sum of what stands under `NOTE` in a ledger's notes, in their order."""
        heads: dict[SegmentName, dict[int, str]] = {}
        removed: dict[int, Removed] = {}
        for note in notes:
            name = SegmentName(int(note["worker"]), int(note["segment"]))
            if note["event"] == REMOVED:
                removed[name.worker] = Removed(name.worker, name.number, int(note["lines"]), str(note["head"]))
            elif name.number and note["batches"]:
                heads.setdefault(name, {})[int(note["batches"])] = str(note["head"])
        return NotedHeads(heads, removed, erasures)
