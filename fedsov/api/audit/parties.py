"""The ledgers of all parties, as a home has them: its own whole, those of other homes as far as they share them.

In one workspace every ledger is here. In the home of a hub the regions' are what they shared over the channel, which
verifies under the head that the region signed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from fedsov.control_plane.compliance import witness_tables as tables
from fedsov.control_plane.compliance.entries import LedgerView, read_book
from fedsov.control_plane.compliance.witness_tables import Announced
from fedsov.control_plane.database.place import open_database
from fedsov.errors import LedgerBroken
from fedsov.ledger import merkle
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.shared_entries import Part, fold
from fedsov.ledger.signed_head import Head
from fedsov.ledger.witnessing import Alarm, Countersignature, is_continued, recalled
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class SharedBook:
    """What a party in another home shares of its ledger, under a head that it signed.

    Attributes:
        path: what proves that the head continues the parts, where they end before it: the rest has yet to come.
        received: when its last announcement came.
    """

    head: Head
    parts: tuple[Part, ...]
    path: tuple[str, ...]
    received: str

    def fault(self) -> str:
        """Why the parts do not make up the head; "" where they do."""
        try:
            frontier, size = fold([], 0, self.parts)
            self.head.check()
        except (LedgerBroken, IndexError) as problem:
            return str(problem)
        reached = replace(self.head, size=size, digest=merkle.root(frontier).hex())
        if size > self.head.size or not is_continued(reached, self.head, self.path):
            return f"what is here of it, up to entry {size:,}, is not under its signed head of {self.head.size:,}"
        return ""

    def view(self) -> LedgerView:
        """As a record reads a ledger."""
        given = [part for part in self.parts if part.entry is not None]
        listed = [(part.first, part.digest, json.loads(part.entry or "")) for part in given]
        view = read_book(self.head.owner, listed, head=self.head.digest, fault=self.fault())
        return replace(view, withheld=self.head.size - len(given))


@dataclass(frozen=True, slots=True)
class Witnessing:
    """What a home knows of witnessing.

    Attributes:
        announced: by party, the last announcement that came over the channel.
        shared: by party of another home, what it shares.
    """

    announced: dict[str, Announced]
    countersignatures: tuple[Countersignature, ...]
    alarms: tuple[Alarm, ...]
    shared: dict[str, SharedBook]


def witnessing(root: Path) -> Witnessing:
    """What the control plane's database and the ledgers of a home tell. Raises WorkspaceUnusable, LedgerBroken."""
    here = Workspace(root).ledgers()
    alarms: dict[tuple[str, str], Alarm] = {}
    owners = set()
    for path in here.values():
        with suppress(LedgerBroken), closing(Ledger.read(path)) as ledger:
            owners.add(ledger.owner)
            alarms |= {(each.noter, each.party): each for each in recalled(ledger).alarms.values()}
    with _reading(root) as connection:
        if connection is None:
            return Witnessing({}, (), tuple(alarms.values()), {})
        told = {(each.noter, each.party): each for each in tables.told_alarms(connection) if each.noter not in owners}
        announced = tables.every_announcement(connection)
        shared = {name: _shared(connection, name, each) for name, each in announced.items() if name not in owners}
        signed = tuple(tables.countersignatures(connection))
    return Witnessing(announced, signed, tuple({**told, **alarms}.values()), shared)


def _shared(connection: Connection, party: str, announced: Announced) -> SharedBook:
    ledger = tables.shared_ledger(connection, party)
    head = ledger.head or announced.announcement.head
    return SharedBook(head, tuple(tables.parts_of(connection, party)), ledger.path, announced.received)


@contextmanager
def _reading(root: Path) -> Iterator[Connection | None]:
    """The control plane's database; None where this home has none."""
    folder = HubControlFolder(root)
    if not folder.database.is_file() and not folder.database_address.is_file():
        yield None
        return
    with closing(open_database(root)) as database, database.reading() as connection:
        yield connection


def shared_books(root: Path) -> Sequence[LedgerView]:
    """What parties of other homes share, as a record reads it; none where every party is here."""
    return [book.view() for book in witnessing(root).shared.values()]
