"""Shamir's secret sharing: any `threshold` holders can tell a secret, fewer know nothing about it.

The secret is the value at 0 of a random polynomial of degree threshold - 1 over a prime field; holder i has its value
at i. Any threshold - 1 values fit every secret equally well (Shamir 1979, How to share a secret,
https://doi.org/10.1145/359168.359176). The field is larger than 2^256, so every 32 bytes are an element.

>>> shares = split(bytes(range(32)), threshold=2, holders=3)
>>> joined({3: shares[3], 1: shares[1]}) == bytes(range(32))
True
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

Draw = Callable[[int], bytes]
"""So many bytes of chance that nobody can foresee; `secrets.token_bytes` outside tests."""

PRIME = 2**256 + 297
"""The smallest prime above 2^256."""
SIZE = 33
"""Bytes of a field element."""
SECRET = 32
_WIDE = 64  # bytes drawn for a coefficient: reduced modulo the prime, its bias is below 2^-250


def split(secret: bytes, *, threshold: int, holders: int, draw: Draw = secrets.token_bytes) -> dict[int, bytes]:
    """Shares of a 32-byte secret, 33 bytes each, by holder: 1 to `holders`.

    Raises ValueError for a secret of another length, or a threshold that is not in 1 to `holders`.
    """
    if len(secret) != SECRET or not 1 <= threshold <= holders:
        raise ValueError(f"expected 32 bytes and 1 <= threshold <= holders, got {len(secret)}, {threshold}, {holders}")
    chance = (int.from_bytes(draw(_WIDE), "big") % PRIME for _ in range(threshold - 1))
    polynomial = [int.from_bytes(secret, "big"), *chance]
    return {at: _value(polynomial, at).to_bytes(SIZE, "big") for at in range(1, holders + 1)}


def joined(shares: Mapping[int, bytes]) -> bytes:
    """The secret of at least a threshold of shares, by holder; of fewer or of false ones, some other 32 bytes.

    Raises ValueError for no shares, for one that is no field element, and where the value at 0 is no 32 bytes.
    """
    values = {at: int.from_bytes(share, "big") for at, share in shares.items()}
    if not values or any(value >= PRIME for value in values.values()) or any(not 0 < at < PRIME for at in values):
        raise ValueError("expected shares that are elements of the field, at places above 0")
    secret = sum(value * _at_zero(at, values) for at, value in values.items()) % PRIME
    if secret >> (8 * SECRET):
        raise ValueError("these shares are not of one secret")
    return secret.to_bytes(SECRET, "big")


def _value(polynomial: list[int], at: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = (value * at + coefficient) % PRIME
    return value


def _at_zero(at: int, places: Mapping[int, int]) -> int:
    """Lagrange's basis polynomial of one place among these, at 0."""
    above = below = 1
    for other in places:
        if other != at:
            above, below = above * other % PRIME, below * (other - at) % PRIME
    return above * pow(below, -1, PRIME) % PRIME
