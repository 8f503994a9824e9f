"""The arithmetic of an append-only log: a Merkle tree over entries, as RFC 6962 (section 2.1) defines it.

A leaf is hashed behind a zero byte, two subtrees behind a one byte, so that neither can pass for the other. The
root of n leaves binds all of them and their order; `log2(n)` hashes prove that a leaf is among them (inclusion), or
that n leaves begin with the m that somebody saw earlier (consistency).

Leaves are numbered from 1. When leaf n is added, as many perfect subtrees are completed as n has zero bits at its
end; `completed` returns their hashes, smallest first. Kept beside each leaf, they are every inner node there is: the
subtree of 2^k leaves that ends with leaf n is the k-th of leaf n (the leaf's own hash for k = 0). So a root or a
proof reads a few rows, never all of them.

Nothing here reads a file or knows a key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

HASH = 32
EMPTY = hashlib.sha256(b"").digest()
"""The root of no leaves."""

Range = tuple[int, int]
"""Leaves from the first number (excluded) to the second (included)."""

Node = Callable[[int, int], bytes]
"""Where a tree's nodes are kept: the hash of the 2^k leaves that end with leaf n, by (n, k)."""


def leaf_hash(content: bytes) -> bytes:
    """The hash of one leaf."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbouring subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed(frontier: Sequence[bytes], number: int, leaf: bytes) -> list[bytes]:
    """Hashes of the subtrees that leaf `number` completes, smallest first; none for every second leaf.

    Args:
        frontier: the perfect subtrees of the leaves before it, largest first.
    """
    steps = (number & -number).bit_length() - 1
    lefts = reversed(frontier[len(frontier) - steps :])
    return list(accumulate(lefts, lambda right, left: node_hash(left, right), initial=leaf))[1:]


def grown(frontier: Sequence[bytes], leaf: bytes, above: Sequence[bytes]) -> list[bytes]:
    """The frontier once a leaf, which completed the subtrees `above`, has been added."""
    return [*frontier[: len(frontier) - len(above)], above[-1] if above else leaf]


def root(frontier: Sequence[bytes]) -> bytes:
    """The root of the tree whose perfect subtrees, largest first, are these."""
    if not frontier:
        return EMPTY
    *lefts, whole = frontier
    for left in reversed(lefts):
        whole = node_hash(left, whole)
    return whole


def peaks(size: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """The perfect subtrees of `size` leaves after leaf `start`, largest first: (last leaf, k), each of 2^k leaves."""
    end = start
    for k in reversed(range(size.bit_length())):
        if size >> k & 1:
            end += 1 << k
            yield end, k


def range_hash(node: Node, leaves: Range) -> bytes:
    """The hash of a range that is a subtree of some tree."""
    start, end = leaves
    return root([node(last, k) for last, k in peaks(end - start, start)])


def inclusion_ranges(number: int, size: int) -> list[Range]:
    """The subtrees whose hashes prove leaf `number` to be in a tree of `size` leaves, in the order of RFC 6962."""
    if not 1 <= number <= size:
        raise ValueError(f"expected an entry from 1 to {size}, got {number}")
    ranges, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if number <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, size: int) -> list[Range]:
    """The subtrees whose hashes prove a tree of `size` leaves to begin with one of `old`, in the order of RFC 6962."""
    if not 0 <= old <= size:
        raise ValueError(f"expected a size from 0 to {size}, got {old}")
    if old in (0, size):
        return []
    ranges, start, end, is_known = [], 0, size, True
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, is_known = middle, False
    return [*([] if is_known else [(start, end)]), *ranges[::-1]]


def _split(size: int) -> int:
    """The largest power of two below a size of at least 2: where RFC 6962 parts a tree."""
    return 1 << (size - 1).bit_length() - 1


def includes(leaf: bytes, number: int, *, size: int, path: Sequence[bytes], whole: bytes) -> bool:
    """True where the path proves a leaf's hash to be number `number` of the `size` under the root `whole`.

    RFC 9162, section 2.1.3.2.
    """
    if not 1 <= number <= size:
        return False
    place, last, reached = number - 1, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            reached = node_hash(sibling, reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and reached == whole


def continues(old: int, before: bytes, *, size: int, whole: bytes, path: Sequence[bytes]) -> bool:
    """True where the path proves that `size` leaves of root `whole` begin with the `old` ones of root `before`.

    RFC 9162, section 2.1.4.2. Every tree continues the empty one.
    """
    if old == 0 or old == size:
        return not path and before == (EMPTY if old == 0 else whole)
    if not 0 < old < size or not path:
        return False
    hashes = list(path) if old & (old - 1) else [before, *path]
    place, last = old - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    reached_before = reached = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            reached_before, reached = node_hash(sibling, reached_before), node_hash(sibling, reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and reached_before == before and reached == whole
