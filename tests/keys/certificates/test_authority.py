"""Certificates: who may be named in one, who signed it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from fedsov.errors import CertificateRefused, KeyUnavailable
from fedsov.keys.certificates import (
    CertificateAuthority,
    OpenAuthority,
    check_authority,
    check_issued,
    der_of,
    hosts_of,
    identity_of,
    new_authority,
    new_key,
    public_half,
    public_key_of,
    request,
    requested,
    uri_of,
)
from tests.keys.certificates.names import NOW, WORDS, uri
from tests.keys.certificates.names import subject as names_of


def _csr(*names: x509.GeneralName, subject: str = "DE", key: object = None) -> bytes:
    """A request of any names, which `request` would not write."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(names_of(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(own, None if isinstance(own, ed25519.Ed25519PrivateKey) else SHA256()).public_bytes(
        Encoding.PEM
    )


def test_a_regions_certificate_names_it_and_has_its_key_alone(authority: OpenAuthority) -> None:
    key = new_key()
    text = authority.sign(request(key, "region", "DE"), days=30, now=NOW)
    identity = check_issued(text, authority.text, now=NOW)
    assert (identity.role, identity.name, identity.not_after) == ("region", "DE", NOW + timedelta(days=30))
    assert identity == identity_of(text) == identity_of(der_of(text))
    assert public_key_of(text) == public_half(key) == public_key_of(der_of(text))
    read = x509.load_pem_x509_certificate(text)
    assert identity.serial == f"{read.serial_number:x}"
    assert read.not_valid_before_utc == NOW - timedelta(hours=1)
    usage = read.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    constraints = read.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and not constraints.value.ca
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    known = read.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert known.key_identifier == own.digest


@pytest.mark.parametrize(
    ("role", "uses"),
    [
        ("hub", {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}),
        ("region", {ExtendedKeyUsageOID.CLIENT_AUTH}),
        ("operator", {ExtendedKeyUsageOID.CLIENT_AUTH}),
    ],
)
def test_only_a_hub_may_serve(authority: OpenAuthority, role: str, uses: set[object]) -> None:
    hosts = ["hub.example.org", "10.0.0.5", "::1"] if role == "hub" else []
    text = authority.sign(request(new_key(), role, "X1", hosts=hosts), now=NOW)
    read = x509.load_pem_x509_certificate(text)
    assert set(read.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == uses
    assert hosts_of(text) == tuple(hosts)
    assert (identity_of(text).role, identity_of(text).name) == (role, "X1")


@pytest.mark.parametrize(
    ("csr", "said"),
    [
        (lambda: _csr(uri("spiffe://fedsov/region/DE"), uri("spiffe://fedsov/region/US")), "and this has 2"),
        (lambda: _csr(uri("spiffe://fedsov/region/DE"), uri("spiffe://fedsov/hub")), "and this has 2"),
        (lambda: _csr(), "and this has 0"),
        (lambda: _csr(uri("spiffe://other/region/DE")), "names no party"),
        (lambda: _csr(uri("spiffe://fedsov/region/US")), "another one than the subject 'DE'"),
        (lambda: _csr(uri("spiffe://fedsov/region/DE/hub")), "names no party"),
        (lambda: _csr(uri("spiffe://fedsov/region/DE?x=1")), "names no party"),
        (lambda: _csr(uri("SPIFFE://fedsov/region/DE")), "names no party"),
        (lambda: _csr(uri("spiffe://fedsov/region/.."), subject=".."), "cannot be in a certificate"),
        (lambda: _csr(uri("spiffe://fedsov/region/DE"), x509.DNSName("hub.example.org")), "only a hub has addresses"),
        (lambda: _csr(uri("spiffe://fedsov/hub"), x509.RFC822Name("a@b.example"), subject="hub"), "beside its own"),
        (lambda: _csr(uri(uri_of("region", "DE")), key=ec.generate_private_key(ec.SECP384R1())), "not of the curve"),
        (lambda: _csr(uri(uri_of("region", "DE")), key=rsa.generate_private_key(65537, 2048)), "not of the curve"),
        (lambda: _csr(uri(uri_of("region", "DE")), key=ed25519.Ed25519PrivateKey.generate()), "not of the curve"),
        (lambda: b"half a request", "cannot be read"),
        (lambda: request(new_key(), "region", "DE") + b" " * 70_000, "cannot be read"),
    ],
)
def test_a_request_for_anything_but_one_party_is_not_signed(
    authority: OpenAuthority, csr: Callable[[], bytes], said: str
) -> None:
    with pytest.raises(CertificateRefused, match=said):
        authority.sign(csr(), now=NOW)


def test_a_request_whose_signature_does_not_hold_is_refused() -> None:
    der = bytearray(x509.load_pem_x509_csr(request(new_key(), "region", "DE")).public_bytes(Encoding.DER))
    der[-1] ^= 1
    try:
        text = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    except ValueError:
        pytest.fail("the request must be whole but for its signature")
    with pytest.raises(CertificateRefused, match="not signed by its own key"):
        requested(text)


def test_no_certificate_outlives_its_authority(authority: OpenAuthority) -> None:
    with pytest.raises(CertificateRefused, match="the authority's ends on 2036"):
        authority.sign(request(new_key(), "region", "DE"), days=3651, now=NOW)
    with pytest.raises(CertificateRefused, match="ask for 1 day or more"):
        authority.sign(request(new_key(), "region", "DE"), days=0, now=NOW)
    with pytest.raises(CertificateRefused, match="the authority's certificate expired"):
        check_authority(authority.text, now=NOW + timedelta(days=3651))


def test_an_authority_opens_by_its_passphrase_and_its_own_key_alone() -> None:
    one, other = new_authority(WORDS, now=NOW), new_authority(WORDS, now=NOW)
    with pytest.raises(KeyUnavailable, match="the passphrase does not open the authority's key"):
        one.opened("another passphrase")
    with pytest.raises(KeyUnavailable, match="is not that of its certificate"):
        CertificateAuthority(one.certificate, other.key).opened(WORDS)
    assert one.key not in repr(one).encode()
