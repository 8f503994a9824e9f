"""Certificates of parties whose keys and authority are at hand: the hub, its operator, and every party of a trial.

A region's key is made on its own machine instead, and only a request leaves (`fedsov.api.deployment.joining.joining`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from fedsov.api.deployment.hub_home import HubHome
from fedsov.errors import CertificateRefused, KeyUnavailable
from fedsov.keys.certificates import (
    DAYS,
    HUB,
    OPERATOR,
    OpenAuthority,
    check_issued,
    hosts_of,
    identity_of,
    new_key,
    public_half,
    public_key_of,
    request,
)
from fedsov.keys.members import Member
from fedsov.storage.atomic_files import sync_folder, write_file
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.deployment_folder import DeploymentFolder

LOOPBACK = ("127.0.0.1", "::1", "localhost")
LEAST = timedelta(days=1)
"""For how long a certificate must be valid still, to be kept."""


@dataclass(frozen=True, slots=True)
class CertificatePlace:
    """Whose key and certificate are kept where.

    Attributes:
        hosts: DNS names and addresses that must be in a hub's.
    """

    role: str
    name: str
    key: Path
    certificate: Path
    hosts: tuple[str, ...] = field(default=())

    @property
    def exists(self) -> bool:
        """Whether both files are there."""
        return self.key.exists() and self.certificate.exists()


def hub_places(folder: DeploymentFolder, name: str, operator: str, host: str) -> list[CertificatePlace]:
    """The hub's own place, which it listens at under `host` and on the loopback interface, and its operator's."""
    hosts = (host, *(other for other in LOOPBACK if other != host))
    return [
        CertificatePlace(HUB, name, folder.key, folder.certificate, hosts),
        CertificatePlace(OPERATOR, operator, folder.operator_key, folder.operator_certificate),
    ]


def is_valid(place: CertificatePlace, authority: bytes, now: datetime) -> bool:
    """Whether there is a key with its certificate, by this authority, for these hosts, that is valid a day from now."""
    if not place.exists:
        return False
    certificate = place.certificate.read_bytes()
    try:
        check_issued(certificate, authority, now=now)
        identity = check_issued(certificate, authority, now=now + LEAST)
        own = public_half(place.key.read_bytes()) == public_key_of(certificate)
        right = (identity.role, identity.name) == (place.role, place.name)
        return own and right and set(place.hosts) <= set(hosts_of(certificate))
    except (CertificateRefused, KeyUnavailable):
        return False


def certify(
    place: CertificatePlace,
    authority: OpenAuthority,
    home: HubHome,
    *,
    days: int = DAYS,
    now: datetime,
    by: str,
    why: str,
) -> None:
    """Makes a new key and its certificate: noted in the hub's ledger, then put in their place."""
    key = new_key()
    certificate = authority.sign(request(key, place.role, place.name, hosts=place.hosts), days=days, now=now)
    about = {"name": place.name, "role": place.role, "serial": identity_of(certificate).serial}
    home.note("approved", about, by=by, why=why)
    place.certificate.unlink(missing_ok=True)  # a cut here leaves no certificate beside another key
    write_file(place.key, key)
    write_file(place.certificate, certificate)


def key_for(folder: DeploymentFolder, certificate: bytes) -> Path | None:
    """The private key here that a certificate (PEM) is for; it was moved already where an `accept` was cut."""
    wanted = public_key_of(certificate)
    keys = [path for path in (folder.next_key, folder.key) if path.exists()]
    return next((path for path in keys if public_half(read_bounded(path)) == wanted), None)


def install(folder: DeploymentFolder, certificate: bytes) -> None:
    """Puts key and certificate in their place. A cut between the two is mended by accepting the package again."""
    if key_for(folder, certificate) == folder.next_key:
        os.replace(folder.next_key, folder.key)
        sync_folder(folder.root)
    write_file(folder.certificate, certificate)


def member_of(certificate: bytes, *, verify_key: str = "", sealing: tuple[str, str] = ("", "")) -> Member:
    """The member that a certificate makes of its party.

    Args:
        verify_key: of the hub and of a region.
        sealing: a region's sealing key, and its signature.
    """
    identity, key = identity_of(certificate), public_key_of(certificate).decode()
    return Member(identity.role, key, identity.serial, identity.not_after.isoformat(), verify_key, *sealing)
