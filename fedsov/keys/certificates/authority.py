"""The authority: what it is asked, and what it signs.

    authority = new_authority("passphrase of the authority", now=now)
    asked = request(new_key(), "region", "DE")
    certificate = authority.opened("passphrase of the authority").sign(asked, days=365, now=now)

A certificate begins an hour before it was signed, for clocks that are behind, and ends with its authority's at the
latest. A hub's is for both ends of TLS, any other party's for the client's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from fedsov.errors import CertificateRefused, KeyUnavailable
from fedsov.keys.certificates.encrypted_pkcs8 import decrypted, encrypted
from fedsov.keys.certificates.identity import bounded, certificate_in
from fedsov.keys.certificates.p256 import private_key, public_key_in, public_text
from fedsov.keys.certificates.party_names import (
    HUB,
    alternative_names,
    host_name,
    hosts_in,
    party_in,
    subject_of,
    uri_of,
)

AUTHORITY = "fedsov authority"
"""The subject of an authority's certificate."""
DAYS, AUTHORITY_DAYS = 365, 3650
"""For how long a party's certificate and the authority's own are valid, unless something else is said."""
BEHIND = timedelta(hours=1)
"""How far a party's clock may be behind the authority's."""


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
        certificate = certificate_in(self.certificate)
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
        builder = _leaf(wanted, public_key_in(wanted.public_key)).issuer_name(self.certificate.subject)
        builder = builder.add_extension(_authority_id(self.certificate), critical=False)
        signed = _dated(builder, now, end).sign(self.key, SHA256())
        return signed.public_bytes(Encoding.PEM)


def new_authority(
    passphrase: str, *, name: str = AUTHORITY, days: int = AUTHORITY_DAYS, now: datetime
) -> CertificateAuthority:
    """A new authority, which signs parties and no further authority. Raises KeyUnavailable for a short passphrase."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = subject_of(AUTHORITY)
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
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri_of(role, name)), *map(host_name, hosts)])
    builder = (
        x509.CertificateSigningRequestBuilder().subject_name(subject_of(name)).add_extension(names, critical=False)
    )
    return builder.sign(private_key(key), SHA256()).public_bytes(Encoding.PEM)


def requested(asked: bytes) -> Requested:
    """Who a request is for. Raises CertificateRefused for what is no whole request of one party, signed by its key."""
    try:
        read = x509.load_pem_x509_csr(bounded(asked))
        names, signed = alternative_names(read), read.is_signature_valid
        subject, key = read.subject, read.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise CertificateRefused("the request cannot be read; `fedsov deploy join` makes one") from None
    if not signed:
        raise CertificateRefused("the request for a certificate is not signed by its own key; it was changed")
    role, name = party_in(subject, names)
    hosts = hosts_in(names)
    if len(names) != 1 + len(hosts) or (hosts and role != HUB):
        raise CertificateRefused(f"the request of {name} asks for names beside its own; only a hub has addresses")
    return Requested(role, name, hosts, public_text(key))


def _leaf(wanted: Requested, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """What a party's certificate says of it; neither who signs it nor how long it is valid."""
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if wanted.role == HUB else [])]
    names = [x509.UniformResourceIdentifier(uri_of(wanted.role, wanted.name)), *map(host_name, wanted.hosts)]
    builder = x509.CertificateBuilder().subject_name(subject_of(wanted.name)).public_key(key)
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


def _authority_id(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
