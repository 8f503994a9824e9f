import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import KeyUnavailable
from fedsov.keys.sealing import decrypted, derived_key, encrypted, opened, public_half, seal

PRIVATE, OTHER = b"c" * 32, b"d" * 32


@given(content=st.binary(max_size=100), place=st.integers(0, 10_000))
def test_sealed_content_opens_for_its_recipient_and_not_with_one_bit_changed(content: bytes, place: int) -> None:
    sealed = bytearray(seal(public_half(PRIVATE), content, "synthetic"))
    assert opened(PRIVATE, bytes(sealed), "synthetic") == content
    # X25519 ignores the top bit of the public key; the key derivation does not
    sealed[place % len(sealed)] ^= 128
    with pytest.raises(ValueError, match=r"decrypt|32 bytes"):
        opened(PRIVATE, bytes(sealed), "synthetic")


def test_sealed_content_opens_for_no_other_key_and_no_other_context() -> None:
    sealed = seal(public_half(PRIVATE), b"rows", "synthetic")
    assert opened(PRIVATE, sealed, "synthetic") == b"rows"
    for private, context in ((OTHER, "synthetic"), (PRIVATE, "model")):
        with pytest.raises(ValueError, match="does not decrypt"):
            opened(private, sealed, context)


def test_the_layout_is_ephemeral_key_nonce_ciphertext_and_tag_and_nothing_repeats() -> None:
    first, second = (seal(public_half(PRIVATE), b"rows", "x") for _ in range(2))
    assert len(first) == 32 + 12 + len(b"rows") + 16
    assert first[:32] != second[:32] and first[32:44] != second[32:44]


@pytest.mark.parametrize("impossible", [b"", b"short", b"\0" * 33, b"\0" * 32])
def test_nothing_is_sealed_to_an_impossible_key(impossible: bytes) -> None:
    with pytest.raises(KeyUnavailable, match="32 bytes"):
        seal(impossible, b"rows", "synthetic")


def test_what_was_bound_must_be_the_same_at_decryption() -> None:
    content = encrypted(PRIVATE, b"file key", b"EU")
    assert decrypted(PRIVATE, content, b"EU") == b"file key"
    for key, bound in ((OTHER, b"EU"), (PRIVATE, b"US")):
        with pytest.raises(ValueError, match="another key or context"):
            decrypted(key, content, bound)


def test_keys_of_two_purposes_or_of_two_secrets_are_different_and_each_is_the_same_again() -> None:
    keys = {derived_key(secret, purpose) for secret in (PRIVATE, OTHER) for purpose in ("seals", "people")}
    assert len(keys) == 4 and all(len(key) == 32 for key in keys)
    assert derived_key(PRIVATE, "seals") in keys
    # RFC 5869 with SHA-256, no salt, by hand: extract, then one block of expand
    extracted = hmac.digest(bytes(32), PRIVATE, "sha256")
    assert derived_key(PRIVATE, "seals") == hmac.digest(extracted, b"fedsov key 1 seals\x01", "sha256")
