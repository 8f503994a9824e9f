"""Who calls the coordinator, by the certificate of the connection, and whether they may still call at all.

TLS has checked that the authority signed the certificate, once, when the connection was made. Here each request asks
again whether it has ended, was taken back, or is that of no approved member: files that change are read again, so that
a revocation counts at the party's next request. Both are those that the hub's ledger noted last, else nobody is let in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from fedsov.errors import CertificateRefused, FedsovError, KeyUnavailable
from fedsov.keys.certificates import HUB, OPERATOR, REGION, Identity, identity_of, public_key_of
from fedsov.keys.members import Member
from fedsov.keys.revocation import RevocationList, Revoked, check_not_revoked, read
from fedsov.runtimes.deployment.noted import check_newest, members_in, newest_counter, noted_acts
from fedsov.storage.deployment_folder import DeploymentFolder

CERTIFICATE = "fedsov.certificate"
"""In a scope's ``extensions``: the certificate of the connection (DER), as the server wrote it (`tls_server`)."""

MOST_KNOWN = 4096
"""Certificates whose names are remembered: more than there are regions, which call in turn."""


class NotAllowed(FedsovError):
    """A party that may not do what it asks for."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A party and the public key (PEM) of its certificate."""

    role: str
    name: str
    serial: str
    not_after: datetime
    public_key: str


@lru_cache(maxsize=MOST_KNOWN)
def caller_of(certificate: bytes) -> Caller:
    """Who a certificate (DER) names. Raises CertificateRefused."""
    who: Identity = identity_of(certificate)
    return Caller(who.role, who.name, who.serial, who.not_after, public_key_of(certificate).decode())


@dataclass(slots=True)
class _Watched:
    """A file's value, read again when the file changes."""

    path: Path
    read: Callable[[Path], Any]
    state: tuple[int, int] | None = None
    value: Any = None

    def now(self) -> Any:
        try:
            stat = self.path.stat()
            state = (stat.st_mtime_ns, stat.st_ino)
        except FileNotFoundError:
            state = (0, 0)
        if state != self.state:
            self.value, self.state = self.read(self.path), state
        return self.value


@dataclass(slots=True)
class Access:
    """The members and the revoked of a hub's home.

    Args:
        clock: what time it is, in UTC.
    """

    folder: DeploymentFolder
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _members: _Watched = field(init=False)
    _revoked: _Watched = field(init=False)
    _taken_back: Mapping[str, Revoked] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._members = _Watched(self.folder.members, self._read_members)
        self._revoked = _Watched(self.folder.revoked, self._read_revoked)

    def caller(self, scope: Mapping[str, Any]) -> Caller:
        """Who calls. Raises NotAllowed, with the reason and the way to mend it."""
        certificate = (scope.get("extensions") or {}).get(CERTIFICATE)
        if not certificate:
            raise NotAllowed("no certificate came with the connection; every party has its own (`fedsov deploy`)")
        try:
            who = caller_of(certificate)
            self.check(who)
        except (CertificateRefused, KeyUnavailable) as error:
            raise NotAllowed(str(error)) from None
        return who

    def named(self, scope: Mapping[str, Any]) -> Caller | None:
        """Whom the certificate of a connection names, be it refused or not; None where it names nobody."""
        try:
            return caller_of((scope.get("extensions") or {}).get(CERTIFICATE) or b"")
        except CertificateRefused:
            return None

    def approved(self, role: str) -> list[str]:
        """The names of the members of a role."""
        members: Mapping[str, Member] = self._members.now()
        return sorted(name for name, member in members.items() if member.role == role)

    def verify_keys(self, role: str) -> dict[str, str]:
        """The keys that sign the ledgers of the members of a role, by name. Raises KeyUnavailable."""
        members: Mapping[str, Member] = self._members.now()
        return {name: each.verify_key for name, each in members.items() if each.role == role and each.verify_key}

    def submitters(self) -> set[str]:
        """The names of the members who may submit jobs. Raises KeyUnavailable."""
        return {*self.approved(HUB), *self.approved(OPERATOR)}

    @property
    def revocations(self) -> int:
        """The number of the newest list of revoked certificates. Raises KeyUnavailable, CertificateRefused."""
        listed: RevocationList = self._revoked.now()
        return listed.counter

    def revoked_regions(self) -> dict[str, Revoked]:
        """The regions that were revoked and are no members now, by name. Raises KeyUnavailable, CertificateRefused."""
        self._revoked.now()
        members = self._members.now()
        return {name: entry for name, entry in self._taken_back.items() if name not in members}

    def list_of_revoked(self) -> bytes:
        """That list, as it is signed."""
        return self.folder.revoked.read_bytes()

    def check(self, who: Caller) -> None:
        """Raises NotAllowed, CertificateRefused or KeyUnavailable for a party that may not call any more."""
        if self.clock() > who.not_after:
            raise NotAllowed(f"the certificate of {who.name} ended on {who.not_after.date()}; `fedsov deploy renew`")
        check_not_revoked(self._revoked.now(), who.serial, who.name)
        member = self._members.now().get(who.name)
        if member is None or member.role != who.role:
            raise NotAllowed(f"{who.name} is no approved {who.role} of this hub; `fedsov deploy approve`")
        if member.public_key.strip() != who.public_key.strip():
            raise NotAllowed(f"{who.name} was approved with another key; `fedsov deploy show` lists the members")

    def check_noted(self) -> None:
        """For the start; at a change each file is looked at again.

        Raises KeyUnavailable or CertificateRefused where an older copy of one was put back, or one is missing.
        """
        self._revoked.now()

    def _read_members(self, path: Path) -> dict[str, Member]:
        del path
        return members_in(self.folder, noted_acts(self.folder))

    def _read_revoked(self, path: Path) -> RevocationList:
        hub = next((each for each in self._members.now().values() if each.role == HUB), None)
        if hub is None or not path.exists():
            raise KeyUnavailable(f"{path}: the list of revoked certificates is missing; restore it from your copy")
        listed, seen = read(path.read_bytes(), hub.verify_key), self._revoked.value
        if seen is not None:
            listed.check_follows(seen)
        acts = noted_acts(self.folder)
        regions = {str(body["name"]) for body in acts if body["act"] == "approved" and body["role"] == REGION}
        self._taken_back = {entry.name: entry for entry in listed.revoked if entry.name in regions}
        return check_newest(listed, newest_counter(acts), self.folder)
