"""A ledger's time never goes back: an entry is as late as the clock says, and never earlier than the entry before it.

Where the machine's clock is behind the last entry, a new one gets that entry's time, and says by how many seconds the
clock was behind, in ``clock_behind``. A few seconds say nothing: several processes write into one ledger, and clocks
are set right by as much. Whoever decides by a day takes the ledger's (`fedsov.ledger.ledger.Ledger.today`), so that a
clock that was turned back never revives an expired document.

>>> entries, _ = forward([{"at": "2026-11-29T10:00:00+00:00"}], "2026-11-29T12:00:00+00:00")
>>> entries[0]["at"], entries[0]["clock_behind"]
('2026-11-29T12:00:00+00:00', 7200)

Deliberately not here: whether a clock is right. One that was far ahead once holds the ledger's time there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

AT, BEHIND = "at", "clock_behind"
SECONDS = 5.0
"""How far behind the last entry the clock may be without a word."""


def moment(at: Any) -> datetime | None:
    """The moment that an entry's time names, in UTC where it names no zone; None for what is no time."""
    try:
        when = datetime.fromisoformat(at)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def time_of(texts: Iterable[bytes]) -> str:
    """The time of the first of these entries that has one, as it is written; "" where none has."""
    for text in texts:
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(body, dict) and moment(body.get(AT)) is not None:
            return str(body[AT])
    return ""


def forward(entries: Sequence[Mapping[str, Any]], last: str) -> tuple[list[Mapping[str, Any]], str]:
    """The entries, none earlier than the one before it, and the time of the last; one without a time stays without.

    Args:
        last: the time of the entry before the first; "" where there is none.
    """
    settled: list[Mapping[str, Any]] = []
    for entry in entries:
        when, before = moment(entry.get(AT)), moment(last)
        if when is not None and before is not None and when < before:
            seconds = (before - when).total_seconds()
            entry = {**entry, AT: last, **({BEHIND: round(seconds)} if seconds > SECONDS else {})}
        elif when is not None:
            last = str(entry[AT])
        settled.append(entry)
    return settled, last


def faults(entries: Iterable[tuple[int, Any]]) -> list[str]:
    """What a ledger's times say of its clock, in sentences: entries written while it was behind, or that go back.

    Args:
        entries: number and body of each, in order.
    """
    behind: list[tuple[int, int]] = []
    back: list[int] = []
    last: datetime | None = None
    for seq, body in entries:
        if not isinstance(body, Mapping):
            continue
        if isinstance(seconds := body.get(BEHIND), int):
            behind.append((seq, seconds))
        when = moment(body.get(AT))
        if when is not None and last is not None and when < last:
            back.append(seq)
        last = when or last
    said = []
    if behind:
        most, first = max(seconds for _, seconds in behind), behind[0][0]
        written = f"and {len(behind) - 1} more were written" if len(behind) > 1 else "was written"
        said.append(
            f"the clock was behind by up to {most:,} seconds when entry {first} {written}: it was turned back, or had "
            "been ahead before; set the machine's clock"
        )
    if back:
        several = f" (and {len(back) - 1} more)" if len(back) > 1 else ""
        said.append(f"entry {back[0]}{several} is earlier than the one before it: the clock was turned back")
    return said
