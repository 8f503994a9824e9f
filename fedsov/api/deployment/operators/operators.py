"""A further operator's home: the key is made on the operator's own machine, and never leaves it.

    request = ask(home, "anna", HubAddress("hub.example.org"), trusted=fingerprint, now=now)
    accept(home, package, now=now)             # the authority's answer; then jobs are submitted from this home
    renew(home, now=now)                       # a new key, a new request

The home holds no ledger and no row. `trusted` is the authority's fingerprint as the hub's owner told it: a package of
another authority is refused, and so is a hub whose certificate that authority did not sign.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from fedsov.api.deployment.joining.joining import AcceptedPackage
from fedsov.api.deployment.operators.operator_papers import (
    OperatorRequest,
    read_operator_package,
    read_operator_request,
    written_operator_request,
)
from fedsov.api.deployment.own_certificates import install, key_for
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys.certificates import (
    HUB_OPERATOR,
    OPERATOR,
    check_authority,
    check_issued,
    check_name,
    fingerprint,
    new_key,
    public_half,
    request,
)
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, read_party, write_party

_FINGERPRINT = re.compile(r"([0-9A-F]{2}:){31}[0-9A-F]{2}")


def ask(home: Path, name: str, hub: HubAddress, *, trusted: str, now: datetime) -> Path:
    """Makes an operator's key and request; the request's file. Run again before the answer, it asks anew.

    Args:
        trusted: the authority's fingerprint, ``3A:F0:...``.

    Raises ConfigurationError for what is no fingerprint, a home of another party, and the name of the hub's own
    operator; CertificateRefused for a name that no certificate can have.
    """
    folder, wanted = DeploymentFolder(home), trusted.strip().upper()
    if not _FINGERPRINT.fullmatch(wanted):
        raise ConfigurationError(
            f"--fingerprint {trusted!r} is no SHA-256 of a certificate; it is 32 pairs of hexadecimal digits with "
            "colons, as `fedsov deploy init` and `fedsov deploy show` print it at the hub"
        )
    if check_name(name) == HUB_OPERATOR:
        raise ConfigurationError(f"the name {HUB_OPERATOR} is that of the hub's own operator; ask under your own name")
    if folder.party.exists() and (party := read_party(folder.party)) and (party.role, party.name) != (OPERATOR, name):
        raise ConfigurationError(f"{home} is the home of the {party.role} {party.name}; name another workspace")
    if folder.certificate.exists():
        raise ConfigurationError(
            f"{home} has a certificate already; `fedsov deploy renew --workspace {home}` renews it"
        )
    write_party(folder.party, PartyFile(name, OPERATOR, hub))
    return _ask(folder, name, authority=wanted, before=None, now=now)


def renew(home: Path, *, now: datetime) -> Path:
    """A request for a new key's certificate, signed with the key of the one at hand; the request's file.

    Raises ConfigurationError where the home has no operator's certificate yet.
    """
    folder = DeploymentFolder(home)
    party = read_party(folder.party)
    if party.role != OPERATOR or not folder.certificate.exists():
        raise ConfigurationError(f"{home} has no operator's certificate; `fedsov deploy request NAME` comes first")
    authority = fingerprint(read_bounded(folder.authority))
    return _ask(folder, party.name, authority=authority, before=read_bounded(folder.key), now=now)


def accept(home: Path, text: bytes, *, now: datetime) -> AcceptedPackage:
    """Takes a package: everything is checked, then put in its place.

    Raises CertificateRefused: another authority's than was asked, another operator's, for another key, or expired.
    """
    folder = DeploymentFolder(home)
    party, package = read_party(folder.party), read_operator_package(text)
    authority = check_authority(package.authority.encode(), now=now)
    trusted = _trusted(folder, party.name)
    if fingerprint(authority) != trusted:
        raise CertificateRefused(
            f"the package is of the authority {fingerprint(authority)[:23]}…, and {party.name} asked "
            f"{trusted[:23]}…; compare the fingerprint with the hub's owner"
        )
    certificate = package.certificate.encode()
    identity = check_issued(certificate, authority, now=now)
    if {package.name, identity.name} != {party.name} or identity.role != OPERATOR:
        raise CertificateRefused(
            f"the package is for the {identity.role} {identity.name}, and {home} is the home of operator {party.name}"
        )
    if key_for(folder, certificate) is None:
        raise CertificateRefused(
            f"the certificate in the package is for no key of {party.name}'s: it answers another request; send the "
            f"newest, {folder.request(party.name)}"
        )
    write_file(folder.authority, authority)
    install(folder, certificate)
    way_on = f"fedsov train runtime=deployment runtime.hub={party.hub} --workspace {home}"
    return AcceptedPackage(
        party.name, identity.serial, identity.not_after.isoformat(), (), (f"to submit a job: `{way_on}`",)
    )


def _ask(folder: DeploymentFolder, name: str, *, authority: str, before: bytes | None, now: datetime) -> Path:
    """Makes a new key and its request, which takes the place of one that was not answered yet."""
    key = new_key()
    asked = OperatorRequest(
        name=name,
        csr=request(key, OPERATOR, name).decode(),
        before="" if before is None else public_half(before).decode(),
        authority=authority,
        at=now.isoformat(timespec="seconds"),
    )
    write_file(folder.next_key, key)
    write_file(folder.request(name), written_operator_request(asked, before or key))
    return folder.request(name)


def _trusted(folder: DeploymentFolder, name: str) -> str:
    """The fingerprint of the authority that this home believes. Raises ConfigurationError where it asked nobody."""
    if folder.authority.exists():
        return fingerprint(read_bounded(folder.authority))
    if not folder.request(name).exists():
        raise ConfigurationError(f"{folder.home} asked for no certificate; `fedsov deploy request {name}` comes first")
    return read_operator_request(read_bounded(folder.request(name))).authority
