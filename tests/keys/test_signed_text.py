"""Signed objects: of one form, from one key, unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import CertificateRefused
from fedsov.keys.signed_text import holds_ed25519, read, written

SIGNER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
KEY = SIGNER.public_key().public_bytes_raw().hex()
VALUES = st.dictionaries(
    st.text(max_size=5).filter(lambda key: key not in ("format", "signature")),
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    max_size=4,
)


def _holds(plain: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
    return holds_ed25519(KEY, message, signature)


@given(VALUES)
def test_what_was_written_is_read(plain: dict[str, Any]) -> None:
    assert read(written("a form 1", plain, SIGNER.sign), "a form 1", _holds, called="it") == plain


def test_one_form_is_not_another_whoever_renames_it() -> None:
    text = written("a form 1", {"name": "DE"}, SIGNER.sign)
    with pytest.raises(CertificateRefused, match="it is 'a form 1', and 'another' is expected"):
        read(text, "another", _holds, called="it")
    renamed = json.dumps({**json.loads(text), "format": "another"}).encode()
    with pytest.raises(CertificateRefused, match="it is not signed by whom it must be"):
        read(renamed, "another", _holds, called="it")


@pytest.mark.parametrize("change", [{"name": "US"}, {"more": 1}, {"signature": "00" * 64}])
def test_a_changed_object_is_refused(change: dict[str, Any]) -> None:
    plain = json.loads(written("a form 1", {"name": "DE"}, SIGNER.sign))
    with pytest.raises(CertificateRefused, match="is not signed"):
        read(json.dumps({**plain, **change}).encode(), "a form 1", _holds, called="it")


def test_a_check_that_does_not_find_its_key_refuses() -> None:
    text = written("a form 1", {"name": "DE"}, SIGNER.sign)
    with pytest.raises(CertificateRefused, match="is not signed"):
        read(text, "a form 1", lambda plain, message, signature: bool(plain["key"]), called="it")
    assert not holds_ed25519("no key", b"", b"")
