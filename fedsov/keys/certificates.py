"""Who a party is, by its certificate: a small authority of its own (X.509, RFC 5280), and names as SPIFFE writes them.

    key = new_key()                                                   # made where it is used; it never leaves
    asked = request(key, "region", "DE")                              # what leaves: a PKCS #10 request
    authority = new_authority("passphrase of the authority", now=now)
    certificate = authority.opened("passphrase of the authority").sign(asked, days=365, now=now)
    identity_of(certificate).name                                     # "DE"

A party's role and name stand in one URI of its certificate: ``spiffe://fedsov/region/DE``, ``.../operator/NAME`` or
``.../hub`` (whose name is the subject's). `identity_of` reads what TLS has checked, and refuses any other number or
form of names; `check_issued` checks the signature and the dates where no TLS did. Keys are P-256, signatures ECDSA with
SHA-256. A certificate begins an hour before it was signed, for clocks that are behind. Functions over bytes: whoever
calls them reads the files and the clock. That a certificate was taken back stands in `fedsov.keys.revocation`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedsov.errors import CertificateRefused, KeyUnavailable
from fedsov.keys.encrypted_pkcs8 import decrypted, encrypted

HUB, REGION, OPERATOR = ROLES = ("hub", "region", "operator")
DOMAIN = "spiffe://fedsov/"
AUTHORITY = "fedsov authority"
"""The subject of an authority's certificate."""
DAYS, AUTHORITY_DAYS = 365, 3650
"""For how long a party's certificate and the authority's own are valid, unless something else is said."""
BEHIND = timedelta(hours=1)
"""How far a party's clock may be behind the authority's."""
LARGEST = 2**16
"""Bytes of a certificate or a request, at most."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")


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


@dataclass(frozen=True, slots=True)
class Requested:
    """Who a request asks a certificate for, the request's own signature having been checked.

    Attributes:
        hosts: DNS names and addresses that a hub listens on; of others none.
        public_key: as PEM (SubjectPublicKeyInfo).
    """

    role: str
    name: str
    hosts: tuple[str, ...]
    public_key: bytes


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """An authority at rest: its certificate (PEM), and its private key under a passphrase (PEM)."""

    certificate: bytes
    key: bytes = field(repr=False)

    def opened(self, passphrase: str) -> OpenAuthority:
        """The authority with its key. Raises KeyUnavailable for another passphrase, or the key of another authority."""
        key = decrypted(self.key, passphrase, called="the authority's key")
        certificate = _certificate(self.certificate)
        if key.public_key() != certificate.public_key():
            raise KeyUnavailable("the authority's key is not that of its certificate; restore your copy of both")
        return OpenAuthority(certificate, key)


@dataclass(frozen=True, slots=True)
class OpenAuthority:
    """An authority that can sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def text(self) -> bytes:
        """The authority's certificate, as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def signature(self, message: bytes) -> bytes:
        """The authority's signature (ECDSA, SHA-256, DER) of what is no certificate; `is_signed_by` checks it."""
        return self.key.sign(message, ec.ECDSA(SHA256()))

    def sign(self, asked: bytes, *, days: int = DAYS, now: datetime) -> bytes:
        """The certificate (PEM) that a request asks for.

        Args:
            days: for how long it is valid, from `now` on.
            now: with its time zone.

        Raises CertificateRefused for a request that `requested` refuses, and where the authority itself ends sooner.
        """
        wanted = requested(asked)
        end = now + timedelta(days=days)
        if days < 1 or end > self.certificate.not_valid_after_utc:
            raise CertificateRefused(
                f"a certificate of {days} days would end on {end.date()}, and the authority's ends on "
                f"{self.certificate.not_valid_after_utc.date()}; ask for 1 day or more, up to that day"
            )
        builder = _leaf(wanted, _public_key(wanted.public_key)).issuer_name(self.certificate.subject)
        builder = builder.add_extension(_authority_id(self.certificate), critical=False)
        signed = _dated(builder, now, end).sign(self.key, SHA256())
        return signed.public_bytes(Encoding.PEM)


def new_key() -> bytes:
    """A new private key (P-256) as PEM, under no passphrase: for a file of mode 0600."""
    return _key_text(ec.generate_private_key(ec.SECP256R1()))


