"""Ledger entries counted into tables as they come, so that a page reads sums and no ledger.

    with database.changing() as connection:
        count(connection, read_book("hub", entries, head=head), upto=seq)

A ledger's entries are counted in their order, each once: the number of the last is kept with the sums, in the same
transaction, so that a kill at any instant, or a second service, counts none twice. What is counted is as in the record
of processing (`fedsov.control_plane.compliance.counts`): a crossing once in the total, and once for every origin that
the decision is about. A refusal that says the same again adds to its case.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from fedsov.border.decisions import JOINED
from fedsov.control_plane.compliance.counts import RefusalRecord, refusals
from fedsov.control_plane.compliance.entries import DECIDED, EntryView, LedgerView
from fedsov.control_plane.database.engine import METADATA

LEDGERS = Table(
    "counted_ledgers",
    METADATA,
    Column("owner", String(200), primary_key=True),
    Column("entries", Integer, nullable=False),
    Column("strange", Integer, nullable=False),
)
"""Up to which entry each ledger is counted."""
TOTALS = Table(
    "crossing_totals",
    METADATA,
    Column("owner", String(200), primary_key=True),
    Column("permitted", BigInteger, nullable=False),
    Column("reviewed", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
)
ROUTES = Table(
    "crossing_routes",
    METADATA,
    Column("owner", String(200), primary_key=True),
    Column("origin", String(200), primary_key=True),
    Column("destination", String(200), primary_key=True),
    Column("permitted", BigInteger, nullable=False),
    Column("reviewed", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
)
PLACES = Table(
    "crossing_places",
    METADATA,
    Column("code", String(200), primary_key=True),
    Column("name", Text, nullable=False),
)
"""What the entries call a code of a place."""
REFUSALS = Table(
    "refusal_cases",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("exporter", Text, nullable=False),
    Column("importer", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("lists", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("last", String(40), nullable=False, index=True),
)
"""Refusals that say the same, once; `lists` has origins, missing documents and citations as JSON."""
REVIEWS = Table(
    "review_cases",
    METADATA,
    Column("id", String(200), primary_key=True),
    Column("exporter", Text, nullable=False),
    Column("importer", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("origins", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("held", Integer, nullable=False),
    Column("first", String(40), nullable=False),
    Column("last", String(40), nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("since", String(40), nullable=False),
    Column("until", String(40), nullable=False),
    Column("withdrawn", Integer, nullable=False),
)
DOCUMENT_USES = Table(
    "document_uses",
    METADATA,
    Column("document", String(400), primary_key=True),
    Column("crossings", BigInteger, nullable=False),
    Column("last", String(40), nullable=False),
)
BUDGETS = Table(
    "told_budgets",
    METADATA,
    Column("region", String(200), primary_key=True),
    Column("spent", Float),
    Column("lifetime", Float),
    Column("delta", Float),
    Column("at", String(40), nullable=False),
    Column("unbounded_since", String(40), nullable=False),
)
_VERDICTS = {"permit": "permitted", "review": "reviewed", "refuse": "refused"}


def counted_up_to(connection: Connection, owner: str) -> int:
    """The number of the last entry of a ledger that is counted; 0 of none."""
    return int(connection.scalar(select(LEDGERS.c.entries).where(LEDGERS.c.owner == owner)) or 0)


def count(connection: Connection, book: LedgerView, *, upto: int) -> None:
    """Counts further entries of a ledger.

    Args:
        book: the entries that follow the last that was counted (`counted_up_to`, asked in this transaction).
        upto: the number of the last of them.
    """
    _put(connection, LEDGERS, {"owner": book.owner}, add={"strange": len(book.strange)}, put={"entries": upto})
    crossings = [line for line in book.lines if line.is_crossing]
    _count_crossings(connection, book.owner, crossings)
    for case in refusals([line for line in book.lines if line.act in DECIDED]):
        _count_refusal(connection, book.owner, case)
    for line in book.lines:
        _follow_review(connection, line)
    _count_documents(connection, [line for line in book.lines if line.verdict == "permit" and line.act in DECIDED])
    _keep_budget(connection, book)


def _count_crossings(connection: Connection, owner: str, crossings: Sequence[EntryView]) -> None:
    totals = Counter(_VERDICTS[line.verdict] for line in crossings)
    if totals:
        _put(connection, TOTALS, {"owner": owner}, add={word: totals[word] for word in _VERDICTS.values()})
    routes: dict[tuple[str, str], Counter[str]] = {}
    for line in crossings:
        for origin in line.answered_by:
            routes.setdefault((origin, line.destination), Counter())[_VERDICTS[line.verdict]] += 1
    _add_to_routes(connection, owner, routes)
    for code, name in sorted({line.destination: line.destination_name for line in crossings}.items()):
        if name:
            _put(connection, PLACES, {"code": code}, put={"name": name})


def _add_to_routes(connection: Connection, owner: str, routes: Mapping[tuple[str, str], Mapping[str, int]]) -> None:
    """Two statements for all routes of a block: a hundred regions have ten thousand."""
    known = select(ROUTES.c.origin, ROUTES.c.destination).where(ROUTES.c.owner == owner)
    present = {(origin, destination) for origin, destination in connection.execute(known)}
    words = tuple(_VERDICTS.values())
    rows = {key: {word: counts.get(word, 0) for word in words} for key, counts in sorted(routes.items())}
    new = [{"owner": owner, "origin": key[0], "destination": key[1], **rows[key]} for key in rows if key not in present]
    further = [
        {
            "at_origin": key[0],
            "at_destination": key[1],
            **{f"more_{word}": number for word, number in rows[key].items()},
        }
        for key in rows
        if key in present
    ]
    if further:
        here = (
            ROUTES.c.owner == owner,
            ROUTES.c.origin == bindparam("at_origin"),
            ROUTES.c.destination == bindparam("at_destination"),
        )
        sums = {word: ROUTES.c[word] + bindparam(f"more_{word}") for word in words}
        connection.execute(update(ROUTES).where(*here).values(sums), further)
    if new:
        connection.execute(insert(ROUTES), new)


def _count_refusal(connection: Connection, owner: str, case: RefusalRecord) -> None:
    lists = {"origins": case.origins, "missing": case.missing, "citations": case.citations}
    about = {
        "owner": owner,
        "exporter": case.exporter.name,
        "importer": case.importer.name,
        "destination": case.destination,
        "kind": case.kind,
        "name": case.name,
        "reason": case.reason,
        "remedy": case.remedy,
        "lists": json.dumps(lists, sort_keys=True),
    }
    identity = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    _put(connection, REFUSALS, {"id": identity}, add={"times": case.count}, put={**about, "last": case.last})


def _follow_review(connection: Connection, line: EntryView) -> None:
    """What an entry means for the reviews that it names: asked for, approved, or an approval taken back."""
    for review in filter(None, line.review.split(JOINED)):
        if line.verdict == "review" and line.act in DECIDED:
            _put(connection, REVIEWS, {"id": review}, add={"held": 1}, put=_asked(line), first=_unanswered(line))
        elif line.act == "approve":
            answer = {"approved_by": line.by, "why": line.why, "since": line.since, "until": line.until, "withdrawn": 0}
            connection.execute(update(REVIEWS).where(REVIEWS.c.id == review).values(answer))
        elif line.act == "withdraw":
            connection.execute(update(REVIEWS).where(REVIEWS.c.id == review).values(withdrawn=1))


def _asked(line: EntryView) -> dict[str, Any]:
    return {
        "exporter": line.exporter.name,
        "importer": line.importer.name,
        "destination": line.destination,
        "origins": json.dumps(line.bound_by),
        "kind": line.kind,
        "name": line.name,
        "reason": line.reason,
        "last": line.at,
    }


def _unanswered(line: EntryView) -> dict[str, Any]:
    return {"first": line.at, **dict.fromkeys(("approved_by", "why", "since", "until"), ""), "withdrawn": 0}


def _count_documents(connection: Connection, permitted: Iterable[EntryView]) -> None:
    uses: Counter[str] = Counter()
    last: dict[str, str] = {}
    for line in permitted:
        for name in dict.fromkeys(line.documents):
            uses[name] += 1
            last[name] = max(last.get(name, ""), line.at)
    for name, times in sorted(uses.items()):
        _put(connection, DOCUMENT_USES, {"document": name}, add={"crossings": times}, put={"last": last[name]})


def _keep_budget(connection: Connection, book: LedgerView) -> None:
    """The last that a ledger notes of its owner's budget."""
    if book.privacy:
        latest = book.privacy[-1]
        figures = {"spent": latest.spent, "lifetime": latest.lifetime, "delta": latest.delta, "at": latest.at}
        _put(connection, BUDGETS, {"region": book.owner}, put=figures, first={"unbounded_since": ""})
    if book.unbounded_since:
        since = {"unbounded_since": book.unbounded_since, "at": book.unbounded_since}
        _put(connection, BUDGETS, {"region": book.owner}, put=since)


def _put(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    *,
    add: Mapping[str, int] | None = None,
    put: Mapping[str, Any] | None = None,
    first: Mapping[str, Any] | None = None,
) -> None:
    """Adds to the sums of a row and puts its other values; makes it, with `first` too, where there is none."""
    add, put = add or {}, put or {}
    here = [table.c[name] == value for name, value in key.items()]
    summed = {name: table.c[name] + number for name, number in add.items()}
    if not connection.execute(update(table).where(*here).values({**put, **summed})).rowcount:
        connection.execute(insert(table).values({**key, **add, **put, **(first or {})}))
