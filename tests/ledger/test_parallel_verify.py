"""Two processes verify what one verifies, and name the same fault."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fedsov.errors import LedgerBroken
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.parallel_verify import ParallelVerifier, main, middle
from tests.ledger.world import SIZE, fault, new_ledger, tamper, value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return new_ledger(tmp_path)


def together(path: Path) -> str:
    """What two processes that share the work say, or an empty text where all verifies."""
    try:
        with closing(Ledger.read(path)) as ledger:
            assert ledger.verify(long=2).entries == SIZE
    except LedgerBroken as broken:
        return str(broken)
    return ""


@pytest.mark.parametrize("seq", [1, 4, 6, 7, 8, 12, SIZE])
def test_two_processes_find_what_one_finds_and_name_it_alike(path: Path, seq: int) -> None:
    assert together(path) == ""
    for column in ("body", "leaf", "above"):
        before = value(path, f"SELECT {column} FROM entries WHERE seq = {seq}")
        changed = bytes(byte ^ 1 for byte in before) or b"more"
        tamper(path, (f"UPDATE entries SET {column} = ? WHERE seq = ?", (changed, seq)))
        assert together(path) == fault(path)
        tamper(path, (f"UPDATE entries SET {column} = ? WHERE seq = ?", (before, seq)))
    tamper(path, f"DELETE FROM entries WHERE seq = {seq}")
    assert together(path) == fault(path)


def test_two_processes_follow_a_book_from_a_head_kept(path: Path) -> None:
    with closing(Ledger(path, "eu")) as ledger:
        kept = ledger.head()
        ledger.append_all({"act": "note", "number": number} for number in range(9))
        assert ledger.verify(kept, long=2).entries == 9
        tamper(path, "UPDATE entries SET body = x'00' WHERE seq = 15")
        with pytest.raises(LedgerBroken, match="entry 15 does not match"):
            ledger.verify(kept, long=2)


# ------------------------------------------------------------------ the second process by itself


@pytest.mark.parametrize(
    ("size", "end", "long", "half"),
    [
        (0, 10, 10, 5),
        (0, 9, 10, None),
        (7, 17, 10, 12),
        (7, 16, 10, None),
        (0, 11, 10, 5),
        (5, 5, 1, None),
        (0, 2, 2, 1),
    ],
)
def test_entries_are_parted_in_the_middle_from_so_many_on(
    monkeypatch: pytest.MonkeyPatch, size: int, end: int, long: int, half: int | None
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    assert middle(size, end, long=long) == half
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert middle(size, end, long=long) is None, "one core does not share work"


def frontiers(path: Path) -> list[list[bytes]]:
    """The perfect subtrees below each head, from none to all entries."""
    with closing(Ledger.read(path)) as ledger, ledger._backend.reading() as transaction:
        return [ledger._frontier(transaction, size) for size in range(SIZE + 1)]


@pytest.mark.parametrize(("size", "end"), [(0, SIZE), (0, 6), (5, 9), (8, 8)])
def test_a_part_prints_the_subtrees_at_its_end(
    path: Path, capsys: pytest.CaptureFixture[str], size: int, end: int
) -> None:
    known = frontiers(path)
    assert main([str(path), str(size), str(end), b"".join(known[size]).hex()]) == 0
    assert capsys.readouterr().out.strip() == b"".join(known[end]).hex()


@pytest.mark.parametrize(
    "change",
    ["UPDATE entries SET body = x'00' WHERE seq = 4", "DELETE FROM entries WHERE seq = 4", "DELETE FROM entries"],
)
def test_a_part_with_a_row_that_does_not_hold_ends_with_1(path: Path, change: str) -> None:
    tamper(path, change)
    assert main([str(path), "0", "6", ""]) == 1


def test_a_part_that_begins_with_other_subtrees_ends_with_1(path: Path) -> None:
    known = frontiers(path)
    assert main([str(path), "5", "9", b"".join(known[4]).hex()]) == 1


def test_another_process_is_believed_only_where_it_arrives_at_the_very_subtrees(path: Path) -> None:
    known = frontiers(path)
    for claimed, holds in ((known[6], True), (known[5], False), ([*known[6], bytes(32)], False), ([], False)):
        with closing(ParallelVerifier(path, 0, 6, [])) as second_process:
            assert second_process.arrives_at(claimed) is holds


def test_a_process_that_dies_or_cannot_start_is_not_believed(path: Path, tmp_path: Path) -> None:
    known = frontiers(path)
    with closing(ParallelVerifier(path, 0, 6, [])) as second_process:
        second_process._process.kill()
        assert not second_process.arrives_at(known[6])
    with closing(ParallelVerifier(tmp_path / "nowhere.sqlite", 0, 6, [])) as second_process:
        assert not second_process.arrives_at(known[6])


def test_a_process_that_nobody_waits_for_is_ended(path: Path) -> None:
    second_process = ParallelVerifier(path, 0, 6, [])
    second_process.close()
    assert second_process._process.returncode is not None