def new_authority(
    passphrase: str, *, name: str = AUTHORITY, days: int = AUTHORITY_DAYS, now: datetime
) -> CertificateAuthority:
    """A new authority, which signs parties and no further authority. Raises KeyUnavailable for a short passphrase."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(AUTHORITY)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    certificate = _dated(builder, now, now + timedelta(days=days)).sign(key, SHA256())
    return CertificateAuthority(certificate.public_bytes(Encoding.PEM), encrypted(key, passphrase))


def request(key: bytes, role: str, name: str, *, hosts: Sequence[str] = ()) -> bytes:
    """A request (PKCS #10, PEM) for a party's certificate, signed with its key.

    Args:
        key: as of `new_key`.
        hosts: DNS names and addresses that a hub listens on.

    Raises CertificateRefused for a name or host that cannot be in one, KeyUnavailable for what is no key.
    """
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri_of(role, name)), *map(_host, hosts)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(name)).add_extension(names, critical=False)
    return builder.sign(private_key(key), SHA256()).public_bytes(Encoding.PEM)


def requested(asked: bytes) -> Requested:
    """Who a request is for. Raises CertificateRefused for what is no whole request of one party, signed by its key."""
    try:
        read = x509.load_pem_x509_csr(_bounded(asked))
        names, signed = _alternative_names(read), read.is_signature_valid
        subject, key = read.subject, read.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise CertificateRefused("the request cannot be read; `fedsov deploy join` makes one") from None
    if not signed:
        raise CertificateRefused("the request for a certificate is not signed by its own key; it was changed")
    role, name = _party(subject, names)
    hosts = _hosts(names)
    if len(names) != 1 + len(hosts) or (hosts and role != HUB):
        raise CertificateRefused(f"the request of {name} asks for names beside its own; only a hub has addresses")
    return Requested(role, name, hosts, _public_text(key))


def identity_of(certificate: bytes) -> Identity:
    """Who a certificate (DER, or PEM) names. Whether an authority signed it is TLS's to check, or `check_issued`'s.

    Raises CertificateRefused for any but one URI ``spiffe://fedsov/...``, another name in it than the subject's, and an
    authority's certificate.
    """
    read = _certificate(certificate)
    try:
        names = _alternative_names(read)
        is_authority = _is_authority(read)
    except (ValueError, x509.DuplicateExtension):
        raise CertificateRefused("a certificate's extensions cannot be read") from None
    if is_authority:
        raise CertificateRefused("the certificate is an authority's, and names no party")
    role, name = _party(read.subject, names)
    return Identity(role, name, _serial(read), read.not_valid_after_utc)


def check_issued(certificate: bytes, authority: bytes, *, now: datetime) -> Identity:
    """Who a certificate names, once this authority is seen to have signed it and it is valid now.

    Raises CertificateRefused: another authority signed it, or itself; it has expired, or is not valid yet; or as
    `identity_of`.
    """
    read, issuer = _certificate(certificate), _certificate(authority)
    try:
        read.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise CertificateRefused(
            f"the certificate {_serial(read)[:16]} was not signed by the authority {fingerprint(authority)[:23]}…"
        ) from None
    if not _is_authority(issuer):
        raise CertificateRefused("the certificate of the authority is no authority's")
    identity = identity_of(certificate)
    _check_dates(issuer, "the authority's certificate", now)
    _check_dates(read, f"the certificate of {identity.name}", now)
    return identity


def check_authority(certificate: bytes, *, now: datetime) -> bytes:
    """The certificate of an authority, as PEM. Raises CertificateRefused where it is none, or is not valid now."""
    read = _certificate(certificate)
    try:
        read.verify_directly_issued_by(read)
        is_one = _is_authority(read) and _public_text(read.public_key())
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        is_one = False
    if not is_one:
        raise CertificateRefused("the certificate is not that of an authority, signed by itself; ask for it again")
    _check_dates(read, "the authority's certificate", now)
    return read.public_bytes(Encoding.PEM)


def is_signed_by(certificate: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is that of a certificate's key, as of `OpenAuthority.signature`."""
    try:
        _public_key(public_key_of(certificate)).verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def hosts_of(certificate: bytes) -> tuple[str, ...]:
    """DNS names and addresses in a certificate. Raises CertificateRefused for what is none."""
    return _hosts(_alternative_names(_certificate(certificate)))


def public_key_of(certificate: bytes) -> bytes:
    """The public key of a certificate (DER, or PEM), as PEM: the form in which Flower registers a node."""
    return _public_text(_certificate(certificate).public_key())


def public_half(key: bytes) -> bytes:
    """The public key of a private one, as PEM. Raises KeyUnavailable."""
    return _public_text(private_key(key).public_key())


def private_key(key: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of a PEM text. Raises KeyUnavailable for what is no P-256 key."""
    try:
        read = load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnavailable("a party's private key cannot be read; restore it, or `fedsov deploy renew`") from None
    if not isinstance(read, ec.EllipticCurvePrivateKey) or not isinstance(read.curve, ec.SECP256R1):
        raise KeyUnavailable("a party's private key is not of the curve P-256; `fedsov deploy renew` makes one")
    return read


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate (DER, or PEM), as people compare it: ``3A:F0:...``."""
    return _certificate(certificate).fingerprint(SHA256()).hex(":").upper()


def der_of(certificate: bytes) -> bytes:
    """A certificate in DER. Raises CertificateRefused for what is none."""
    return _certificate(certificate).public_bytes(Encoding.DER)


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


def _check_dates(read: x509.Certificate, called: str, now: datetime) -> None:
    if now > read.not_valid_after_utc:
        until = read.not_valid_after_utc.date()
        raise CertificateRefused(f"{called} expired on {until}; `fedsov deploy renew` makes a new one")
    if now < read.not_valid_before_utc:
        raise CertificateRefused(f"{called} is not valid before {read.not_valid_before_utc}; see to the clocks")


def _party(subject: x509.Name, names: x509.SubjectAlternativeName) -> tuple[str, str]:
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


def _leaf(wanted: Requested, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """What a party's certificate says of it; neither who signs it nor how long it is valid."""
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if wanted.role == HUB else [])]
    names = [x509.UniformResourceIdentifier(uri_of(wanted.role, wanted.name)), *map(_host, wanted.hosts)]
    builder = x509.CertificateBuilder().subject_name(_subject(wanted.name)).public_key(key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage("digital_signature"), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _dated(builder: x509.CertificateBuilder, now: datetime, end: datetime) -> x509.CertificateBuilder:
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - BEHIND).not_valid_after(end)


def _usage(*wanted: str) -> x509.KeyUsage:
    """A key's uses, all but these denied."""
    every = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{use: use in wanted for use in every})


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _authority_id(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _is_authority(read: x509.Certificate) -> bool:
    with suppress(x509.ExtensionNotFound):
        return read.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    return False


def _alternative_names(read: x509.Certificate | x509.CertificateSigningRequest) -> x509.SubjectAlternativeName:
    try:
        return read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _host(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    try:
        return x509.DNSName(host)
    except ValueError:
        raise CertificateRefused(f"{host[:80]!r} is no name of a machine; write it in ASCII (xn--...)") from None


def _hosts(names: x509.SubjectAlternativeName) -> tuple[str, ...]:
    return (
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    )


def _certificate(text: bytes) -> x509.Certificate:
    """A certificate of PEM or DER. Raises CertificateRefused for anything else, or more than one."""
    try:
        if not _bounded(text).lstrip().startswith(b"-----BEGIN"):
            return x509.load_der_x509_certificate(text)
        (read,) = x509.load_pem_x509_certificates(text)
    except (ValueError, TypeError):
        raise CertificateRefused("the text is not one certificate; restore your copy") from None
    return read


def _bounded(text: bytes) -> bytes:
    if len(text) > LARGEST:
        raise ValueError("longer than any certificate")
    return text


def _serial(read: x509.Certificate) -> str:
    return f"{read.serial_number:x}"


def _key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_key(text: bytes) -> ec.EllipticCurvePublicKey:
    key = load_pem_public_key(text)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRefused("the public key is not of an elliptic curve")
    return key


def _public_text(key: object) -> bytes:
    """A public key as PEM. Raises CertificateRefused for what is no P-256 key."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateRefused("the public key is not of the curve P-256; `fedsov deploy join` makes one")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
