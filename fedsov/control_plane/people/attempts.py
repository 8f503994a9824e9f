"""Attempts to sign in, counted in the database, so that guessing is slow whichever service is asked.

    take_attempt(database, "anna", "203.0.113.9", now=now)    # raises LimitExceeded; counts before anything is checked
    forget_attempts(database, "anna", "203.0.113.9")          # it was right

Within 15 minutes: 5 wrong ones of a name from an address, 50 of a name from anywhere, 100 from an address. So a
stranger elsewhere cannot lock somebody out with a few guesses, and a hundred addresses together have fifty. An attempt
counts before the password is looked at, so that many at once are no way around it.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import Column, Connection, Float, Integer, String, Table, delete, func, insert, select

from fedsov.control_plane.database.engine import CHANGES, METADATA, Database
from fedsov.errors import LimitExceeded

ATTEMPTS = Table(
    "sign_in_attempts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("pair", String(64), nullable=False, index=True),
    Column("name", String(64), nullable=False, index=True),
    Column("address", String(64), nullable=False, index=True),
    Column("at", Float, nullable=False),
)
"""One row an attempt, all digests, so that no list of mistyped names (or passwords) comes to be."""
WINDOW_SECONDS = 900.0
MOST = {"pair": 5, "name": 50, "address": 100}


def take_attempt(database: Database, name: str, address: str, *, now: float) -> None:
    """Counts an attempt; those that are too old to count are deleted.

    Raises LimitExceeded where the name, the address or both were tried too often of late.
    """
    digests = _digests(name, address)
    with database.changing(wakes=False) as connection:
        connection.execute(select(CHANGES.c.id).with_for_update())  # attempts at once are counted after each other
        connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.at <= now - WINDOW_SECONDS))
        for scope, digest in digests.items():
            count = connection.scalar(select(func.count()).select_from(ATTEMPTS).where(ATTEMPTS.c[scope] == digest))
            if (count or 0) >= MOST[scope]:
                raise LimitExceeded(
                    f"too many failed sign-ins; wait {round(WINDOW_SECONDS / 60)} minutes, or have the hub's operator "
                    "run `fedsov account reset NAME`"
                )
        connection.execute(insert(ATTEMPTS).values(**digests, at=now))


def forget_attempts(database: Database, name: str, address: str) -> None:
    """Forgets the attempts of a name from an address: the person is who they say."""
    with database.changing(wakes=False) as connection:
        connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.pair == _digests(name, address)["pair"]))


def forget_failures(connection: Connection, name: str) -> None:
    """Forgets the attempts of a name from everywhere, in the caller's transaction: it has another password."""
    connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.name == _digests(name, "")["name"]))


def _digests(name: str, address: str) -> dict[str, str]:
    """What is counted of an attempt, by column."""
    words = {"pair": f"pair {name} {address}", "name": f"name {name}", "address": f"address {address}"}
    return {column: sha256(word.encode()).hexdigest() for column, word in words.items()}
