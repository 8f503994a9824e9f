"""A ledger's rows: how they are made, and how they are followed to the first that does not hold.

A row is an entry's number, its text, its leaf's hash, and the hashes of the subtrees that it completed (`merkle`). Each
is bound twice, by its own hash and by the tree, so a fault is named where it is and not only felt at the root.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from fedsov.ledger import merkle

Row = tuple[int, bytes, bytes, bytes]
FIRST, LAST = -(2**63), 2**63 - 1
"""The least and the greatest number that an entry may claim; a forged one may have any."""
ROWS = "SELECT seq, body, leaf, above FROM entries WHERE seq >= ? AND seq <= ? ORDER BY seq"

_place = struct.Struct(">xQ").pack  # RFC 6962's zero byte before a leaf, and the entry's number in eight


def leaf_of(seq: int, body: bytes) -> bytes:
    """The hash of entry `seq`: of its number (eight bytes, big-endian) and its text, so that neither can change."""
    return hashlib.sha256(_place(seq) + body).digest()


def rows_of(bodies: Sequence[bytes], size: int, frontier: list[bytes]) -> tuple[list[Row], list[bytes]]:
    """Rows for entries that follow the first `size`, and the frontier after them."""
    rows = []
    for seq, body in enumerate(bodies, size + 1):
        leaf = leaf_of(seq, body)
        above = merkle.completed(frontier, seq, leaf)
        frontier = merkle.grown(frontier, leaf, above)
        rows.append((seq, body, leaf, b"".join(above)))
    return rows, frontier


def follow(rows: Iterable[tuple[Any, ...]], size: int, frontier: list[bytes]) -> tuple[int, str]:
    """Follows rows after the first `size`: how many entries hold, and the first fault in one line, or nothing.

    It changes the frontier it is given, and repeats `merkle` in place: this loop is what verifying a million entries
    costs.
    """
    sha256, place, pop, push = hashlib.sha256, _place, frontier.pop, frontier.append
    for seq, body, leaf, above in rows:
        if seq != size + 1:
            return size, _misplaced(seq, size + 1)
        try:
            whole = sha256(place(seq) + body).digest()
        except TypeError:
            return size, f"entry {seq} holds no text"
        if whole != leaf:
            return size, f"entry {seq} does not match its hash: its text, its hash or its place was changed"
        size = seq
        if seq & 1 and above == b"":  # every second leaf completes nothing
            push(leaf)
            continue
        subtrees, rest = b"", seq
        while not rest & 1:
            whole = sha256(b"\x01" + pop() + whole).digest()
            subtrees += whole
            rest >>= 1
        if subtrees != above:
            return seq - 1, (
                f"entry {seq} does not match the hashes above it: they were changed, or an entry from {seq - 1} to "
                f"{seq} was changed together with its hash"
            )
        push(whole)
    return size, ""


def _misplaced(seq: Any, expected: int) -> str:
    if isinstance(seq, int) and seq < 1:
        return f"entry {seq} has a number that no entry has"
    return f"entry {expected} is missing (gap before entry {seq})"
