"""What is new for whom: a number for each region and subject, which grows in the transaction that changed something.

    with database.changing() as connection:
        ...
        announce(connection, APPROVED, "DE")      # DE's long poll is answered once this is committed
        announce(connection, CONFIGURATION)       # every region's

A region tells which numbers it knows, so a notice is never lost: not by a restart of the service, nor by an outage.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Column, Connection, Integer, String, Table, delete, insert, select

from fedsov.control_plane.database.engine import CHANGES, METADATA

EVERYBODY = ""
NOTICES = Table(
    "notices",
    METADATA,
    Column("region", String(64), primary_key=True),
    Column("subject", String(32), primary_key=True),
    Column("number", Integer, nullable=False),
)
Notices = Mapping[tuple[str, str], int]
"""The newest number, by region (`EVERYBODY` for all) and subject."""


def announce(connection: Connection, subject: str, region: str = EVERYBODY) -> None:
    """Says within a `Database.changing` that something of this subject is new, for a region or for everybody."""
    own = (NOTICES.c.region == region, NOTICES.c.subject == subject)
    number = connection.scalar(select(CHANGES.c.counter))
    connection.execute(delete(NOTICES).where(*own))
    connection.execute(insert(NOTICES).values(region=region, subject=subject, number=number))


def all_notices(connection: Connection) -> Notices:
    """Every notice."""
    return {(row.region, row.subject): row.number for row in connection.execute(select(NOTICES))}


def unseen(notices: Notices, region: str, seen: Mapping[str, int]) -> dict[str, int]:
    """The subjects of which a region does not know the newest.

    >>> unseen({("DE", "approved"): 7, ("", "heads"): 3, ("FR", "approved"): 9}, "DE", {"heads": 3})
    {'approved': 7}
    """
    newest: dict[str, int] = {}
    for (whose, subject), number in notices.items():
        if whose in (region, EVERYBODY):
            newest[subject] = max(number, newest.get(subject, 0))
    return {subject: number for subject, number in newest.items() if number != seen.get(subject, 0)}
