"""Accounts of people at the hub: added, changed and removed by commands in the hub's home, never by a page.

    accounts = Accounts(database, note=ledger.note)
    accounts.add(PersonAccount("anna", roles), password="...", by="O. Perator")
    accounts.checked("anna", "...", now=time.time())

An account has a password, or a subject of the OpenID provider that the hub names; its roles are the hub's own in both
cases. Each change is noted in the hub's ledger before it is in force, with whoever made it, and ends the sessions that
the person has. The database alone says who may what: whoever can write it needs no account.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from fedsov.control_plane.database.engine import METADATA, Database
from fedsov.control_plane.people.attempts import forget_failures
from fedsov.control_plane.people.passwords import check_password, hashed, matches, temporary_password
from fedsov.control_plane.people.roles import Person, Role
from fedsov.control_plane.people.sessions import begin_program_session, end_sessions
from fedsov.errors import ConfigurationError, unknown

LONGEST_SUBJECT = 255
ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("roles", String(200), nullable=False),
    Column("regions", Text, nullable=False),
    Column("password", String(200), nullable=False),
    Column("is_temporary", Boolean, nullable=False),
    Column("temporary_until", Float, nullable=False),
    Column("subject", String(LONGEST_SUBJECT), nullable=True, unique=True),
    Column("added", Float, nullable=False),
)
"""One row a person. `password` is what argon2 keeps of it; "" for who signs in by the OpenID provider."""
NOTE = "account"
"""What the hub's ledger calls the note of a change of an account."""
TEMPORARY_SECONDS = 72 * 3600
"""How long a password that the hub made opens the page that asks for another."""
MOST_DAYS = 90
"""How long a program's token is good for, at most."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True)
class PersonAccount:
    """Somebody's account.

    Attributes:
        regions: those that it is for; none means all.
        subject: the person at the OpenID provider; "" for a password.
        is_temporary: whether the password was made by the hub and has to be changed at the first sign-in.
        added: when, in seconds of the epoch.
    """

    name: str
    roles: frozenset[Role]
    regions: frozenset[str] = frozenset()
    subject: str = ""
    is_temporary: bool = False
    added: float = 0.0

    @property
    def person(self) -> Person:
        """Who it is for."""
        return Person(self.name, self.roles, self.regions)

    @property
    def in_words(self) -> str:
        """In a line, for people."""
        regions = f" for {', '.join(sorted(self.regions))}" if self.regions else " for every region"
        how = "by OpenID" if self.subject else "by a temporary password" if self.is_temporary else "by password"
        return f"{self.name}: {', '.join(sorted(self.roles))}{regions}, signs in {how}"

    def to_json(self) -> dict[str, Any]:
        """For `account list --json` and for the ledger's note; nothing of the password."""
        return {
            "name": self.name,
            "roles": sorted(self.roles),
            "regions": sorted(self.regions),
            "signs_in_by": "openid" if self.subject else "password",
            "temporary_password": self.is_temporary,
        }


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a hub.

    Attributes:
        note: notes an act in the hub's ledger; raises where it cannot be written, and then nothing changes.
    """

    database: Database
    note: Callable[[Mapping[str, Any]], object]

    def add(self, account: PersonAccount, *, password: str = "", by: str, why: str = "", now: float) -> str:
        """Adds an account; returns the temporary password that was made, "" where one was given or none is needed.

        Args:
            password: the one that the person chose; "" makes a temporary one, but for who signs in by OpenID.

        Raises ConfigurationError for a name that is taken or is none, a subject that another has, a weak password.
        """
        if not _NAME.fullmatch(account.name):
            raise ConfigurationError(
                f"{account.name!r} is no account's name; write small letters, digits, dot, hyphen, @ (at most 64)"
            )
        if len(account.subject) > LONGEST_SUBJECT:
            raise ConfigurationError(
                f"a subject has at most {LONGEST_SUBJECT} letters (OpenID Connect); copy its `sub`"
            )
        temporary, stored = _first_password(account, password)
        values = {
            **_columns(account),
            "name": account.name,
            "subject": account.subject or None,
            "password": stored,
            "is_temporary": bool(temporary),
            "temporary_until": now + TEMPORARY_SECONDS,
            "added": now,
        }
        with self.database.changing(wakes=False) as connection:
            try:
                connection.execute(insert(ACCOUNTS).values(**values))
            except IntegrityError:
                raise ConfigurationError(
                    f"there is an account {account.name!r} or one of the same OpenID subject; `fedsov account list` "
                    f"shows them, `fedsov account remove {account.name}` removes it"
                ) from None
            self._note("added", account, by=by, why=why)
        return temporary

    def listed(self) -> list[PersonAccount]:
        """Every account, by name."""
        with self.database.reading() as connection:
            return [_account(row) for row in connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name))]

    def get(self, name: str) -> PersonAccount:
        """An account. Raises ConfigurationError for an unknown name."""
        if account := self.find(name):
            return account
        raise ConfigurationError(unknown("account", name, [account.name for account in self.listed()]))

    def find(self, name: str) -> PersonAccount | None:
        """An account; None for an unknown name."""
        return self._where(ACCOUNTS.c.name == name)

    def of_subject(self, subject: str) -> PersonAccount | None:
        """The account of a person at the OpenID provider; None where the hub has none."""
        return self._where(ACCOUNTS.c.subject == subject)

    def checked(self, name: str, password: str, *, now: float) -> PersonAccount | None:
        """The account of a name and its password; None for a wrong one, after the same time whatever is wrong."""
        with self.database.reading() as connection:
            row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).one_or_none()
        is_right = matches(password, "" if row is None else row.password)
        if row is None or not is_right or (row.is_temporary and now > row.temporary_until):
            return None
        return _account(row)

    def reset(self, name: str, *, password: str = "", by: str, why: str = "", now: float) -> str:
        """A new password, and the end of the person's sessions and failed sign-ins; returns as `add`.

        Raises ConfigurationError for an unknown name, who signs in by OpenID, a weak password.
        """
        account = self.get(name)
        if account.subject:
            raise ConfigurationError(f"{name} signs in by the OpenID provider and has no password here; reset it there")
        temporary, stored = _first_password(account, password)
        with self.database.changing(wakes=False) as connection:
            _set_password(connection, name, stored, until=now + TEMPORARY_SECONDS if temporary else None)
            end_sessions(connection, name)
            forget_failures(connection, name)
            self._note("password reset", account, by=by, why=why)
        return temporary

    def choose(self, name: str, *, old: str, new: str, now: float) -> bool:
        """Sets the password that the person chose and ends their sessions; False where the old one is wrong.

        Raises ConfigurationError for a weak password, and for the old one again.
        """
        account = self.checked(name, old, now=now)
        if account is None:
            return False
        check_password(new, name=name)
        if new == old:
            raise ConfigurationError("the new password is the old one; choose another")
        stored = hashed(new)
        with self.database.changing(wakes=False) as connection:
            _set_password(connection, name, stored, until=None)
            end_sessions(connection, name)
            self._note("password chosen", account, by=name, why="")
        return True

    def change(
        self, name: str, *, roles: frozenset[Role], regions: frozenset[str], by: str, why: str = ""
    ) -> PersonAccount:
        """Other roles or regions, and the end of the sessions. Raises ConfigurationError for an unknown name."""
        after = replace(self.get(name), roles=roles, regions=regions)
        with self.database.changing(wakes=False) as connection:
            connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(**_columns(after)))
            end_sessions(connection, name)
            self._note("changed", after, by=by, why=why)
        return after

    def remove(self, name: str, *, by: str, why: str = "") -> PersonAccount:
        """Removes an account and ends its sessions. Raises ConfigurationError for an unknown name."""
        account = self.get(name)
        with self.database.changing(wakes=False) as connection:
            end_sessions(connection, name)
            connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.name == name))
            self._note("removed", account, by=by, why=why)
        return account

    def token(self, name: str, *, days: int, by: str, why: str = "", now: float) -> str:
        """A token by which a program acts as this person, for so many days, or until the account is changed.

        Raises ConfigurationError for an unknown name, and for more than `MOST_DAYS`.
        """
        account = self.get(name)
        if not 0 < days <= MOST_DAYS:
            raise ConfigurationError(f"a token is good for 1 to {MOST_DAYS} days, got {days}")
        with self.database.changing(wakes=False) as connection:
            token = begin_program_session(connection, name, now=now, ends=now + days * 86_400)
            self._note("token made", account, by=by, why=why)
        return token

    def _where(self, condition: ColumnElement[bool]) -> PersonAccount | None:
        with self.database.reading() as connection:
            row = connection.execute(select(ACCOUNTS).where(condition)).one_or_none()
        return None if row is None else _account(row)

    def _note(self, act: str, account: PersonAccount, *, by: str, why: str) -> None:
        """Within the transaction of the change: where the ledger cannot be written, nothing changes."""
        self.note({NOTE: {"act": act, **account.to_json(), "by": by, "why": why}})


def _first_password(account: PersonAccount, password: str) -> tuple[str, str]:
    """The temporary password that was made, if any, and what is kept."""
    if account.subject:
        if password:
            raise ConfigurationError("give a password or --subject, not both")
        return "", ""
    if password:
        check_password(password, name=account.name)
    temporary = "" if password else temporary_password()
    return temporary, hashed(password or temporary)


def _set_password(connection: Connection, name: str, stored: str, *, until: float | None) -> None:
    values = {"password": stored, "is_temporary": until is not None, "temporary_until": until or 0.0}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(**values))


def _columns(account: PersonAccount) -> dict[str, str]:
    return {"roles": ",".join(sorted(account.roles)), "regions": ",".join(sorted(account.regions))}


def _account(row: Row[Any]) -> PersonAccount:
    return PersonAccount(
        row.name,
        frozenset(Role(word) for word in row.roles.split(",")),
        frozenset(filter(None, row.regions.split(","))),
        row.subject or "",
        row.is_temporary,
        row.added,
    )
