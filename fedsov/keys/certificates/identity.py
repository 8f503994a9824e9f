"""What a certificate says, and whether to believe it.

`identity_of` reads what TLS has checked; `check_issued` checks the signature and the dates where no TLS did. Both
refuse any other number or form of names than one party's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from fedsov.errors import CertificateRefused
from fedsov.keys.certificates.p256 import is_signed_with, public_text
from fedsov.keys.certificates.party_names import alternative_names, hosts_in, party_in

LARGEST = 2**16
"""Bytes of a certificate or a request, at most."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate names.

    Attributes:
        role: one of `ROLES`.
        serial: the certificate's number, in hexadecimal, by which it is taken back.
        not_after: until when it is valid, in UTC.
    """

    role: str
    name: str
    serial: str
    not_after: datetime


def identity_of(certificate: bytes) -> Identity:
    """Who a certificate (DER, or PEM) names. Whether an authority signed it is TLS's to check, or `check_issued`'s.

    Raises CertificateRefused for any but one URI ``spiffe://fedsov/...``, another name in it than the subject's, and an
    authority's certificate.
    """
    read = certificate_in(certificate)
    try:
        names = alternative_names(read)
        signs_others = is_authority(read)
    except (ValueError, x509.DuplicateExtension):
        raise CertificateRefused("a certificate's extensions cannot be read") from None
    if signs_others:
        raise CertificateRefused("the certificate is an authority's, and names no party")
    role, name = party_in(read.subject, names)
    return Identity(role, name, serial_of(read), read.not_valid_after_utc)


def check_issued(certificate: bytes, authority: bytes, *, now: datetime) -> Identity:
    """Who a certificate names, once this authority is seen to have signed it and it is valid now.

    Raises CertificateRefused: another authority signed it, or itself; it has expired, or is not valid yet; or as
    `identity_of`.
    """
    read, issuer = certificate_in(certificate), certificate_in(authority)
    try:
        read.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise CertificateRefused(
            f"the certificate {serial_of(read)[:16]} was not signed by the authority {fingerprint(authority)[:23]}…"
        ) from None
    if not is_authority(issuer):
        raise CertificateRefused("the certificate of the authority is no authority's")
    identity = identity_of(certificate)
    check_dates(issuer, "the authority's certificate", now)
    check_dates(read, f"the certificate of {identity.name}", now)
    return identity


def check_authority(certificate: bytes, *, now: datetime) -> bytes:
    """The certificate of an authority, as PEM. Raises CertificateRefused where it is none, or is not valid now."""
    read = certificate_in(certificate)
    try:
        read.verify_directly_issued_by(read)
        is_one = is_authority(read) and public_text(read.public_key())
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        is_one = False
    if not is_one:
        raise CertificateRefused("the certificate is not that of an authority, signed by itself; ask for it again")
    check_dates(read, "the authority's certificate", now)
    return read.public_bytes(Encoding.PEM)


def is_signed_by(certificate: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is that of a certificate's key, as of `OpenAuthority.signature`."""
    return is_signed_with(public_key_of(certificate), message, signature)


def hosts_of(certificate: bytes) -> tuple[str, ...]:
    """DNS names and addresses in a certificate. Raises CertificateRefused for what is none."""
    return hosts_in(alternative_names(certificate_in(certificate)))


def public_key_of(certificate: bytes) -> bytes:
    """The public key of a certificate (DER, or PEM), as PEM: the form in which Flower registers a node."""
    return public_text(certificate_in(certificate).public_key())


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate (DER, or PEM), as people compare it: ``3A:F0:...``."""
    return certificate_in(certificate).fingerprint(SHA256()).hex(":").upper()


def der_of(certificate: bytes) -> bytes:
    """A certificate in DER. Raises CertificateRefused for what is none."""
    return certificate_in(certificate).public_bytes(Encoding.DER)


def certificate_in(text: bytes) -> x509.Certificate:
    """A certificate of PEM or DER. Raises CertificateRefused for anything else, or more than one."""
    try:
        if not bounded(text).lstrip().startswith(b"-----BEGIN"):
            return x509.load_der_x509_certificate(text)
        (read,) = x509.load_pem_x509_certificates(text)
    except (ValueError, TypeError):
        raise CertificateRefused("the text is not one certificate; restore your copy") from None
    return read


def bounded(text: bytes) -> bytes:
    if len(text) > LARGEST:
        raise ValueError("longer than any certificate")
    return text


def serial_of(read: x509.Certificate) -> str:
    return f"{read.serial_number:x}"


def is_authority(read: x509.Certificate) -> bool:
    with suppress(x509.ExtensionNotFound):
        return read.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    return False


def check_dates(read: x509.Certificate, called: str, now: datetime) -> None:
    if now > read.not_valid_after_utc:
        until = read.not_valid_after_utc.date()
        raise CertificateRefused(f"{called} expired on {until}; `fedsov deploy renew` makes a new one")
    if now < read.not_valid_before_utc:
        raise CertificateRefused(f"{called} is not valid before {read.not_valid_before_utc}; see to the clocks")
