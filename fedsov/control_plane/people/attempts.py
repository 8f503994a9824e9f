"""Failed sign-ins, counted in the database, so that guessing is slow whichever service is asked.

    check_attempts(database, "anna", "203.0.113.9", now=now)    # raises LimitExceeded
    note_failure(database, "anna", "203.0.113.9", now=now)

Within 15 minutes: 5 failures of a name from an address, 50 of a name from anywhere, 100 from an address. So a stranger
elsewhere cannot lock somebody out with a few guesses, and a hundred addresses together have fifty.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import Column, Connection, Float, Integer, String, Table, delete, func, insert, select

from fedsov.control_plane.database.engine import METADATA, Database
from fedsov.errors import LimitExceeded

ATTEMPTS = Table(
    "sign_in_failures",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("pair", String(64), nullable=False, index=True),
    Column("name", String(64), nullable=False, index=True),
    Column("address", String(64), nullable=False, index=True),
    Column("at", Float, nullable=False),
)
"""One row a failure, all digests, so that no list of mistyped names (or passwords) comes to be."""
WINDOW_SECONDS = 900.0
MOST = {"pair": 5, "name": 50, "address": 100}


def check_attempts(database: Database, name: str, address: str, *, now: float) -> None:
    """Raises LimitExceeded where the name, the address or both failed too often of late."""
    with database.reading() as connection:
        for scope, digest in _digests(name, address).items():
            recent = (ATTEMPTS.c[scope] == digest) & (ATTEMPTS.c.at > now - WINDOW_SECONDS)
            if (connection.scalar(select(func.count()).select_from(ATTEMPTS).where(recent)) or 0) >= MOST[scope]:
                raise LimitExceeded(
                    f"too many failed sign-ins; wait {round(WINDOW_SECONDS / 60)} minutes, or have the hub's operator "
                    "run `fedsov account reset NAME`"
                )


def note_failure(database: Database, name: str, address: str, *, now: float) -> None:
    """Counts a failure; those that are too old to count are deleted."""
    with database.changing(wakes=False) as connection:
        connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.at <= now - WINDOW_SECONDS))
        connection.execute(insert(ATTEMPTS).values(**_digests(name, address), at=now))


def forget_failures(connection: Connection, name: str) -> None:
    """Forgets the failures of a name, in the caller's transaction: somebody made sure who it is."""
    connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.name == _digests(name, "")["name"]))


def _digests(name: str, address: str) -> dict[str, str]:
    """What is counted of a failure, by column."""
    words = {"pair": f"pair {name} {address}", "name": f"name {name}", "address": f"address {address}"}
    return {column: sha256(word.encode()).hexdigest() for column, word in words.items()}
