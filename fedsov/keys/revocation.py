"""Certificates that were taken back: a list that the hub signs with its ledger's key, and whose counter only grows.

    text = written(revoked(before, identity.serial, "DE", at=now, why="the machine was stolen"), key, sign)
    now_known = read(text, key)                    # `key` is what a region pins as keys.hub
    now_known.check_follows(before)                # not an older list put back, and nobody struck off
    is_revoked(now_known, serial)

Hub and regions read it at each connection; it is never edited. The signature is Ed25519 (RFC 8032).
Whoever has the hub's ledger key can make any list: the list protects a region from others,
and the hub from everybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from fedsov.checks import whole
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys import signed_text

FORMAT = "fedsov revoked certificates 1"
_WAY_OUT = "copy the hub's deployment/revoked.json again"


@dataclass(frozen=True, slots=True)
class Revoked:
    """One certificate that was taken back.

    Attributes:
        serial: its number, in hexadecimal.
        name: the party that it named.
        at: when, ISO 8601 in UTC.
    """

    serial: str
    name: str
    at: str
    why: str


@dataclass(frozen=True, slots=True)
class RevocationList:
    """Every certificate that was taken back, in order.

    Attributes:
        counter: which list of the hub's it is, from 1 on; 0 of none.
        issued_at: when it was signed, ISO 8601 in UTC.
    """

    counter: int = 0
    issued_at: str = ""
    revoked: tuple[Revoked, ...] = ()

    def check_follows(self, seen: RevocationList) -> RevocationList:
        """This list, where it is the one that was seen last, or came after it.

        Raises CertificateRefused for an older one, for another one of the same number, and where an entry is gone.
        """
        if self.counter < seen.counter:
            raise CertificateRefused(
                f"the list of revoked certificates is number {self.counter}, and number {seen.counter} was seen "
                f"before: an old one was put back; {_WAY_OUT}"
            )
        if self.counter == seen.counter and self != seen:
            raise CertificateRefused(f"two lists of revoked certificates have number {self.counter}; {_WAY_OUT}")
        if self.revoked[: len(seen.revoked)] != seen.revoked:
            raise CertificateRefused(f"a revoked certificate is on the list no more, or was changed; {_WAY_OUT}")
        return self


def revoked(before: RevocationList, serial: str, name: str, *, at: datetime, why: str) -> RevocationList:
    """The next list, with one more certificate; the same list where it has that one already."""
    if is_revoked(before, serial):
        return before
    entry = Revoked(serial, name, _time(at), why)
    return RevocationList(before.counter + 1, _time(at), (*before.revoked, entry))


def issued(before: RevocationList, *, at: datetime) -> RevocationList:
    """The next list, with nobody more: the first one is made so."""
    return replace(before, counter=before.counter + 1, issued_at=_time(at))


def is_revoked(listed: RevocationList, serial: str) -> bool:
    """Whether a certificate of this number was taken back."""
    return any(entry.serial == serial for entry in listed.revoked)


def check_not_revoked(listed: RevocationList, serial: str, name: str) -> None:
    """Raises CertificateRefused for a certificate that was taken back."""
    for entry in listed.revoked:
        if entry.serial == serial:
            raise CertificateRefused(
                f"the certificate {serial[:16]} of {name} was revoked at {entry.at}: {entry.why}; "
                "`fedsov deploy renew` asks for a new one"
            )


def written(listed: RevocationList, key: str, sign: Callable[[bytes], bytes]) -> bytes:
    """The text of a list.

    Args:
        key: the public key (Ed25519, hexadecimal) of the hub's ledger.
        sign: signs with that ledger's private key.
    """
    return signed_text.written(FORMAT, {**asdict(listed), "key": key}, sign)


def read(text: bytes, key: str) -> RevocationList:
    """The list in a text. Raises CertificateRefused for what is none, or was not signed with this key (hexadecimal)."""

    def holds(plain: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
        return plain["key"] == key and signed_text.holds_ed25519(key, message, signature)

    plain = signed_text.read(text, FORMAT, holds, called=f"the list of revoked certificates (key {key[:16]}…)")
    try:
        revoked = tuple(Revoked(**entry) for entry in plain["revoked"])
        return RevocationList(whole("counter", plain["counter"], at_least=0), str(plain["issued_at"]), revoked)
    except (TypeError, KeyError, ConfigurationError):
        raise CertificateRefused(f"the list of revoked certificates cannot be read; {_WAY_OUT}") from None


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
