"""Masks cancel and hide, agreed keys are those of the RFCs, and a ciphertext opens for its key and occasion alone."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from fedsov.privacy.secure_aggregation import masks

KEYS = [bytes([number]) * 32 for number in range(1, 5)]
CHUNK = 2**15
draw = bytes  # so many zero bytes


def test_agreement_is_x25519_as_in_rfc_7748() -> None:
    """Section 6.1: Bob's keys, and the secret that he shares with Alice."""
    bob = masks.private_key(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    alice = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    assert masks.public_key(bob).hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert masks.agreed(bob, alice).hex() == "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_what_one_adds_the_other_takes_away(values: list[int]) -> None:
    words = np.array(values, np.uint64)
    hidden = masks.masked(words, added=KEYS[:2], taken=KEYS[2:])
    assert np.array_equal(masks.masked(hidden, added=KEYS[2:], taken=KEYS[:2]), words)
    assert not len(words) or not np.array_equal(hidden, words)


def test_the_argument_is_left_as_it_was_and_no_key_is_no_mask() -> None:
    words = np.arange(5, dtype=np.uint64)
    masks.masked(words, added=KEYS)
    assert words.tolist() == [0, 1, 2, 3, 4]
    assert np.array_equal(masks.masked(words), words)


@pytest.mark.parametrize("length", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3])
def test_a_mask_is_the_key_stream_of_aes_256_in_counter_mode_from_its_first_block_on(length: int) -> None:
    """Also across the chunks that it is made in: the same as encrypting so many zero bytes at once."""
    stream = Cipher(algorithms.AES(KEYS[0]), modes.CTR(bytes(16))).encryptor().update(bytes(8 * length))
    hidden = masks.masked(np.zeros(length, np.uint64), added=KEYS[:1])
    assert hidden.astype("<u8").tobytes() == stream


def test_keys_of_two_purposes_and_of_two_secrets_are_unlike_and_repeat() -> None:
    secret = bytes(range(32))
    found = {masks.derived_key(secret, b"a"), masks.derived_key(secret, b"b"), masks.derived_key(KEYS[0], b"a")}
    assert len(found) == 3 and all(len(key) == masks.KEY for key in found)
    assert masks.derived_key(secret, b"a") in found


def test_a_key_that_leads_to_one_secret_for_all_is_refused() -> None:
    with pytest.raises(ValueError, match="shared"):
        masks.agreed(masks.private_key(KEYS[0]), bytes(32))


def test_a_ciphertext_opens_for_its_key_and_occasion_alone() -> None:
    ciphertext = masks.encrypted(KEYS[0], b"shares", about=b"round 1, DE to US", draw=draw)
    assert len(ciphertext) == masks.encrypted_size(len(b"shares"))
    assert masks.decrypted(KEYS[0], ciphertext, about=b"round 1, DE to US") == b"shares"
    with pytest.raises(masks.WrongContext):
        masks.decrypted(KEYS[0], ciphertext, about=b"round 2, DE to US")
    with pytest.raises(masks.NotDecrypted):
        masks.decrypted(KEYS[1], ciphertext, about=b"round 1, DE to US")


@pytest.mark.parametrize("place", [0, 31, 32, 43, 44, 49, 50, 65])
def test_a_changed_byte_is_found_wherever_it_is(place: int) -> None:
    ciphertext = bytearray(masks.encrypted(KEYS[0], b"shares", about=b"x", draw=draw))
    ciphertext[place] ^= 1
    with pytest.raises((masks.WrongContext, masks.NotDecrypted)):
        masks.decrypted(KEYS[0], bytes(ciphertext), about=b"x")


@pytest.mark.parametrize("length", [0, 31, 32, 40, 44, 60, 65])
def test_a_ciphertext_that_was_cut_is_found(length: int) -> None:
    ciphertext = masks.encrypted(KEYS[0], b"shares", about=b"x", draw=draw)
    with pytest.raises((masks.WrongContext, masks.NotDecrypted)):
        masks.decrypted(KEYS[0], ciphertext[:length], about=b"x")
