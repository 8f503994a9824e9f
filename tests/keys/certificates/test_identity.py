"""Who a certificate names, and which is not believed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from fedsov.errors import CertificateRefused
from fedsov.keys.certificates import (
    OpenAuthority,
    check_authority,
    check_issued,
    der_of,
    fingerprint,
    identity_of,
    is_signed_by,
    new_authority,
    new_key,
    private_key,
    request,
    uri_of,
)
from tests.keys.certificates.names import NOW, WORDS, uri
from tests.keys.certificates.names import subject as names_of


def _certificate(*names: x509.GeneralName, subject: str = "DE", by: OpenAuthority | None = None) -> bytes:
    """A certificate of any names, signed by an authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(names_of(subject)).public_key(key.public_key()).serial_number(7)
    builder = builder.issuer_name(names_of(subject) if by is None else by.certificate.subject)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key if by is None else by.key, SHA256()).public_bytes(Encoding.PEM)


def test_a_certificate_of_two_parties_or_none_identifies_nobody(authority: OpenAuthority) -> None:
    two = _certificate(uri(uri_of("region", "DE")), uri(uri_of("hub", "hub")), by=authority)
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
    own = _certificate(uri(uri_of("region", "DE")))
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


def test_an_authority_signs_texts_too(authority: OpenAuthority) -> None:
    signature = authority.signature(b"a text")
    assert is_signed_by(authority.text, b"a text", signature)
    assert not is_signed_by(authority.text, b"another", signature)
    assert not is_signed_by(new_authority(WORDS, now=NOW).certificate, b"a text", signature)


def test_a_fingerprint_is_of_the_whole_certificate(authority: OpenAuthority) -> None:
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", fingerprint(authority.text))
    assert fingerprint(authority.text) == fingerprint(der_of(authority.text))
