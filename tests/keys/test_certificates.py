"""Certificates: who may be named in one, who signed it, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedsov.errors import CertificateRefused, KeyUnavailable
from fedsov.keys.certificates import (
    CertificateAuthority,
    OpenAuthority,
    check_authority,
    check_issued,
    check_name,
    der_of,
    fingerprint,
    hosts_of,
    identity_of,
    is_signed_by,
    new_authority,
    new_key,
    private_key,
    public_half,
    public_key_of,
    request,
    requested,
    uri_of,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WORDS = "correct horse battery"


@pytest.fixture(scope="module")
def authority() -> OpenAuthority:
    return new_authority(WORDS, now=NOW).opened(WORDS)


def _csr(*names: x509.GeneralName, subject: str = "DE", key: object = None) -> bytes:
    """A request of any names, which `request` would not write."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(own, None if isinstance(own, ed25519.Ed25519PrivateKey) else SHA256()).public_bytes(
        Encoding.PEM
    )


def _name(subject: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])


def _uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def _certificate(*names: x509.GeneralName, subject: str = "DE", by: OpenAuthority | None = None) -> bytes:
    """A certificate of any names, signed by an authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(_name(subject)).public_key(key.public_key()).serial_number(7)
    builder = builder.issuer_name(_name(subject) if by is None else by.certificate.subject)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key if by is None else by.key, SHA256()).public_bytes(Encoding.PEM)


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
        (lambda: _csr(_uri("spiffe://fedsov/region/DE"), _uri("spiffe://fedsov/region/US")), "and this has 2"),
        (lambda: _csr(_uri("spiffe://fedsov/region/DE"), _uri("spiffe://fedsov/hub")), "and this has 2"),
        (lambda: _csr(), "and this has 0"),
        (lambda: _csr(_uri("spiffe://other/region/DE")), "names no party"),
        (lambda: _csr(_uri("spiffe://fedsov/region/US")), "another one than the subject 'DE'"),
        (lambda: _csr(_uri("spiffe://fedsov/region/DE/hub")), "names no party"),
        (lambda: _csr(_uri("spiffe://fedsov/region/DE?x=1")), "names no party"),
        (lambda: _csr(_uri("SPIFFE://fedsov/region/DE")), "names no party"),
        (lambda: _csr(_uri("spiffe://fedsov/region/.."), subject=".."), "cannot be in a certificate"),
        (lambda: _csr(_uri("spiffe://fedsov/region/DE"), x509.DNSName("hub.example.org")), "only a hub has addresses"),
        (lambda: _csr(_uri("spiffe://fedsov/hub"), x509.RFC822Name("a@b.example"), subject="hub"), "beside its own"),
        (lambda: _csr(_uri(uri_of("region", "DE")), key=ec.generate_private_key(ec.SECP384R1())), "not of the curve"),
        (lambda: _csr(_uri(uri_of("region", "DE")), key=rsa.generate_private_key(65537, 2048)), "not of the curve"),
        (lambda: _csr(_uri(uri_of("region", "DE")), key=ed25519.Ed25519PrivateKey.generate()), "not of the curve"),
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


@pytest.mark.parametrize("name", ["", "D E", "DE\n", "Köln", "a/b", "x" * 64, "a.b", "*"])
def test_a_name_that_no_certificate_can_have_is_refused(name: str) -> None:
    with pytest.raises(CertificateRefused, match="cannot be in a certificate"):
        check_name(name)
    with pytest.raises(CertificateRefused, match="cannot be in a certificate"):
        request(new_key(), "region", name)


def test_an_unknown_role_and_a_host_in_other_letters_are_refused() -> None:
    with pytest.raises(CertificateRefused, match="unknown role 'router'; there are hub, region, operator"):
        request(new_key(), "router", "R")
    with pytest.raises(CertificateRefused, match="is no name of a machine"):
        request(new_key(), "hub", "hub", hosts=["höb.example"])


def test_a_certificate_of_two_parties_or_none_identifies_nobody(authority: OpenAuthority) -> None:
    two = _certificate(_uri(uri_of("region", "DE")), _uri(uri_of("hub", "hub")), by=authority)
    with pytest.raises(CertificateRefused, match="and this has 2"):
        check_issued(two, authority.text, now=NOW)
    with pytest.raises(CertificateRefused, match="and this has 0"):
        identity_of(_certificate(by=authority))
    with pytest.raises(CertificateRefused, match="is an authority's, and names no party"):
        identity_of(authority.text)
    with pytest.raises(CertificateRefused, match="is not one certificate"):
        identity_of(authority.text + authority.text)
    with pytest.raises(CertificateRefused, match="is not one certificate"):
        identity_of(b"\x30\x82")


def test_a_certificate_that_signed_itself_or_that_another_authority_signed_is_refused(authority: OpenAuthority) -> None:
    own = _certificate(_uri(uri_of("region", "DE")))
    other = new_authority(WORDS, now=NOW).opened(WORDS).sign(request(new_key(), "region", "DE"), now=NOW)
    for text in (own, other):
        with pytest.raises(CertificateRefused, match="was not signed by the authority"):
            check_issued(text, authority.text, now=NOW)


def test_a_partys_certificate_signs_nobody_else(authority: OpenAuthority) -> None:
    key = new_key()
    leaf = authority.sign(request(key, "region", "DE"), now=NOW)
    usurper = OpenAuthority(x509.load_pem_x509_certificate(leaf), private_key(key))
    below = usurper.sign(request(new_key(), "hub", "hub"), days=1, now=NOW)
    with pytest.raises(CertificateRefused, match="is no authority's"):
        check_issued(below, leaf, now=NOW)
    with pytest.raises(CertificateRefused, match="is not that of an authority"):
        check_authority(leaf, now=NOW)


def test_a_certificate_is_valid_from_an_hour_before_until_its_end(authority: OpenAuthority) -> None:
    text = authority.sign(request(new_key(), "region", "DE"), days=2, now=NOW)
    check_issued(text, authority.text, now=NOW - timedelta(minutes=59))
    check_issued(text, authority.text, now=NOW + timedelta(days=2))
    with pytest.raises(CertificateRefused, match="expired on 2026-12-02; `fedsov deploy renew`"):
        check_issued(text, authority.text, now=NOW + timedelta(days=2, seconds=1))
    with pytest.raises(CertificateRefused, match="is not valid before .*; see to the clocks"):
        check_issued(text, authority.text, now=NOW - timedelta(hours=2))


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


def test_what_is_no_p256_key_is_refused() -> None:
    longer = ec.generate_private_key(ec.SECP384R1())
    text = longer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyUnavailable, match="not of the curve P-256"):
        private_key(text)
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        public_half(b"half a key")


def test_an_authority_signs_texts_too(authority: OpenAuthority) -> None:
    signature = authority.signature(b"a text")
    assert is_signed_by(authority.text, b"a text", signature)
    assert not is_signed_by(authority.text, b"another", signature)
    assert not is_signed_by(new_authority(WORDS, now=NOW).certificate, b"a text", signature)


def test_a_fingerprint_is_of_the_whole_certificate(authority: OpenAuthority) -> None:
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", fingerprint(authority.text))
    assert fingerprint(authority.text) == fingerprint(der_of(authority.text))
