"""What a further operator and the authority hand each other: the request for a certificate, and the package in answer.

An operator has no ledger. A first request is signed with the key that the certificate is to be for, a renewal with the
key of the certificate before: so nobody renews what is another person's. Whose key a first request's is, a person hears
from the operator by telephone. The package brings the authority's certificate, which the operator believes by the
fingerprint that they were told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fedsov.checks import section_of_texts
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys import signed_text
from fedsov.keys.certificates import (
    OPERATOR,
    OpenAuthority,
    is_signed_by,
    is_signed_with,
    requested,
    signature_of,
)
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import parsed_json

REQUEST = "fedsov operator request 1"
PACKAGE = "fedsov operator package 1"


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """An operator's request.

    Attributes:
        csr: the request for the certificate (PKCS #10, PEM).
        before: the public key (PEM) of the certificate that this one renews; "" of a first request.
        authority: the fingerprint of the authority that is asked.
        at: when, ISO 8601 in UTC.
    """

    name: str
    csr: str
    before: str
    authority: str
    at: str

    @property
    def key_digest(self) -> str:
        """SHA-256 of the key that the certificate is to be for: what is read out, and what a ledger notes."""
        return sha256_hex(requested(self.csr.encode()).public_key)


@dataclass(frozen=True, slots=True)
class OperatorPackage:
    """What an operator is answered: their certificate, and that of the authority, both PEM."""

    name: str
    certificate: str
    authority: str


def is_operator_request(text: bytes) -> bool:
    """Whether a text says that it is an operator's request; `read_operator_request` checks it."""
    try:
        plain = parsed_json(text)
    except ValueError:
        return False
    return isinstance(plain, dict) and plain.get("format") == REQUEST


def written_operator_request(asked: OperatorRequest, key: bytes) -> bytes:
    """The text of a request, signed with a private key (PEM): that of the certificate before, or the new one."""
    return signed_text.written(REQUEST, asdict(asked), lambda message: signature_of(key, message))


def read_operator_request(text: bytes) -> OperatorRequest:
    """The request in a text.

    Raises CertificateRefused: not signed with the key that it must be, or for another certificate than an operator's.
    """

    def holds(plain: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
        public = str(plain["before"]).encode() or requested(str(plain["csr"]).encode()).public_key
        return is_signed_with(public, message, signature)

    plain = signed_text.read(text, REQUEST, holds, called="the request")
    try:
        asked = OperatorRequest(**section_of_texts("the request", plain, OperatorRequest))
    except ConfigurationError:
        raise CertificateRefused("the request cannot be read; `fedsov deploy request` makes one") from None
    wanted = requested(asked.csr.encode())
    if (wanted.role, wanted.name) != (OPERATOR, asked.name):
        raise CertificateRefused(
            f"the request of operator {asked.name} asks for the certificate of the {wanted.role} {wanted.name}; ask "
            "who sent it"
        )
    return asked


def written_operator_package(package: OperatorPackage, authority: OpenAuthority) -> bytes:
    """The text of a package, signed by the authority."""
    return signed_text.written(PACKAGE, asdict(package), authority.signature)


def read_operator_package(text: bytes) -> OperatorPackage:
    """The package in a text, signed by the authority in it; whether to believe that one is the caller's to check.

    Raises CertificateRefused.
    """

    def holds(plain: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
        return is_signed_by(str(plain["authority"]).encode(), message, signature)

    plain = signed_text.read(text, PACKAGE, holds, called="the package")
    try:
        return OperatorPackage(**section_of_texts("the package", plain, OperatorPackage))
    except ConfigurationError:
        raise CertificateRefused("the package cannot be read by this version of fedsov; use the hub's") from None
