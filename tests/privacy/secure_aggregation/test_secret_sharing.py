"""Shares: enough tell the secret, fewer fit every secret."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.privacy.secure_aggregation.secret_sharing import PRIME, joined, split


def _is_prime(number: int) -> bool:
    """Miller-Rabin to the first 40 primes' bases; an error has a chance below 2^-80."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    primes = [n for n in range(2, 174) if all(n % d for d in range(2, n))]
    for base in primes:
        value = pow(base, odd, number)
        if value not in (1, number - 1) and number - 1 not in (pow(value, 2**k, number) for k in range(twos)):
            return False
    return True


def test_the_field_is_that_of_the_smallest_prime_above_two_to_the_256() -> None:
    assert _is_prime(PRIME) and not any(_is_prime(2**256 + more) for more in range(1, 297, 2))


@settings(deadline=None, max_examples=40)
@given(st.binary(min_size=32, max_size=32), st.integers(3, 7), st.data())
def test_any_enough_shares_tell_the_secret(secret: bytes, holders: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(1, holders))
    shares = split(secret, threshold=threshold, holders=holders)
    for count in range(threshold, holders + 1):
        for places in combinations(shares, count):
            assert joined({at: shares[at] for at in places}) == secret


def test_one_share_too_few_fits_any_other_secret_as_well() -> None:
    """With t - 1 shares known, some last share leads to each secret there is: they exclude none."""
    shares = split(b"\x07" * 32, threshold=3, holders=5)
    known = {at: int.from_bytes(shares[at], "big") for at in (2, 5)}
    for other in (b"\x00" * 32, b"\xff" * 32, bytes(range(32))):
        points = {0: int.from_bytes(other, "big"), **known}
        completing = {**{at: shares[at] for at in known}, 1: _through(points, 1).to_bytes(33, "big")}
        assert joined(completing) == other


def _through(points: dict[int, int], at: int) -> int:
    total = 0
    for place, value in points.items():
        above = below = 1
        for other in points:
            if other != place:
                above, below = above * (at - other), below * (place - other)
        total += value * above * pow(below, -1, PRIME)
    return total % PRIME


@pytest.mark.parametrize(("secret", "threshold", "holders"), [(b"short", 2, 3), (bytes(32), 0, 3), (bytes(32), 4, 3)])
def test_what_cannot_be_shared_is_refused(secret: bytes, threshold: int, holders: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        split(secret, threshold=threshold, holders=holders)


def test_shares_that_are_none_are_refused() -> None:
    for wrong in ({}, {1: b"\xff" * 33}, {0: bytes(33)}):
        with pytest.raises(ValueError, match="elements"):
            joined(wrong)
