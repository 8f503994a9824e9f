"""A ledger of which its owner shares some entries, and of the rest the hashes: it still verifies under the signed head.

Parts cover the ledger without a gap. A part is an entry's text, or the hash of a run of entries that stay with their
owner: a perfect subtree of the tree, so that long runs cost one hash. Whoever has the parts computes the root and
compares it with the head, and so knows how many entries were withheld, and that none was left out or changed.

    given = parts(ledger, since=0, size=head.size, is_shared=lambda body: body["act"] == "cross")
    root(fold([], 0, given)) == head.digest

A hash tells whoever can guess an entry's whole text, with its time to the millisecond, that the guess is right. What
must not be guessed is not named in a ledger: it has keyed digests there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedsov.errors import LedgerBroken
from fedsov.ledger import merkle
from fedsov.ledger.entry_hashes import leaf_of
from fedsov.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Part:
    """Entries `first` to `last`: the text of one, or the hash (hexadecimal) over all of them."""

    first: int
    last: int
    digest: str
    entry: str | None = None

    def to_json(self) -> list[Any]:
        """``[number, text]``, or ``[first, last, hash]``."""
        return [self.first, self.entry] if self.entry is not None else [self.first, self.last, self.digest]

    @staticmethod
    def from_json(value: Any) -> Part:
        """The inverse. Raises ValueError for what has another form."""
        match value:
            case [int(first), str(entry)] if first >= 1:
                return Part(first, first, leaf_of(first, entry.encode()).hex(), entry)
            case [int(first), int(last), str(digest)] if 1 <= first <= last and re.fullmatch("[0-9a-f]{64}", digest):
                return Part(first, last, digest)
        raise ValueError("a part of a ledger is [number, text] or [first, last, hash]")


def parts(
    ledger: Ledger, *, since: int, size: int, is_shared: Callable[[Mapping[str, Any]], bool], most_bytes: int = 2**20
) -> list[Part]:
    """The parts of the entries after `since` up to `size`, or up to an earlier one where their texts are more than
    `most_bytes`. Raises LedgerBroken."""
    shared: list[Part] = []
    withheld: list[bytes] = []
    start = total = 0
    for seq, body, leaf in ledger.texts(size, since=since):
        if is_shared(json.loads(body)):
            total += len(body)
            if total > most_bytes and shared:
                break
            shared += _runs(start, withheld)
            shared.append(Part(seq, seq, leaf.hex(), body.decode()))
            withheld = []
        else:
            start = start if withheld else seq - 1
            withheld.append(leaf)
    return [*shared, *_runs(start, withheld)]


def _runs(start: int, leaves: Sequence[bytes]) -> Iterator[Part]:
    """The perfect subtrees that leaves after number `start` make up, left to right."""
    at, end = start, start + len(leaves)
    while at < end:
        k = (end - at).bit_length() - 1
        if at:
            k = min(k, (at & -at).bit_length() - 1)
        level = list(leaves[at - start : at - start + 2**k])
        while len(level) > 1:
            level = [merkle.node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
        yield Part(at + 1, at + 2**k, level[0].hex())
        at += 2**k


def fold(frontier: Sequence[bytes], size: int, following: Iterable[Part]) -> tuple[list[bytes], int]:
    """The perfect subtrees, largest first, once these parts follow the first `size` entries; and the size then.

    Raises LedgerBroken where a part is missing, or is no subtree at its place.
    """
    subtrees = list(frontier)
    for part in following:
        width = part.last - part.first + 1
        if part.first != size + 1 or width & (width - 1) or size % width:
            raise LedgerBroken(f"entries {part.first} to {part.last} do not follow entry {size} of the shared ledger")
        whole, size = bytes.fromhex(part.digest), part.last
        rest = size // width
        while not rest & 1:
            whole, rest = merkle.node_hash(subtrees.pop(), whole), rest >> 1
        subtrees.append(whole)
    return subtrees, size
