"""The check of a token: who says which jurisdiction's law protects the person that a request is about, and until when.

    check = TokenCheck(table, {issuer.issuer: read_key_set(content, issuer)})
    claims = check.check(scope["headers"], time.time())         # Claims("DE", "u1", "https://idp.example", ...)

A request has exactly one Authorization header, a bearer token of a known issuer: signed by the key that it names, with
the algorithm of that key, for this audience, begun, not ended, and ending within the issuer's cap of lifetime. It
claims one jurisdiction. Everything else is a `TokenRefused`, which says why and repeats nothing of the token.

A token that passed is remembered by its bytes until it ends, in a bounded cache: a second look costs some microseconds.
New keys forget what old ones signed. Thread-safe: keys may be replaced while another thread checks.

>>> bearer([(b"authorization", b"Bearer abc")])
b'abc'
"""

from __future__ import annotations

import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fedsov.inference.tokens.issuers import TRIAL_KEY, Issuer, IssuerTable
from fedsov.inference.tokens.key_sets import KeySet
from fedsov.storage.bounded_files import parsed_json

LONGEST = 8192
"""Bytes of a token."""
REMEMBERED = 4096
"""Tokens in the cache of one process; past them the oldest are forgotten."""
_FORM = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SCHEME = re.compile(rb"bearer +([^ ]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a checked token says.

    Attributes:
        jurisdiction: an ISO 3166 code; whether any region serves it, routing decides.
        subject: the person, as the issuer names them; None where the token names none.
        expires: seconds since 1970.
    """

    jurisdiction: str
    subject: str | None
    issuer: str
    expires: float
    key_id: str


class TokenRefused(Exception):
    """A token that is not believed: the status of the answer, and why, without a word of the token."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class KeyUnknown(TokenRefused):
    """A token of a known issuer, signed by a key that is not there: it may be newer than what was fetched last."""

    def __init__(self, issuer: str) -> None:
        super().__init__(401, "the token's key is not among its issuer's keys")
        self.issuer = issuer


@dataclass(frozen=True, slots=True)
class _Remembered:
    claims: Claims
    begins: float
    latest: float
    """The moment before which its end was too far away."""


@dataclass(frozen=True, slots=True)
class _State:
    """The keys at one moment, and the tokens that they signed."""

    keys: Mapping[str, KeySet]
    passed: dict[bytes, _Remembered] = field(default_factory=dict)


class TokenCheck:
    """Checks tokens of the issuers of one table.

    Args:
        keys: of each issuer, by its name; an issuer without keys is believed in nothing.
    """

    def __init__(self, table: IssuerTable, keys: Mapping[str, KeySet]) -> None:
        self.table = table
        self._issuers = {issuer.issuer: issuer for issuer in table.issuers}
        self._state = _State(dict(keys))

    def replace_keys(self, keys: Mapping[str, KeySet]) -> None:
        """Takes other keys; tokens that passed under the old ones are checked again."""
        if {name: keys_of.keys for name, keys_of in keys.items()} != {
            name: keys_of.keys for name, keys_of in self._state.keys.items()
        }:
            self._state = _State(dict(keys))

    def check(self, headers: Iterable[tuple[bytes, bytes]], now: float) -> Claims:
        """What the token of a request claims.

        Args:
            headers: names and values, as ASGI has them.
            now: seconds since 1970.

        Raises:
            TokenRefused: no token, two, or one that is not believed; `KeyUnknown` where newer keys may help.
        """
        token = bearer(headers)
        state = self._state
        remembered = state.passed.get(token)
        if remembered is None:
            remembered = self._examine(token, state.keys)
            self._check_times(remembered, now)
            _remember(state.passed, token, remembered, now)
        else:
            self._check_times(remembered, now)
        return remembered.claims

    def _check_times(self, remembered: _Remembered, now: float) -> None:
        if now >= remembered.claims.expires + self.table.leeway:
            raise TokenRefused(401, "the token has expired; get a new one")
        if now < remembered.begins - self.table.leeway:
            raise TokenRefused(401, "the token is not valid yet")
        if now < remembered.latest - self.table.leeway:
            raise TokenRefused(401, "the token lives longer than its issuer may allow")

    def _examine(self, token: bytes, keys: Mapping[str, KeySet]) -> _Remembered:
        """Everything but the time of day. The key that the token names must be its issuer's before it is used."""
        if not _FORM.fullmatch(token):
            raise TokenRefused(401, "the token is not a signed JSON Web Token")
        head, unproven = (_part(word) for word in token.split(b".")[:2])
        name = unproven.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise TokenRefused(401, "the token's issuer is not in the table")
        key_id = _key_id(head, issuer)
        key = keys.get(issuer.issuer, KeySet()).keys.get(key_id)
        if key is None:
            raise KeyUnknown(issuer.issuer)
        if head["alg"] != key.algorithm:
            raise TokenRefused(401, "the token's algorithm is not that of its key")
        payload = key.payload(token.decode("ascii"))
        if payload is None:
            raise TokenRefused(401, "the token's signature does not hold")
        return _claimed(_object(payload), issuer, key_id)


def bearer(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The token of a request. Raises TokenRefused where it has no Authorization header, several, or another scheme."""
    values = [value for name, value in headers if name == b"authorization" or name.lower() == b"authorization"]
    if len(values) != 1:
        raise TokenRefused(
            *(
                (401, "the request has no token; send `Authorization: Bearer TOKEN`")
                if not values
                else (400, "two Authorization headers")
            )
        )
    value = values[0]
    token = value[7:] if value[:7] == b"Bearer " else _of_scheme(value)
    if len(token) > LONGEST:
        raise TokenRefused(401, f"the token is longer than {LONGEST:,} bytes")
    return token


def _of_scheme(value: bytes) -> bytes:
    written = _SCHEME.fullmatch(value) if len(value) <= LONGEST + 100 else None
    if written is None:
        raise TokenRefused(401, "the Authorization header is no bearer token")
    return written[1]


def _remember(passed: dict[bytes, _Remembered], token: bytes, remembered: _Remembered, now: float) -> None:
    if len(passed) >= REMEMBERED:
        for old in [old for old, entry in list(passed.items()) if entry.claims.expires <= now]:
            passed.pop(old, None)
        for old in list(passed)[: max(0, len(passed) - REMEMBERED * 3 // 4)]:
            passed.pop(old, None)
    passed[token] = remembered


def _part(word: bytes) -> dict[str, Any]:
    try:
        return _object(urlsafe_b64decode(word + b"=" * (-len(word) % 4)))
    except ValueError:
        raise TokenRefused(401, "the token is not a signed JSON Web Token") from None


def _object(content: bytes) -> dict[str, Any]:
    """A JSON object in which no name stands twice, which two readers could read differently."""
    try:
        plain = parsed_json(content, of_pairs=_each_once)
    except ValueError:
        plain = None
    if not isinstance(plain, dict):
        raise TokenRefused(401, "the token holds no JSON object in which each name stands once")
    return plain


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) != len(pairs):
        raise ValueError("a name stands twice")
    return plain


def _key_id(head: Mapping[str, Any], issuer: Issuer) -> str:
    """The key that a token names. Raises TokenRefused for an algorithm that is not listed, or an extension."""
    if not isinstance(head.get("alg"), str) or head["alg"] not in issuer.algorithms:
        raise TokenRefused(401, "the token's algorithm is not in the issuer's list")
    if "crit" in head or "b64" in head:
        raise TokenRefused(401, "the token asks for an extension that is not known here")
    key_id = head.get("kid")
    if not isinstance(key_id, str):
        raise TokenRefused(401, "the token names no key")
    if key_id.startswith(TRIAL_KEY) and not issuer.is_trial:
        raise TokenRefused(401, "the token is a trial's")
    return key_id


def _claimed(payload: Mapping[str, Any], issuer: Issuer, key_id: str) -> _Remembered:
    if payload.get("iss") != issuer.issuer:
        raise TokenRefused(401, "the token's issuer is not in the table")
    audience = payload.get("aud")
    if audience != issuer.audience and not (isinstance(audience, list) and issuer.audience in audience):
        raise TokenRefused(401, "the token is for another audience")
    expires = _moment(payload, "exp")
    if expires is None:
        raise TokenRefused(401, "the token does not say when it ends")
    begins, issued = _moment(payload, "nbf"), _moment(payload, "iat")
    if issued is not None and expires - issued > issuer.longest_lifetime:
        raise TokenRefused(401, "the token lives longer than its issuer may allow")
    jurisdiction = issuer.jurisdiction(payload.get(issuer.claim))
    if jurisdiction is None:
        raise TokenRefused(403, f"the claim {issuer.claim!r} is not one ISO 3166 code such as DE")
    claims = Claims(jurisdiction, _subject(payload, issuer), issuer.issuer, expires, key_id)
    return _Remembered(claims, -math.inf if begins is None else begins, expires - issuer.longest_lifetime)


def _moment(payload: Mapping[str, Any], name: str) -> float | None:
    """A date of the token in seconds since 1970; None where it has none. Raises TokenRefused for what is no number."""
    value = payload.get(name)
    if name not in payload:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        raise TokenRefused(401, f"the token's {name} is no number of seconds")
    return float(value)


def _subject(payload: Mapping[str, Any], issuer: Issuer) -> str | None:
    if issuer.subject is None or issuer.subject not in payload:
        return None
    subject = payload[issuer.subject]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise TokenRefused(403, f"the claim {issuer.subject!r} names no person in 1 to 255 letters")
    return subject
