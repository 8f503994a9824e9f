"""The OpenID provider that a hub names for its people, and the sign-ins that are under way there.

The provider says who somebody is; what the person may do is the hub's account of that subject. An e-mail address or a
group that a provider claims gives no right. A sign-in that was begun is finished once, by the browser that began it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Column, Connection, Float, String, Table, delete, func, insert, or_, select

from fedsov.control_plane.database.engine import METADATA, Database
from fedsov.errors import ConfigurationError, LimitExceeded

BEGUN = Table(
    "openid_sign_ins",
    METADATA,
    Column("state", String(64), primary_key=True),
    Column("guest", String(64), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("onward", String(2000), nullable=False),
    Column("at", Float, nullable=False),
)
"""One row a sign-in that was begun; the state and the browser's cookie as digests."""
RETURN_PATH = "/openid/return"
SECONDS = 600.0
"""How long a person may take at the provider."""
MOST_BEGUN, CROWDED_SECONDS = 10_000, 120.0
"""So many may be under way; where there are more, a person may take this long."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """Where people sign in.

    Attributes:
        issuer: its address, as its tokens name it.
        client: this hub's name there; `secret` is the hub's password there.
        label: what the button says.
    """

    issuer: str
    client: str
    secret: str = field(repr=False)
    label: str = "OpenID"

    @property
    def is_trial(self) -> bool:
        """Whether it runs on this machine, for a trial."""
        return urlsplit(self.issuer).hostname in LOOPBACK

    def check(self) -> None:
        """Raises ConfigurationError for an issuer without TLS (but on this machine), and where a word is missing."""
        parts = urlsplit(self.issuer)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and self.is_trial)
        if not is_safe or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ConfigurationError(f"--issuer {self.issuer!r} is no provider's address; write https://HOST[/PATH]")
        if not self.client or not self.secret:
            raise ConfigurationError("a provider needs --client ID and --secret-file FILE, as it registered the hub")

    def to_json(self) -> dict[str, Any]:
        """For the file that only the hub reads."""
        return {"issuer": self.issuer, "client": self.client, "secret": self.secret, "label": self.label}


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that is under way.

    Attributes:
        nonce: what the provider's token has to repeat.
        verifier: what proves that the code is this hub's (PKCE, RFC 7636).
        onward: the page that the person wanted.
    """

    state: str
    nonce: str
    verifier: str
    onward: str


def begin_sign_in(database: Database, *, guest: str, onward: str, now: float) -> SignIn:
    """Begins a sign-in of the browser with this guest's cookie. Raises LimitExceeded where very many are under way."""
    begun = SignIn(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(64), onward[:2000])
    with database.changing(wakes=False) as connection:
        connection.execute(delete(BEGUN).where(BEGUN.c.at <= now - SECONDS))
        if _count(connection) >= MOST_BEGUN:
            connection.execute(delete(BEGUN).where(BEGUN.c.at <= now - CROWDED_SECONDS))
            if _count(connection) >= MOST_BEGUN:
                raise LimitExceeded("very many sign-ins are under way; try again in two minutes")
        connection.execute(
            insert(BEGUN).values(
                state=_digest(begun.state),
                guest=_digest(guest),
                nonce=begun.nonce,
                verifier=begun.verifier,
                onward=begun.onward,
                at=now,
            )
        )
    return begun


def take_sign_in(database: Database, *, state: str, guest: str, now: float) -> SignIn | None:
    """The sign-in of a state that the same browser began, once; None for any other, an old one, and a second time."""
    with database.changing(wakes=False) as connection:
        row = connection.execute(select(BEGUN).where(BEGUN.c.state == _digest(state)).with_for_update()).one_or_none()
        is_old = or_(BEGUN.c.state == _digest(state), BEGUN.c.at <= now - SECONDS)
        connection.execute(delete(BEGUN).where(is_old))
    if row is None or row.guest != _digest(guest) or row.at <= now - SECONDS:
        return None
    return SignIn(state, row.nonce, row.verifier, row.onward)


def _count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(BEGUN)) or 0


def _digest(word: str) -> str:
    return sha256(word.encode()).hexdigest()
