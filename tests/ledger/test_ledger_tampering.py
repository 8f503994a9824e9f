"""Whatever someone who holds the file does to it is found, and the message says what is wrong and where."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import LedgerBroken
from fedsov.ledger import merkle
from fedsov.ledger.entry_hashes import leaf_of
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Signer
from tests.ledger.world import SIZE, fault, forged, head_of, new_ledger, tamper, value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return new_ledger(tmp_path)


def cells() -> list[tuple[int, str]]:
    """Every cell of a row that holds bytes; every second entry completes no subtree."""
    return [
        (seq, column)
        for seq in range(1, SIZE + 1)
        for column in ("body", "leaf", "above")
        if column != "above" or not seq & 1
    ]


@pytest.mark.parametrize(("seq", "column"), cells())
def test_any_changed_byte_of_an_entry_is_found_and_the_entry_named(path: Path, seq: int, column: str) -> None:
    before = value(path, f"SELECT {column} FROM entries WHERE seq = {seq}")
    for place in range(len(before)):
        changed = bytearray(before)
        changed[place] ^= 1 << place % 8
        tamper(path, (f"UPDATE entries SET {column} = ? WHERE seq = ?", (bytes(changed), seq)))
        assert f"entry {seq} does not match" in fault(path)


@pytest.mark.parametrize("column", ["body", "leaf", "above"])
@pytest.mark.parametrize("change", ["x'{0}00'", "x''", "substr(x'{0}', 2)", "zeroblob(1000)"])
def test_bytes_added_or_taken_away_are_found(path: Path, column: str, change: str) -> None:
    before = value(path, f"SELECT {column} FROM entries WHERE seq = 6").hex()
    tamper(path, f"UPDATE entries SET {column} = {change.format(before)} WHERE seq = 6")
    assert "entry 6 does not match" in fault(path)


def test_hashes_where_none_can_be_are_found(path: Path) -> None:
    tamper(path, "UPDATE entries SET above = x'00' WHERE seq = 5")
    assert "entry 5 does not match the hashes above it" in fault(path)


@pytest.mark.parametrize("column", ["root", "signature"])
def test_any_changed_byte_of_the_head_is_found_and_named(path: Path, column: str) -> None:
    before = value(path, f"SELECT {column} FROM head")
    for place in range(len(before)):
        changed = bytearray(before)
        changed[place] ^= 1 << place % 8
        tamper(path, (f"UPDATE head SET {column} = ?", (bytes(changed),)))
        said = fault(path)
        assert "head" in said and ("another root" in said if column == "root" else "signature" in said)


@pytest.mark.parametrize("size", [0, 1, SIZE - 1, SIZE + 1, -4, 2**62])
def test_a_changed_size_is_found_and_named(path: Path, size: int) -> None:
    tamper(path, f"UPDATE head SET size = {size}")
    assert f"it has size {size} instead of {SIZE}" in fault(path)


def test_any_changed_byte_of_the_key_and_any_other_owner_is_found(path: Path) -> None:
    before = value(path, "SELECT key FROM book")
    for place in range(len(before)):
        changed = bytearray(before)
        changed[place] ^= 1 << place % 8
        tamper(path, ("UPDATE book SET key = ?", (bytes(changed),)))
        assert "signature, owner or key was changed" in fault(path)
    tamper(path, ("UPDATE book SET key = ?, owner = 'us'", (before,)))
    assert "signature, owner or key was changed" in fault(path)


@pytest.mark.parametrize("seq", [1, 2, 7, 12])
def test_a_dropped_entry_is_a_gap(path: Path, seq: int) -> None:
    tamper(path, f"DELETE FROM entries WHERE seq = {seq}")
    assert f"entry {seq} is missing (gap before entry {seq + 1})" in fault(path)


@pytest.mark.parametrize("seq", [1, 2, 7, 12])
def test_a_dropped_entry_whose_followers_are_renumbered_is_found(path: Path, seq: int) -> None:
    moves = [f"UPDATE entries SET seq = {one - 1} WHERE seq = {one}" for one in range(seq + 1, SIZE + 1)]
    tamper(path, f"DELETE FROM entries WHERE seq = {seq}", *moves)
    assert f"entry {seq} does not match its hash: its text, its hash or its place was changed" in fault(path)


@pytest.mark.parametrize(("one", "other"), [(1, 2), (3, 4), (3, 5), (4, 8), (1, 13)])
def test_swapped_entries_are_found(path: Path, one: int, other: int) -> None:
    tamper(
        path,
        f"UPDATE entries SET seq = 100 WHERE seq = {one}",
        f"UPDATE entries SET seq = {one} WHERE seq = {other}",
        f"UPDATE entries SET seq = {other} WHERE seq = 100",
    )
    assert f"entry {one} does not match its hash: its text, its hash or its place" in fault(path)


def test_a_duplicated_entry_is_found(path: Path) -> None:
    tamper(path, f"INSERT INTO entries SELECT {SIZE + 1}, body, leaf, above FROM entries WHERE seq = 5")
    assert f"entry {SIZE + 1} does not match its hash" in fault(path)


@pytest.mark.parametrize("number", [0, -1, -(2**63), SIZE + 2, 2**62])
def test_an_entry_with_an_impossible_number_is_found(path: Path, number: int) -> None:
    tamper(path, f"INSERT INTO entries SELECT {number}, body, leaf, above FROM entries WHERE seq = 5")
    said = fault(path)
    assert f"entry {number}" in said and ("gap" in said if number > 0 else "no entry has" in said)


@pytest.mark.parametrize(("seq", "found"), [(3, 4), (4, 4), (8, 8), (11, 12)])
def test_an_entry_changed_together_with_its_hash_is_found_above_it(path: Path, seq: int, found: int) -> None:
    tamper(path, forged(seq))
    assert f"entry {found} does not match the hashes above it" in fault(path)
    assert f"an entry from {found - 1} to {found} was changed together with its hash" in fault(path)


def test_entries_added_with_all_their_hashes_are_not_under_the_signed_head(path: Path) -> None:
    body = b'{"act":"note","number":14}'
    leaf, frontier = leaf_of(SIZE + 1, body), frontier_of(path)
    above = b"".join(merkle.completed(frontier, SIZE + 1, leaf))
    tamper(path, ("INSERT INTO entries VALUES (?, ?, ?, ?)", (SIZE + 1, body, leaf, above)))
    assert f"entry {SIZE + 1} is not under the signed head, which covers {SIZE} entries: it was added" in fault(path)


def frontier_of(path: Path) -> list[bytes]:
    with closing(Ledger.read(path)) as ledger, ledger._backend.reading() as session:
        return ledger._frontier(session, SIZE)


@pytest.mark.parametrize("left", [12, 8, 1])
def test_entries_cut_from_the_end_are_found_in_the_file_itself(path: Path, left: int) -> None:
    tamper(path, f"DELETE FROM entries WHERE seq > {left}")
    assert f"entry {left + 1} is missing: of {SIZE} signed entries the end was cut or rewritten" in fault(path)


def test_a_book_emptied_of_entries_and_head_is_found(path: Path) -> None:
    tamper(path, "DELETE FROM entries")
    assert "entry 1 is missing: of 13 signed entries" in fault(path)
    tamper(path, "DELETE FROM head")
    assert "does not have one head" in fault(path)
    tamper(path, "DELETE FROM book")
    assert "does not name one owner and key" in fault(path)


def rewritten(path: Path, folder: Path, *, with_key_of: Path) -> Path:
    """The same book with entry 3 changed, every hash made anew and the head signed with some key."""
    other = folder / "rewritten" / "ledger.sqlite"
    other.parent.mkdir()
    shutil.copy(with_key_of, other.with_name("signing.key"))
    with closing(Ledger(other, "eu")) as ledger:
        ledger.append_all({"act": "note", "number": number if number != 3 else 33} for number in range(1, SIZE + 1))
    return other


def test_a_whole_rewriting_without_the_key_is_found(path: Path, tmp_path: Path) -> None:
    Signer.made(tmp_path / "forger.key")
    other = rewritten(path, tmp_path, with_key_of=tmp_path / "forger.key")
    rows = sqlite3.connect(other).execute("SELECT * FROM entries").fetchall()
    tamper(path, "DELETE FROM entries", *(("INSERT INTO entries VALUES (?, ?, ?, ?)", row) for row in rows))
    assert "entries 1 to 13 do not make up the signed root" in fault(path)
    head = head_of(other)
    moved = (bytes.fromhex(head.digest), bytes.fromhex(head.signature))
    tamper(path, ("UPDATE head SET root = ?, signature = ?", moved))
    assert "signature, owner or key was changed" in fault(path)


def test_a_rewriting_by_the_owner_is_found_by_whoever_kept_a_head(path: Path, tmp_path: Path) -> None:
    kept = head_of(path)
    other = rewritten(path, tmp_path, with_key_of=path.with_name("signing.key"))
    with closing(Ledger.read(other)) as ledger:
        assert ledger.verify().entries == SIZE
        assert not ledger.contains(kept)
        with pytest.raises(LedgerBroken, match="first 13 entries were rewritten"):
            ledger.verify(kept)


def test_a_head_signed_with_another_key_or_for_another_size_is_found(path: Path, tmp_path: Path) -> None:
    head, forger = head_of(path), Signer.made(tmp_path / "forger.key")
    root = bytes.fromhex(head.digest)
    by_forger = forger.signed("eu", size=SIZE, root=root)
    tamper(path, ("UPDATE head SET signature = ?", (bytes.fromhex(by_forger.signature),)))
    assert f"head's signature at {SIZE} entries is not that of key {head.key[:16]}" in fault(path)
    for_more = Signer.read(path.with_name("signing.key")).signed("eu", size=SIZE + 1, root=root)
    tamper(path, ("UPDATE head SET signature = ?, size = ?", (bytes.fromhex(for_more.signature), SIZE + 1)))
    assert f"entry {SIZE + 1} is missing: of {SIZE + 1} signed entries the end was cut" in fault(path)
    for_other = Signer.read(path.with_name("signing.key")).signed("us", size=SIZE, root=root)
    tamper(path, ("UPDATE head SET signature = ?, size = ?", (bytes.fromhex(for_other.signature), SIZE)))
    assert "signature, owner or key was changed" in fault(path)


def test_an_older_copy_of_the_file_verifies_and_is_found_by_whoever_kept_a_later_head(tmp_path: Path) -> None:
    path = new_ledger(tmp_path)
    shutil.copy(path, tmp_path / "older.sqlite")
    with closing(Ledger(path, "eu")) as ledger:
        ledger.append({"number": SIZE + 1})
        kept = ledger.head()
    with closing(Ledger.read(tmp_path / "older.sqlite")) as older:
        assert older.verify().entries == SIZE
        assert not older.contains(kept)


def test_another_owners_ledger_in_its_place_is_found(path: Path, tmp_path: Path) -> None:
    other = new_ledger(tmp_path / "us", "us")
    kept = head_of(path)
    shutil.copy(other, path)
    with pytest.raises(LedgerBroken, match="belongs to 'us', not to 'eu'"):
        Ledger(path, "eu")
    assert not Ledger.read(path).contains(kept)
    same_name = new_ledger(tmp_path / "other_eu", "eu")
    shutil.copy(same_name, path)
    with pytest.raises(LedgerBroken, match="one of them was replaced"):
        Ledger(path, "eu")
    assert not Ledger.read(path).contains(kept)


CHANGES: list[Callable[[Path], None]] = [
    lambda path: tamper(path, "UPDATE head SET root = zeroblob(32)"),
    lambda path: tamper(path, "UPDATE head SET signature = zeroblob(64)"),
    lambda path: tamper(path, f"DELETE FROM entries WHERE seq = {SIZE}"),
    lambda path: tamper(path, "DELETE FROM entries WHERE seq = 8"),
    lambda path: tamper(path, "UPDATE entries SET above = zeroblob(96) WHERE seq = 8"),
    lambda path: tamper(path, "DELETE FROM head"),
    lambda path: tamper(path, "INSERT INTO entries SELECT 14, body, leaf, above FROM entries WHERE seq = 5"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_signed_on_top_of_a_book_that_does_not_hold(path: Path, change: Callable[[Path], None]) -> None:
    change(path)
    before = path.read_bytes()
    with pytest.raises(LedgerBroken), closing(Ledger(path, "eu")) as ledger:
        ledger.append({"number": 14})
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM entries WHERE body LIKE '%:14}'").fetchone()[0] == 0
    assert len(path.read_bytes()) == len(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, object]:
    """A ledger's path, the bytes of its file, and what it says of itself while nobody has touched it."""
    path = new_ledger(tmp_path_factory.mktemp("whole"))
    with closing(Ledger.read(path)) as ledger:
        return path, path.read_bytes(), (ledger.verify(), [entry.body for entry in ledger.entries()])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_anywhere_in_the_file_make_it_verify_or_broken_and_nothing_else(
    whole: tuple[Path, bytes, object], data: st.DataObject
) -> None:
    path, before, expected = whole
    for beside in path.parent.glob("ledger.sqlite-*"):  # what the example before left of its log
        beside.unlink()
    content = bytearray(before)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=40))
        content[place : place + len(piece)] = piece
    path.write_bytes(bytes(content[: data.draw(st.sampled_from([len(content), len(content), 20_000]))]))
    try:
        with closing(Ledger.read(path)) as ledger:
            assert (ledger.verify(), [entry.body for entry in ledger.entries()]) == expected
    except LedgerBroken:
        pass
    try:
        with closing(Ledger(path, "eu")) as ledger:
            ledger.append({"number": 14})
    except LedgerBroken:
        pass
