"""The list of revoked certificates: signed, never shorter, never older."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import CertificateRefused
from fedsov.keys.revocation import (
    RevocationList,
    check_not_revoked,
    is_revoked,
    issued,
    read,
    revoked,
    written,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SIGNER = Ed25519PrivateKey.from_private_bytes(b"h" * 32)
KEY = SIGNER.public_key().public_bytes_raw().hex()


def _list(*serials: str) -> RevocationList:
    listed = issued(RevocationList(), at=NOW)
    for serial in serials:
        listed = revoked(listed, serial, f"region of {serial}", at=NOW, why="stolen")
    return listed


@given(st.lists(st.text("0123456789abcdef", min_size=1, max_size=40), unique=True, max_size=6))
def test_what_was_written_is_read_and_each_list_follows_the_one_before(serials: list[str]) -> None:
    lists = [_list(*serials[:number]) for number in range(len(serials) + 1)]
    for before, after in pairwise(lists):
        assert after.check_follows(before) == after
        with pytest.raises(CertificateRefused, match="an old one was put back"):
            before.check_follows(after)
    assert read(written(lists[-1], KEY, SIGNER.sign), KEY) == lists[-1]
    assert all(is_revoked(lists[-1], serial) for serial in serials)


def test_a_serial_is_revoked_once() -> None:
    assert _list("ab") == revoked(_list("ab"), "ab", "again", at=NOW, why="again")


def test_a_list_of_another_key_is_refused_and_so_is_every_changed_one() -> None:
    text = written(_list("ab"), KEY, SIGNER.sign)
    other = Ed25519PrivateKey.generate()
    with pytest.raises(CertificateRefused, match="is not signed by whom it must be"):
        read(text, other.public_key().public_bytes_raw().hex())
    with pytest.raises(CertificateRefused, match="is not signed"):
        read(written(_list("ab"), KEY, other.sign), KEY)
    plain = json.loads(text)
    for change in ({"revoked": []}, {"counter": 9}, {"issued_at": "later"}, {"key": "ff" * 32}):
        with pytest.raises(CertificateRefused, match="is not signed"):
            read(json.dumps({**plain, **change}).encode(), KEY)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b'{"format": 1, "signature": "zz"}', b"[" * 10**5])
def test_garbage_is_refused(text: bytes) -> None:
    with pytest.raises(CertificateRefused, match="cannot be read"):
        read(text, KEY)


def test_a_signed_list_that_is_none_is_refused() -> None:
    from fedsov.keys import signed_text
    from fedsov.keys.revocation import FORMAT

    plain = {"counter": -1, "issued_at": "", "revoked": [], "key": KEY}
    for odd in (plain, {**plain, "counter": 1, "revoked": [{"serial": "ab"}]}, {"key": KEY}):
        with pytest.raises(CertificateRefused, match="cannot be read"):
            read(signed_text.written(FORMAT, odd, SIGNER.sign), KEY)


def test_two_lists_of_one_number_and_a_list_that_lost_an_entry_are_refused() -> None:
    one, other = _list("ab"), _list("cd")
    with pytest.raises(CertificateRefused, match="two lists of revoked certificates have number 2"):
        other.check_follows(one)
    with pytest.raises(CertificateRefused, match="is on the list no more, or was changed"):
        replace(other, counter=3).check_follows(one)


def test_a_revoked_certificate_is_named_with_when_and_why() -> None:
    check_not_revoked(_list("ab"), "cd", "DE")
    with pytest.raises(CertificateRefused, match="of DE was revoked at 2026-11-30T12:00:00.*: stolen"):
        check_not_revoked(_list("ab"), "ab", "DE")
