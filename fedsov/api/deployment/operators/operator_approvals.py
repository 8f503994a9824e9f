"""The authority answers an operator's request: what is refused, what a person is shown, and what an approval does.

Nobody is invited: the person who approves knows the operator. A name is one party's alone. While an operator is a
member, only their own key renews their certificate; after `deploy revoke` a request comes with a word of caution.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fedsov.api.deployment.hub_home import RENEWED, HubHome
from fedsov.api.deployment.joining.packages import Approved
from fedsov.api.deployment.operators.operator_papers import OperatorPackage, OperatorRequest, written_operator_package
from fedsov.api.deployment.own_certificates import member_of
from fedsov.api.region_settings import RESERVED
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys.certificates import HUB_OPERATOR, OPERATOR, OpenAuthority, fingerprint
from fedsov.keys.members import Member
from fedsov.storage.atomic_files import sha256_hex, write_file


def check(asked: OperatorRequest, home: HubHome, authority: bytes) -> Member | None:
    """The member that the request renews; None where it makes a new one.

    Raises CertificateRefused for a request to another authority, one that was approved before, and one that another
    key than the member's signed; ConfigurationError for the name of another party.
    """
    if asked.authority != fingerprint(authority):
        raise CertificateRefused(
            f"the request of {asked.name} asks the authority {asked.authority[:23]}…, and this is "
            f"{fingerprint(authority)[:23]}…; it is for another deployment"
        )
    _check_name(asked.name, home)
    every = home.operators()
    keys = {act["key"] for acts in every.values() for act in acts}
    if asked.key_digest in keys:
        raise CertificateRefused(
            f"this request of {asked.name} was approved before; send {home.folder.package(asked.name)} again, or let "
            "the operator run `fedsov deploy renew`"
        )
    if asked.before and sha256_hex(asked.before.encode()) not in {act["key"] for act in every.get(asked.name, [])}:
        raise CertificateRefused(f"the request renews a certificate of {asked.name} that this hub never approved")
    member = home.members().get(asked.name)
    if member is not None and member.public_key != asked.before:
        raise CertificateRefused(
            f"{asked.name} is an operator already, and this request is not signed with the key of their certificate; "
            f"ask {asked.name}. Where the key is lost: `fedsov deploy revoke {asked.name}` first"
        )
    return member


def lines(asked: OperatorRequest, home: HubHome) -> list[str]:
    """What a person should see before they approve."""
    shown = [
        f"operator {asked.name}, {'a renewal' if asked.before else 'a request'} of {asked.at}",
        f"certificate:   for the key with SHA-256 {asked.key_digest}",
        f"{asked.name} may submit jobs, and stop and read their own; not another operator's",
        f"Compare the key's SHA-256 with what {asked.name} reads to you.",
    ]
    members, last = home.members(), home.operators().get(asked.name, [{}])[-1]
    if asked.name in members:
        return [*shown, f"the certificate {members[asked.name].serial} is revoked with this approval"]
    taken = [entry for entry in home.revoked().revoked if entry.serial == last.get("serial")]
    return [*shown, *(f"CAUTION: {asked.name} was revoked at {entry.at}: {entry.why}" for entry in taken)]


def approve(
    asked: OperatorRequest, home: HubHome, authority: OpenAuthority, *, days: int, now: datetime, by: str, why: str
) -> Approved:
    """Signs an operator's certificate, makes them a member, and writes their package. Raises as `check`."""
    before = check(asked, home, authority.text)
    certificate = authority.sign(asked.csr.encode(), days=days, now=now)
    member = member_of(certificate)
    home.note("approved", _about(asked, member.serial), by=by, why=why)
    if before is not None:
        home.revoke(before.serial, asked.name, at=now, by=by, why=RENEWED)
    home.enter(asked.name, member)
    package = OperatorPackage(asked.name, certificate.decode(), authority.text.decode())
    path = home.folder.package(asked.name)
    write_file(path, written_operator_package(package, authority))
    return Approved(asked.name, member.serial, member.not_after, path, {}, "" if before is None else before.serial)


def _check_name(name: str, home: HubHome) -> None:
    """Raises ConfigurationError for the name of a hub, a region, or the hub's own operator."""
    taken = {home.ledger.owner, HUB_OPERATOR, *RESERVED, *home.parties(), *home.approved()}
    taken |= {other for other, member in home.members().items() if member.role != OPERATOR}
    if name.casefold() in {other.casefold() for other in taken}:
        raise ConfigurationError(f"operator {name} has the name of another party; let them ask under another name")
    operators = {other.casefold(): other for other in home.operators()}
    if operators.get(name.casefold(), name) != name:
        raise ConfigurationError(
            f"operator {name} would be confused with {operators[name.casefold()]}; let them ask under another name"
        )


def _about(asked: OperatorRequest, serial: str) -> dict[str, Any]:
    """What the hub's ledger notes of an approval."""
    return {"name": asked.name, "role": OPERATOR, "serial": serial, "key": asked.key_digest}
