"""Parts of a ledger, of which some are texts and the rest hashes, still make up its signed root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import LedgerBroken
from fedsov.ledger import merkle
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.shared_entries import Part, fold, parts

AT = {"at": "2026-11-25T12:00:00.000+00:00", "run": "", "act": "note"}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    ledger = Ledger(tmp_path_factory.mktemp("DE") / "ledger.sqlite", "DE")
    ledger.append_all({**AT, "note": {"number": number}} for number in range(1, 101))
    return ledger


@given(shared=st.sets(st.integers(1, 100)), first=st.integers(0, 100))
def test_whatever_is_withheld_the_root_is_that_of_the_head_in_one_piece_or_two(
    ledger: Ledger, shared: set[int], first: int
) -> None:
    def is_shared(body: Mapping[str, Any]) -> bool:
        return body["note"]["number"] in shared

    start = parts(ledger, since=0, size=first, is_shared=is_shared)
    rest = parts(ledger, since=first, size=100, is_shared=is_shared)
    frontier, size = fold(*fold([], 0, start), rest)
    assert size == 100 and merkle.root(frontier).hex() == ledger.head().digest
    given = [part for part in (*start, *rest) if part.entry is not None]
    assert {part.first for part in given} == shared
    assert [Part.from_json(part.to_json()) for part in rest] == rest


def test_what_stays_with_its_owner_costs_a_few_hashes_and_no_text(ledger: Ledger) -> None:
    withheld = parts(ledger, since=0, size=100, is_shared=lambda body: False)
    assert len(withheld) == 3 and all(part.entry is None for part in withheld)  # 64 + 32 + 4


def test_a_part_that_was_left_out_changed_or_moved_is_found(ledger: Ledger) -> None:
    whole = parts(ledger, since=0, size=100, is_shared=lambda body: body["note"]["number"] == 50)
    for place in range(len(whole)):
        with pytest.raises(LedgerBroken, match="do not follow"):
            fold([], 0, [*whole[:place], *whole[place + 1 :], *whole[:1]])
        changed = [*whole[:place], replace(whole[place], digest="00" * 32), *whole[place + 1 :]]
        assert merkle.root(fold([], 0, changed)[0]).hex() != ledger.head().digest
    forged = Part.from_json([50, '{"act":"note"}'])
    changed = [forged if part.entry is not None else part for part in whole]
    assert merkle.root(fold([], 0, changed)[0]).hex() != ledger.head().digest


@pytest.mark.parametrize("value", [[0, "x"], [1], [2, 1, "00" * 32], [1, 2, "0g" * 32], "x", [1, 2, 3], {"a": 1}])
def test_a_part_of_another_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="a part of a ledger is"):
        Part.from_json(value)


def test_a_long_ledger_is_given_in_pieces_of_which_each_follows_the_last(ledger: Ledger) -> None:
    frontier, size, pieces = list[bytes](), 0, 0
    while size < 100:
        piece = parts(ledger, since=size, size=100, is_shared=lambda body: True, most_bytes=1000)
        frontier, size = fold(frontier, size, piece)
        pieces += 1
    assert pieces > 5 and merkle.root(frontier).hex() == ledger.head().digest
