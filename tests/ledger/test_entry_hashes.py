"""Rows are bound twice, by their own hash and by the tree; the first that does not hold is named."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.ledger import merkle
from fedsov.ledger.entry_hashes import Row, follow, leaf_of, rows_of

BODIES = [f'{{"number":{number}}}'.encode() for number in range(1, 14)]


def rows(count: int = 13) -> list[Row]:
    return rows_of(BODIES[:count], 0, [])[0]


@pytest.mark.parametrize(
    ("seq", "body"), [(1, b""), (1, b"{}"), (256, b'{"a":1}'), (2**63 - 1, "größer".encode()), (2**64 - 1, b"\0")]
)
def test_a_leaf_is_a_zero_byte_the_number_in_eight_bytes_and_the_text(seq: int, body: bytes) -> None:
    assert leaf_of(seq, body) == hashlib.sha256(b"\x00" + seq.to_bytes(8, "big") + body).digest()


def test_neither_number_nor_text_can_change_and_none_passes_for_an_inner_node() -> None:
    leaves = {leaf_of(1, b"a"), leaf_of(2, b"a"), leaf_of(1, b"b"), merkle.node_hash(bytes(4), bytes(4) + b"\x01a")}
    assert len(leaves) == 4


@given(st.lists(st.binary(max_size=20), max_size=40), st.data())
def test_rows_added_at_once_or_in_parts_are_the_same_and_are_followed_to_the_end(
    bodies: list[bytes], data: st.DataObject
) -> None:
    part = data.draw(st.integers(0, len(bodies)))
    whole, frontier = rows_of(bodies, 0, [])
    first, between = rows_of(bodies[:part], 0, [])
    rest, after = rows_of(bodies[part:], part, between)
    assert [*first, *rest] == whole and after == frontier
    followed = list(between)
    assert follow(rest, part, followed) == (len(bodies), "")
    assert followed == frontier


def test_subtrees_are_those_of_the_tree() -> None:
    every = rows()
    for seq, _, leaf, above in every:
        hashes = [leaf, *(above[place : place + 32] for place in range(0, len(above), 32))]
        assert len(hashes) - 1 == (seq & -seq).bit_length() - 1
        for k, whole in enumerate(hashes):
            leaves = [row[2] for row in every[seq - 2**k : seq]]
            frontier: list[bytes] = []
            for number, part in enumerate(leaves, 1):
                frontier = merkle.grown(frontier, part, merkle.completed(frontier, number, part))
            assert merkle.root(frontier) == whole


def changed(seq: int, column: int, value: Any) -> list[tuple[Any, ...]]:
    altered: list[tuple[Any, ...]] = list(rows())
    row = list(altered[seq - 1])
    row[column] = value
    altered[seq - 1] = tuple(row)
    return altered


@pytest.mark.parametrize(
    ("altered", "reached", "fault"),
    [
        (changed(6, 1, b"other"), 5, "entry 6 does not match its hash"),
        (changed(6, 2, bytes(32)), 5, "entry 6 does not match its hash"),
        (changed(6, 3, bytes(32)), 5, "entry 6 does not match the hashes above it"),
        (changed(5, 3, bytes(32)), 4, "entry 5 does not match the hashes above it"),
        (changed(6, 3, b""), 5, "entry 6 does not match the hashes above it"),
        (changed(6, 1, None), 5, "entry 6 holds no text"),
        (changed(6, 1, "text"), 5, "entry 6 holds no text"),
        (changed(6, 0, 7), 5, "entry 6 is missing (gap before entry 7)"),
        (changed(6, 0, 0), 5, "entry 0 has a number that no entry has"),
        (changed(6, 0, -3), 5, "entry -3 has a number that no entry has"),
        (rows()[1:], 0, "entry 1 is missing (gap before entry 2)"),
        (rows()[:4] + rows()[5:], 4, "entry 5 is missing (gap before entry 6)"),
        ([*rows()[:4], rows()[5], rows()[4]], 4, "entry 5 is missing (gap before entry 6)"),
        ([*rows(), rows()[0]], 13, "entry 14 is missing (gap before entry 1)"),
    ],
)
def test_the_first_row_that_does_not_hold_is_named_and_those_before_it_counted(
    altered: list[tuple[Any, ...]], reached: int, fault: str
) -> None:
    size, said = follow(altered, 0, [])
    assert size == reached
    assert said.startswith(fault)


def test_an_entry_changed_together_with_its_hash_is_found_at_the_next_subtree_above() -> None:
    body = b'{"number":99}'
    altered = changed(3, 1, body)
    altered[2] = (3, body, leaf_of(3, body), b"")
    size, said = follow(altered, 0, [])
    assert size == 3
    assert "an entry from 3 to 4 was changed together with its hash" in said


def test_no_rows_are_followed_nowhere() -> None:
    frontier = [b"kept"]
    assert follow([], 8, frontier) == (8, "") and frontier == [b"kept"]
    assert rows_of([], 3, frontier) == ([], frontier)
