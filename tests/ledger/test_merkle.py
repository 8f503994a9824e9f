"""The tree is that of RFC 6962: against its published roots, and against its definition written out naively."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.ledger import merkle

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Leaves and roots of sizes 1 to 8 that Certificate Transparency publishes for RFC 6962 (its reference tests)."""


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(m: int, leaves: list[bytes], known: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of section 2.1.2."""
    if m == len(leaves):
        return [] if known else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_consistency(m, leaves[:k], known), naive_root(leaves[k:])]
    return [*naive_consistency(m - k, leaves[k:], False), naive_root(leaves[:k])]


class Tree:
    """A tree kept as a ledger keeps it: each leaf's hash, and the subtrees it completed."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.rows: list[list[bytes]] = []
        self.frontier: list[bytes] = []
        self.roots = [merkle.root([])]
        for number, content in enumerate(leaves, 1):
            leaf = merkle.leaf_hash(content)
            above = merkle.completed(self.frontier, number, leaf)
            self.frontier = merkle.grown(self.frontier, leaf, above)
            self.rows.append([leaf, *above])
            self.roots.append(merkle.root(self.frontier))

    def node(self, number: int, k: int) -> bytes:
        return self.rows[number - 1][k]

    def hashes(self, ranges: list[merkle.Range]) -> list[bytes]:
        return [merkle.range_hash(self.node, one) for one in ranges]


trees = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def test_roots_are_the_published_ones() -> None:
    assert [root.hex() for root in Tree(LEAVES).roots[1:]] == ROOTS
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("number", "size", "path"),
    [
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (3, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            2,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_paths_are_the_published_ones(number: int, size: int, path: list[str]) -> None:
    tree = Tree(LEAVES[:size])
    assert [one.hex() for one in tree.hashes(merkle.inclusion_ranges(number, size))] == path


@given(trees)
def test_every_root_is_that_of_the_definition(leaves: list[bytes]) -> None:
    assert Tree(leaves).roots == [naive_root(leaves[:size]) for size in range(len(leaves) + 1)]


@given(trees, st.data())
def test_an_inclusion_proof_is_that_of_the_definition_and_proves(leaves: list[bytes], data: st.DataObject) -> None:
    tree, size = Tree(leaves), len(leaves)
    number = data.draw(st.integers(1, size))
    path = tree.hashes(merkle.inclusion_ranges(number, size))
    assert path == naive_path(number - 1, leaves)
    leaf, whole = merkle.leaf_hash(leaves[number - 1]), tree.roots[-1]
    assert merkle.includes(leaf, number, size=size, path=path, whole=whole)
    assert not merkle.includes(merkle.leaf_hash(b"another leaf"), number, size=size, path=path, whole=whole)
    assert not merkle.includes(leaf, number, size=size, path=[*path, leaf], whole=whole)
    assert not merkle.includes(leaf, number + size, size=size, path=path, whole=whole)
    if path:
        changed = data.draw(st.integers(0, len(path) - 1))
        forged = [merkle.leaf_hash(one) if place == changed else one for place, one in enumerate(path)]
        assert not merkle.includes(leaf, number, size=size, path=forged, whole=whole)
        assert not merkle.includes(leaf, number, size=size, path=path[1:], whole=whole)


@given(trees, st.data())
def test_a_consistency_proof_is_that_of_the_definition_and_proves(leaves: list[bytes], data: st.DataObject) -> None:
    tree, size = Tree(leaves), len(leaves)
    old = data.draw(st.integers(1, size))
    path = tree.hashes(merkle.consistency_ranges(old, size))
    assert path == naive_consistency(old, leaves)
    before, whole = tree.roots[old], tree.roots[size]
    assert merkle.continues(old, before, size=size, whole=whole, path=path)
    assert not merkle.continues(old, merkle.leaf_hash(b"x"), size=size, whole=whole, path=path)
    assert not merkle.continues(old, before, size=size, whole=merkle.leaf_hash(b"x"), path=path)
    assert not merkle.continues(old, before, size=size, whole=whole, path=[*path, whole])
    assert not merkle.continues(size + 1, before, size=size, whole=whole, path=path)
    for cut in range(len(path)):
        assert not merkle.continues(old, before, size=size, whole=whole, path=path[:cut])


@given(trees, st.data())
def test_no_tree_continues_one_that_begins_differently(leaves: list[bytes], data: st.DataObject) -> None:
    old = data.draw(st.integers(1, len(leaves)))
    place = data.draw(st.integers(0, old - 1))
    other = [one + b"!" if at == place else one for at, one in enumerate(leaves)]
    tree = Tree(leaves)
    path = tree.hashes(merkle.consistency_ranges(old, len(leaves)))
    assert not merkle.continues(old, Tree(other).roots[old], size=len(leaves), whole=tree.roots[-1], path=path)


def test_every_tree_continues_the_empty_one_and_itself() -> None:
    tree = Tree(LEAVES)
    assert merkle.continues(0, merkle.EMPTY, size=8, whole=tree.roots[8], path=[])
    assert not merkle.continues(0, tree.roots[1], size=8, whole=tree.roots[8], path=[])
    assert merkle.continues(8, tree.roots[8], size=8, whole=tree.roots[8], path=[])


def test_what_lies_outside_a_tree_has_no_proof() -> None:
    for number in (0, 9, -1):
        with pytest.raises(ValueError, match="expected an entry from 1 to 8"):
            merkle.inclusion_ranges(number, 8)
    with pytest.raises(ValueError, match="expected a size from 0 to 8"):
        merkle.consistency_ranges(9, 8)
