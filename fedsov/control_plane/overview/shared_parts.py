"""What regions share of their ledgers comes into the counts.

Shared entries were verified against their owner's signed head when they came (`fedsov.control_plane.compliance`); those
that a region keeps to itself are passed over, and are in no count.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from fedsov.control_plane.compliance.entries import read_book
from fedsov.control_plane.compliance.witness_tables import PARTS
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.overview.counted_entries import count, counted_up_to

BLOCK = 2_000


def collect_shared(database: Database) -> int:
    """Counts the entries that regions shared since; returns how many."""
    with database.reading() as connection:
        parties = list(connection.scalars(select(PARTS.c.party).distinct().order_by(PARTS.c.party)))
        behind = [party for party in parties if _further(connection, party)]
    return sum(_count_party(database, party) for party in behind)


def _count_party(database: Database, party: str) -> int:
    counted = 0
    with database.changing() as connection:
        while parts := _further(connection, party):
            entries = [(part.first, part.digest, _body(part.entry)) for part in parts if part.entry is not None]
            count(connection, read_book(party, entries, head=""), upto=int(parts[-1].last))
            counted += len(entries)
    return counted


def _further(connection: Connection, party: str) -> list[Any]:
    """The next parts of a party's ledger, which join those that are counted: without a gap."""
    before = counted_up_to(connection, party)
    query = select(PARTS).where(PARTS.c.party == party, PARTS.c.last > before).order_by(PARTS.c.first).limit(BLOCK)
    joined = []
    for part in connection.execute(query):
        if part.first > before + 1:
            break
        before = part.last
        joined.append(part)
    return joined


def _body(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
