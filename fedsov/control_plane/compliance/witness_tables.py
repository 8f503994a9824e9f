"""What the hub keeps of witnessing: announcements, proofs, countersignatures, alarms, and the parts of ledgers that are
shared. Whatever is here was signed by its owner, or verifies under a head that was."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Connection, String, Table, Text, delete, insert, select

from fedsov.control_plane.database.engine import METADATA
from fedsov.ledger.merkle import HASH
from fedsov.ledger.shared_entries import Part
from fedsov.ledger.signed_head import Head
from fedsov.ledger.witnessing import Alarm, Announcement, Countersignature

_NAME = String(64)
ANNOUNCEMENTS = Table(
    "announced_heads",
    METADATA,
    Column("party", _NAME, primary_key=True),
    Column("content", JSON, nullable=False),
    Column("taken", Boolean, nullable=False),
    Column("received", String(40), nullable=False),
)
PROOFS = Table(
    "head_proofs",
    METADATA,
    Column("party", _NAME, primary_key=True),
    Column("before", BigInteger, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("path", JSON, nullable=False),
)
COUNTERSIGNATURES = Table(
    "countersignatures",
    METADATA,
    Column("party", _NAME, primary_key=True),
    Column("witness", _NAME, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("content", JSON, nullable=False),
)
NOTED = Table(
    "heads_noted",
    METADATA,
    Column("party", _NAME, primary_key=True),
    Column("witness", _NAME, primary_key=True),
    Column("head", String(90), nullable=False),
)
"""By party and witness, the head (SIZE:ROOT) that the witness says it took last."""
LEDGERS = Table(
    "shared_ledgers",
    METADATA,
    Column("party", _NAME, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sharing", String(20), nullable=False),
    Column("frontier", Text, nullable=False),
    Column("head", JSON),
    Column("path", JSON, nullable=False),
)
PARTS = Table(
    "shared_parts",
    METADATA,
    Column("party", _NAME, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("entry", Text),
)
"""Entries ``first`` to ``last`` of a party's ledger: the text of one, or the hash of a perfect subtree."""
ALARMS = Table(
    "party_alarms",
    METADATA,
    Column("noter", _NAME, primary_key=True),
    Column("party", _NAME, primary_key=True),
    Column("content", JSON, nullable=False),
)
"""The alarms that are open in the ledgers of hub and regions, as each told last."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A party's last announcement, whether the hub took it, and when it came."""

    announcement: Announcement
    taken: bool
    received: str


@dataclass(frozen=True, slots=True)
class SharedLedger:
    """How much of a party's ledger is here.

    Attributes:
        sharing: by which sharing it was given; frontier: the perfect subtrees at its end.
        head: the signed head under which it verifies; path: what proves that the head continues its end.
    """

    size: int = 0
    sharing: str = "nothing"
    frontier: tuple[bytes, ...] = ()
    head: Head | None = None
    path: tuple[str, ...] = ()


def put_announced(connection: Connection, announced: Announcement, *, taken: bool, at: str) -> None:
    """Puts a party's announcement in the place of the one before."""
    own = {"party": announced.head.owner, "content": announced.to_json(), "taken": taken, "received": at}
    _put(connection, ANNOUNCEMENTS, ("party",), own)


def announced_by(connection: Connection, party: str) -> Announced | None:
    """The last announcement of a party; None where there was none."""
    row = connection.execute(select(ANNOUNCEMENTS).where(ANNOUNCEMENTS.c.party == party)).one_or_none()
    return None if row is None else Announced(Announcement.from_json(row.content), row.taken, row.received)


def every_announcement(connection: Connection, parties: Collection[str] | None = None) -> dict[str, Announced]:
    """The last announcement of each party, or of these, by its name."""
    wanted = select(ANNOUNCEMENTS).order_by(ANNOUNCEMENTS.c.party)
    rows = connection.execute(wanted if parties is None else wanted.where(ANNOUNCEMENTS.c.party.in_(parties)))
    return {row.party: Announced(Announcement.from_json(row.content), row.taken, row.received) for row in rows}


def put_proofs(connection: Connection, party: str, size: int, paths: Mapping[int, Iterable[str]]) -> None:
    """Puts proofs that the head of this size continues others; those of another head go."""
    connection.execute(delete(PROOFS).where(PROOFS.c.party == party, PROOFS.c.size != size))
    for before, path in paths.items():
        own = {"party": party, "before": before, "size": size, "path": list(path)}
        _put(connection, PROOFS, ("party", "before"), own)


