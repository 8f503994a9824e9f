"""What a region's ledger knows of its answers about people: the digest of each, and when each left.

noted = Noted(gate)
noted.catch_up()
noted.asked_since("2025-11-29T00:00:00.000+00:00")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fedsov.artifact import Kind
from fedsov.border.gate import Gate
from fedsov.label import Scope
from fedsov.protocol.job import Asked

(EXAMPLE_ROWS,) = Asked(examples="").marks
"""What every entry about example rows bears."""


@dataclass(frozen=True, slots=True)
class RowsQuestion:
    """What is asked.

    Attributes:
        dataset, scope: of which rows.
        what: `memory.STATISTICS`, `memory.PROFILE` or `memory.SYNTHETIC`.
        about: what else the answer depends on.
        split: what tells a division of the rows from another; "" where it does not matter.
    """

    dataset: str
    what: str
    scope: str
    about: str = ""
    split: str = ""

    @property
    def kind(self) -> str:
        """What it has in common with the questions whose answers could be subtracted from its own.

        Rows of those who consented to a base model are shareable ones.
        """
        scope = Scope.SHAREABLE if self.scope == Scope.CONSENTED else self.scope
        return f"{self.what}-{scope}"

    def to_json(self) -> dict[str, str]:
        """Plain values."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


@dataclass(slots=True)
class Noted:
    """What a ledger says of answers.

    Attributes:
        digests: of every answer to each question, in their order.
        times: when each answer about people's rows left, of whatever data set, version and run. Rounds count once, and
            not again for their scores; example rows are nobody's.
    """

    gate: Gate
    digests: dict[RowsQuestion, list[str]] = field(default_factory=dict)
    times: list[str] = field(default_factory=list)
    _read_to: int = 0

    def catch_up(self) -> None:
        """Reads the ledger's entries since the last time."""
        for entry in self.gate.ledger.entries(since=self._read_to):
            self._read_to = entry.seq
            if "answer" in entry.body.get("note", {}):
                answer = entry.body["note"]["answer"]
                self.digests.setdefault(RowsQuestion(**answer["question"]), []).append(answer["digest"])
            elif _is_answer(entry.body):
                self.times.append(entry.body["at"])

    def asked_since(self, time: str) -> int:
        """How many answers left since a time, as the ledger writes times."""
        return sum(left >= time for left in self.times)


def _is_answer(body: Mapping[str, Any]) -> bool:
    """Whether an entry is an answer about people's rows that left; a round's scores are none of their own."""
    if body.get("act") != "cross" or body.get("verdict") != "permit" or not body.get("count"):
        return False
    if EXAMPLE_ROWS in body.get("marks", ()):
        return False
    return body["kind"] != Kind.METRICS or body.get("round") is None
