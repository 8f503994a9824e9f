"""Which region holds a row. Pure; what it does not know goes to quarantine with a reason, never to a guess.

The reason never quotes the value: a wrong column may have been named as the jurisdiction, and a reason is
printed.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsov.jurisdiction import Atlas, Region
from fedsov.partition.classify import spelled


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that belongs to no region, and why, in words without any value of the row."""

    reason: str


def route(value: object, atlas: Atlas) -> Region | Quarantined:
    """The region that holds a row whose jurisdiction column says `value` (a code, a name or an alias)."""
    if (text := spelled(value)) is None:
        return Quarantined("jurisdiction missing")
    if (code := atlas.code(text)) is None:
        return Quarantined("jurisdiction unknown")
    return atlas.region(code) or Quarantined(f"no region holds {code}")
