"""The authority's answer to a region: its certificate, and every member known so far with the keys it is known by.

The authority signs the whole, so the hub alone can bring in no peer. A package has a number that only grows: when a
further region is approved, each region's package is written anew with that one in it, and the region takes the newer
one as it took the first (`fedsov deploy accept`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.artifact import Party
from fedsov.checks import whole
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys import signed_text
from fedsov.keys.certificates import HUB, OPERATOR, OpenAuthority, identity_of, is_signed_by
from fedsov.keys.members import Member, members_of, plain_members
from fedsov.region.trust.parties import Parties

FORMAT = "fedsov package 1"


@dataclass(frozen=True, slots=True)
class Package:
    """What a region is answered.

    Attributes:
        name: the region it is for.
        certificate: PEM.
        settings_digest: of the region.yaml that was approved with it.
        number: which package of this deployment it is, from 1 on.
        members: the hub and the regions that were approved so far.
        parties: where they are and whose, by name.
        revoked: the text of the list of revoked certificates.
        control_root: of the hub's repository of approved versions, as it signs it; "" from an older hub.
    """

    name: str
    certificate: str
    settings_digest: str
    number: int
    members: Mapping[str, Member]
    parties: Mapping[str, Party]
    revoked: str
    control_root: str = ""

    @property
    def hub_name(self) -> str:
        """The hub's name. Raises CertificateRefused for a package without one hub."""
        names = [name for name, member in self.members.items() if member.role == HUB]
        if len(names) != 1:
            raise CertificateRefused(f"the package of {self.name} names {len(names)} hubs; ask for it again")
        return names[0]

    @property
    def verify_keys(self) -> dict[str, str]:
        """The ledger keys of all members, by name."""
        return {name: member.verify_key for name, member in self.members.items()}

    def stated(self) -> Parties:
        """The members as parties, as this region sees them."""
        others = {name: party for name, party in self.parties.items() if name not in (self.name, self.hub_name)}
        return Parties(self.parties.get(self.hub_name), self.parties.get(self.name), others)


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval made.

    Attributes:
        package: the file to send to the region, or the operator.
        others: the packages of other regions, written anew with this one in them.
        revoked: the serial of the certificate before; "" for none.
    """

    name: str
    serial: str
    not_after: str
    package: Path
    others: Mapping[str, Path]
    revoked: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        others = {name: str(path) for name, path in self.others.items()}
        words = {"name": self.name, "serial": self.serial, "not_after": self.not_after, "revoked": self.revoked}
        return {**words, "package": str(self.package), "others": others}


def known_members(members: Mapping[str, Member]) -> dict[str, Member]:
    """Those whom a region hears of: the hub and the regions; an operator is the hub's affair."""
    return {name: member for name, member in members.items() if member.role != OPERATOR}


def written_package(package: Package, authority: OpenAuthority) -> bytes:
    """The text of a package, signed by the authority."""
    words = ("name", "certificate", "settings_digest", "number", "revoked", "control_root")
    plain = {
        **{part: getattr(package, part) for part in words},
        "members": plain_members(package.members),
        "parties": {name: party.to_json() for name, party in sorted(package.parties.items())},
    }
    return signed_text.written(FORMAT, plain, authority.signature)


def read_package(text: bytes, authority: bytes) -> Package:
    """The package in a text. Raises CertificateRefused where this authority (PEM) did not sign it."""

    def holds(plain: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
        return is_signed_by(authority, message, signature)

    plain = signed_text.read(text, FORMAT, holds, called="the package")
    try:
        return Package(
            str(plain["name"]),
            str(plain["certificate"]),
            str(plain["settings_digest"]),
            whole("number", plain["number"], at_least=1),
            members_of(plain["members"]),
            {name: Party.from_json(party) for name, party in plain["parties"].items()},
            str(plain["revoked"]),
            str(plain.get("control_root", "")),
        )
    except (KeyError, ValueError, TypeError, AttributeError, ConfigurationError):
        raise CertificateRefused("the package cannot be read by this version of fedsov; use the hub's") from None


def serial_of(package: Package) -> str:
    """The number of the certificate in a package."""
    return identity_of(package.certificate.encode()).serial