def proofs_of(connection: Connection, party: str, size: int) -> dict[int, tuple[str, ...]]:
    """The proofs that a party's head of this size continues earlier ones, by their sizes."""
    rows = connection.execute(select(PROOFS).where(PROOFS.c.party == party, PROOFS.c.size == size))
    return {row.before: tuple(row.path) for row in rows}


def put_countersignature(connection: Connection, signed: Countersignature) -> None:
    """Puts a countersignature in the place of the witness's one before."""
    own = {"party": signed.head.owner, "witness": signed.witness, "size": signed.head.size}
    _put(connection, COUNTERSIGNATURES, ("party", "witness"), {**own, "content": signed.to_json()})


def countersignatures(connection: Connection, party: str = "") -> list[Countersignature]:
    """The countersignatures of a party's heads, or of everybody's; the last of each witness."""
    wanted = select(COUNTERSIGNATURES).order_by(COUNTERSIGNATURES.c.party, COUNTERSIGNATURES.c.witness)
    rows = connection.execute(wanted.where(COUNTERSIGNATURES.c.party == party) if party else wanted)
    return [Countersignature.from_json(row.content) for row in rows]


def put_noted(connection: Connection, witness: str, heads: Mapping[str, str]) -> None:
    """Puts what a witness says that it noted last of others."""
    for party, head in heads.items():
        _put(connection, NOTED, ("party", "witness"), {"party": party, "witness": witness, "head": head})


def noted_by(connection: Connection, witness: str) -> dict[str, str]:
    """By party, the head (SIZE:ROOT) that a witness noted last."""
    return {row.party: row.head for row in connection.execute(select(NOTED).where(NOTED.c.witness == witness))}


def noted_of(connection: Connection, party: str) -> dict[str, str]:
    """By witness, the head (SIZE:ROOT) of a party that it noted last."""
    return {row.witness: row.head for row in connection.execute(select(NOTED).where(NOTED.c.party == party))}


def shared_ledger(connection: Connection, party: str) -> SharedLedger:
    """How much of a party's ledger is here."""
    row = connection.execute(select(LEDGERS).where(LEDGERS.c.party == party)).one_or_none()
    if row is None:
        return SharedLedger()
    joined = bytes.fromhex(row.frontier)
    frontier = tuple(joined[start : start + HASH] for start in range(0, len(joined), HASH))
    head = None if row.head is None else Head.from_json(row.head)
    return SharedLedger(row.size, row.sharing, frontier, head, tuple(row.path))


def put_parts(connection: Connection, party: str, parts: Iterable[Part], ledger: SharedLedger, *, anew: bool) -> None:
    """Adds parts that were verified, and how much of the ledger is here with them; `anew` takes away those before."""
    if anew:
        connection.execute(delete(PARTS).where(PARTS.c.party == party))
    rows = [
        {"party": party, "first": part.first, "last": part.last, "digest": part.digest, "entry": part.entry}
        for part in parts
    ]
    if rows:
        connection.execute(insert(PARTS), rows)
    own = {"party": party, "size": ledger.size, "sharing": ledger.sharing, "frontier": b"".join(ledger.frontier).hex()}
    own |= {"head": None if ledger.head is None else ledger.head.to_json(), "path": list(ledger.path)}
    _put(connection, LEDGERS, ("party",), own)


def parts_of(connection: Connection, party: str) -> list[Part]:
    """The parts of a party's ledger that are here, in order."""
    rows = connection.execute(select(PARTS).where(PARTS.c.party == party).order_by(PARTS.c.first))
    return [Part(row.first, row.last, row.digest, row.entry) for row in rows]


def put_alarms(connection: Connection, noter: str, alarms: Iterable[Alarm]) -> None:
    """Puts the alarms that are open in a region's ledger in the place of those before."""
    connection.execute(delete(ALARMS).where(ALARMS.c.noter == noter))
    rows = [{"noter": noter, "party": each.party, "content": each.to_json()} for each in alarms]
    if rows:
        connection.execute(insert(ALARMS), rows)


def told_alarms(connection: Connection, noter: str = "") -> list[Alarm]:
    """The alarms that are open in the ledgers of all parties, or of one, as they told last."""
    wanted = select(ALARMS).order_by(ALARMS.c.party, ALARMS.c.noter)
    rows = connection.execute(wanted.where(ALARMS.c.noter == noter) if noter else wanted)
    return [Alarm.from_json(row.content) for row in rows]


def _put(connection: Connection, table: Table, key: Iterable[str], row: Mapping[str, Any]) -> None:
    connection.execute(delete(table).where(*(table.c[name] == row[name] for name in key)))
    connection.execute(insert(table).values(**row))
