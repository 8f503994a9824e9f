"""What stands in the hub's home beside the database is taken into it: new ledger entries, and the newest plan.

    taken = collect(database, home)     # cheap where nothing is new: one head is read, and one file's time

The service calls it every second; whoever restarts it loses nothing, for what is counted is in the database. Entries
are taken in blocks, so that a page is answered while a long ledger is counted for the first time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Integer, String, Table, Text, insert, select, update

from fedsov.control_plane.compliance.entries import read_book
from fedsov.control_plane.database.engine import METADATA, Database
from fedsov.control_plane.overview.counted_entries import count, counted_up_to
from fedsov.ledger.ledger import Entry, Ledger
from fedsov.ledger.signed_files import read_own
from fedsov.storage.workspace import is_there, ledger_of

BLOCK = 2_000
"""Entries that are counted in one transaction."""
PLAN_FILE = "plan.json"
"""In the hub's folder: the newest plan, signed by the hub (`fedsov.hub.kept.recorded_plan` writes it)."""
PLANS = Table(
    "newest_plan",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("hub", String(200), nullable=False),
    Column("body", Text, nullable=False),
)
"""One row: the plan as the hub's file has it, as JSON."""


def collect(database: Database, hub: Path) -> int:
    """Takes what is new in a hub's folder; returns how many entries that was.

    Raises LedgerBroken where the hub's ledger cannot be read.
    """
    if not is_there(ledger_of(hub)):
        return 0
    with closing(Ledger.read(ledger_of(hub))) as ledger:
        taken = _count_ledger(database, ledger)
        _take_plan(database, hub, ledger)
    return taken


def _count_ledger(database: Database, ledger: Ledger) -> int:
    taken, size = 0, ledger.head().size
    with database.reading() as connection:
        before = counted_up_to(connection, ledger.owner)
    while before < size:
        entries = _after(ledger, before)
        with database.changing() as connection:
            if counted_up_to(connection, ledger.owner) != before:
                return taken  # another service counted these meanwhile
            count_entries(connection, ledger.owner, entries)
        before, taken = entries[-1].seq, taken + len(entries)
    return taken


def _after(ledger: Ledger, before: int) -> Sequence[Entry]:
    return [Entry(seq, leaf.hex(), _body(text)) for seq, text, leaf in islice(ledger.texts(since=before), BLOCK)]


def _body(text: bytes) -> Any:
    """What an entry says; None for one that is no JSON, which is counted as strange."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def count_entries(connection: Connection, owner: str, entries: Sequence[Entry]) -> None:
    """Counts entries that follow the last that was counted of this owner."""
    book = read_book(owner, [(entry.seq, entry.digest, entry.body) for entry in entries], head="")
    count(connection, book, upto=entries[-1].seq)


def _take_plan(database: Database, hub: Path, ledger: Ledger) -> None:
    """The newest plan, where the file is another than was taken; one that the hub did not sign is none."""
    plan = read_own(hub / PLAN_FILE, ledger)
    if plan is None:
        return
    body = json.dumps(plan, sort_keys=True)
    with database.reading() as connection:
        if connection.scalar(select(PLANS.c.body)) == body:
            return
    values: dict[str, Any] = {"hub": ledger.owner, "body": body}
    with database.changing() as connection:
        if not connection.execute(update(PLANS).where(PLANS.c.id == 1).values(values)).rowcount:
            connection.execute(insert(PLANS).values(id=1, **values))
