"""On which day a decision is taken: the real day when it is taken, or a rehearsed one that moves on with the rounds.

Documents expire while a training goes on. A `Calendar` says the day of a round; the hub has one, and each region makes
its own from its brief. Without a fixed first day it asks a clock (UTC) at every decision: this machine's, or that of a
party's ledger, which never goes back. What belongs to no round is decided on the day of the round that it is said to
stand by: 1 before training, one past the last after it.

A rehearsed calendar believes the round that a message names; a real one has no need to.

>>> Calendar.of(date(2026, 11, 22), days_per_round=1).day(4)
datetime.date(2026, 11, 25)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from fedsov.border.gate import Gate


def real_day() -> date:
    """The day it is now, in UTC."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class Calendar:
    """The day of each round.

    Attributes:
        first: gives the first round's day; asked anew at every decision.
        days_per_round: how many days pass with each round, for a rehearsal.
    """

    first: Callable[[], date] = real_day
    days_per_round: int = 0

    @staticmethod
    def of(fixed: date | None, days_per_round: int = 0, *, clock: Callable[[], date] = real_day) -> Calendar:
        """The calendar of a run that begins on a fixed day, or on whatever day its clock says where that is None."""
        return Calendar(clock if fixed is None else lambda: fixed, days_per_round)

    def day(self, round_number: int = 1) -> date:
        """The day of a round, counted from 1; never past the last day that a date can be."""
        later = self.first().toordinal() + (max(round_number, 1) - 1) * self.days_per_round
        return date.fromordinal(min(later, date.max.toordinal()))

    def at(self, gate: Gate, round_number: int = 1) -> Gate:
        """The gate as it decides in a round."""
        return replace(gate, today=lambda: self.day(round_number))
