"""A private key under a passphrase: what was written opens by it alone, here and in OpenSSL's own form."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import KeyUnavailable
from fedsov.keys.certificates.encrypted_pkcs8 import decrypted, encrypted

WORDS = "correct horse battery"
KEY = ec.generate_private_key(ec.SECP256R1())


@settings(max_examples=8, deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cs",)), min_size=12, max_size=40))
def test_every_passphrase_opens_what_it_closed(words: str) -> None:
    opened = decrypted(encrypted(KEY, words), words, called="ca.key")
    assert opened.private_numbers() == KEY.private_numbers()


def test_openssl_reads_the_file() -> None:
    """`cryptography` parses it by OpenSSL's rules: PBES2 with scrypt and AES-256-CBC."""
    text = encrypted(KEY, WORDS)
    read = load_pem_private_key(text, WORDS.encode())
    assert isinstance(read, ec.EllipticCurvePrivateKey) and read.private_numbers() == KEY.private_numbers()
    assert all(len(line) <= 64 for line in text.decode().splitlines())


def test_two_encryptions_have_nothing_in_common_and_do_not_hold_the_key() -> None:
    one, other = encrypted(KEY, WORDS), encrypted(KEY, WORDS)
    assert one != other
    plain = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert not {*one.splitlines()[1:-1]} & {*plain.splitlines()[1:-1]}


def test_another_passphrase_or_a_changed_file_opens_nothing() -> None:
    text = encrypted(KEY, WORDS)
    with pytest.raises(KeyUnavailable, match="the passphrase does not open ca.key") as refusal:
        decrypted(text, "another passphrase", called="ca.key")
    assert "another passphrase" not in str(refusal.value)
    lines = text.splitlines(keepends=True)
    with pytest.raises(KeyUnavailable):
        decrypted(b"".join([*lines[:2], b"A" * 64 + b"\n", *lines[3:]]), WORDS, called="ca.key")


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(KeyUnavailable, match="fewer than 12 letters"):
        encrypted(KEY, "elevenchars")


def test_a_key_that_nothing_protects_or_of_another_kind_is_refused() -> None:
    plain = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyUnavailable, match="is not a private key under a passphrase"):
        decrypted(plain, WORDS, called="ca.key")
    other = rsa.generate_private_key(65537, 2048)
    text = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(WORDS.encode()))
    with pytest.raises(KeyUnavailable, match="no key of an elliptic curve"):
        decrypted(text, WORDS, called="ca.key")
