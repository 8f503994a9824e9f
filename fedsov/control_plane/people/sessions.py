"""Sessions of people who are signed in, in the database, so that each service knows them and any may end them.

    token = begin_session(database, "anna", now=time.time())   # the cookie's value; the database has its digest alone
    name = session_of(database, token, now=time.time())        # None once it ended
    end_session(database, token)

A session ends after an hour without a request, after twelve hours whatever happens, at sign-out, and when the account
is changed. Signing in always begins a new one: a token that somebody planted before is never signed in. A program has a
session too, by a token of `fedsov account token`, which ends at its day.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    String,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from fedsov.control_plane.database.engine import METADATA, Database

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("name", String(64), nullable=False, index=True),
    Column("began", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("ends", Float, nullable=False),
    Column("is_program", Boolean, nullable=False),
    Column("must_choose", Boolean, nullable=False),
)
"""One row a session. `ends`: when it is over whatever happens.
`must_choose`: it was begun with a temporary password, and opens the page for another alone."""
IDLE_SECONDS, LONGEST_SECONDS = 3600.0, 12 * 3600.0
_TOUCH_SECONDS = 60.0
"""How seldom a request is noted: not each is a write."""


@dataclass(frozen=True, slots=True)
class PersonSession:
    """Somebody's session, by its token.

    Attributes:
        must_choose: whether the person has to choose a password first.
        is_program: whether its token is a program's, and no browser's cookie.
    """

    token: str
    name: str
    must_choose: bool = False
    is_program: bool = False

    @property
    def csrf(self) -> str:
        """What a form has to bring beside the cookie."""
        return csrf_of(self.token)


def csrf_of(token: str) -> str:
    """What only a page that was sent to the holder of a cookie can know."""
    return sha256(b"fedsov csrf\0" + token.encode()).hexdigest()


def new_token() -> str:
    """256 bits that nobody can foresee."""
    return secrets.token_urlsafe(32)


def begin_session(database: Database, name: str, *, now: float, must_choose: bool = False, before: str = "") -> str:
    """Begins a session of a browser and returns its token; the one `before` ends, and so do all that are over."""
    token = new_token()
    with database.changing(wakes=False) as connection:
        connection.execute(delete(SESSIONS).where(or_(SESSIONS.c.sha256 == _digest(before), _is_over(now))))
        row = {"ends": now + LONGEST_SECONDS, "is_program": False, "must_choose": must_choose}
        connection.execute(insert(SESSIONS).values(sha256=_digest(token), name=name, began=now, seen=now, **row))
    return token


def begin_program_session(connection: Connection, name: str, *, now: float, ends: float) -> str:
    """Begins a session of a program, in the caller's transaction, and returns its token."""
    token = new_token()
    row = {"ends": ends, "is_program": True, "must_choose": False}
    connection.execute(insert(SESSIONS).values(sha256=_digest(token), name=name, began=now, seen=now, **row))
    return token


def session_of(database: Database, token: str, *, now: float, is_act: bool = True) -> PersonSession | None:
    """The session of a token; None where there is none or it is over.

    Args:
        is_act: whether it is the person who asks, and not a page that waits for news.
    """
    with database.reading() as connection:
        row = connection.execute(select(SESSIONS).where(SESSIONS.c.sha256 == _digest(token), ~_is_over(now))).first()
    if row is None:
        return None
    if is_act and now - row.seen > _TOUCH_SECONDS:
        with database.changing(wakes=False) as connection:
            connection.execute(update(SESSIONS).where(SESSIONS.c.sha256 == row.sha256).values(seen=now))
    return PersonSession(token, row.name, row.must_choose, row.is_program)


def end_session(database: Database, token: str) -> None:
    """Ends a session; nothing where there is none."""
    with database.changing(wakes=False) as connection:
        connection.execute(delete(SESSIONS).where(SESSIONS.c.sha256 == _digest(token)))


def end_sessions(connection: Connection, name: str) -> None:
    """Ends every session of a person, in the caller's transaction."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.name == name))


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _is_over(now: float) -> ColumnElement[bool]:
    return or_(SESSIONS.c.ends < now, and_(~SESSIONS.c.is_program, SESSIONS.c.seen < now - IDLE_SECONDS))
