"""How a certificate names a party: one URI as SPIFFE writes them, and the subject's name.

uri_of("region", "DE")          # spiffe://fedsov/region/DE
uri_of("hub", "hub")            # spiffe://fedsov/hub: a hub's name is the subject's alone
"""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID

from fedsov.errors import CertificateRefused

HUB, REGION, OPERATOR = ROLES = ("hub", "region", "operator")
HUB_OPERATOR = "operator"
"""The operator whose certificate is made with the hub's; no other is approved under this name."""
DOMAIN = "spiffe://fedsov/"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")


def uri_of(role: str, name: str) -> str:
    """The URI of a party. Raises CertificateRefused for a role that there is not, or a name that no URI can have."""
    if role not in ROLES:
        raise CertificateRefused(f"unknown role {role!r}; there are {', '.join(ROLES)}")
    check_name(name)
    return DOMAIN + (role if role == HUB else f"{role}/{name}")


def check_name(name: str) -> str:
    """The name, where a certificate can have it. Raises CertificateRefused."""
    if not _NAME.fullmatch(name):
        raise CertificateRefused(
            f"the name {name[:80]!r} cannot be in a certificate; use 1 to 63 letters A-Z and a-z, digits, - and _"
        )
    return name


def party_in(subject: x509.Name, names: x509.SubjectAlternativeName) -> tuple[str, str]:
    """Role and name, which the subject and the one URI tell alike."""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise CertificateRefused(f"a certificate must have one URI {DOMAIN}..., and this has {len(uris)}")
    common = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    name = check_name(common[0] if len(common) == 1 else "")
    for role in ROLES:
        if uris[0] == uri_of(role, name):
            return role, name
    raise CertificateRefused(f"the URI {uris[0][:80]!r} names no party, or another one than the subject {name!r}")


def subject_of(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def alternative_names(read: x509.Certificate | x509.CertificateSigningRequest) -> x509.SubjectAlternativeName:
    try:
        return read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def host_name(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    try:
        return x509.DNSName(host)
    except ValueError:
        raise CertificateRefused(f"{host[:80]!r} is no name of a machine; write it in ASCII (xn--...)") from None


def hosts_in(names: x509.SubjectAlternativeName) -> tuple[str, ...]:
    return (
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    )
