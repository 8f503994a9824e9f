"""A second attempt at a sum: whom complaints speak against, and among whom a round may be begun again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.privacy.secure_aggregation.attempts import blamed, may_begin_again, unreadable_letters
from tests.privacy.secure_aggregation.sums import begun, terms_of

NAMES = ("DE", "ES", "FR", "IT", "NL", "PL")


@pytest.mark.parametrize(
    ("complaints", "members", "out"),
    [
        ({"DE": ["ES"], "FR": ["ES"], "IT": ["ES"]}, 4, ["ES"]),
        ({"ES": ["DE", "FR", "IT"]}, 4, ["ES"]),
        ({"DE": ["ES"]}, 4, ["ES"]),
        ({"DE": ["ES"]}, 5, ["DE", "ES"]),
        ({"DE": ["ES", "IT"], "FR": ["ES", "IT"], "NL": ["ES", "IT"]}, 6, ["ES", "IT"]),
        ({}, 4, []),
    ],
)
def test_the_region_in_most_complaints_is_left_out(
    complaints: dict[str, list[str]], members: int, out: list[str]
) -> None:
    assert blamed(complaints, members=members, fewest=3) == out


PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda pair: pair[0] != pair[1]))


@given(PAIRS)
def test_without_those_that_are_left_out_no_complaint_remains(pairs: list[tuple[str, str]]) -> None:
    complaints: dict[str, list[str]] = {}
    for by, sender in pairs:
        complaints.setdefault(by, []).append(sender)
    out = set(blamed(complaints, members=6, fewest=3))
    assert all(out & {*pair} for pair in pairs) and bool(out) == bool(pairs)


@given(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)))
def test_one_liar_among_four_or_more_takes_at_most_one_other_with_it(liar: str, accused: set[str]) -> None:
    out = blamed({liar: sorted(accused - {liar})}, members=6, fewest=3)
    assert len(set(out) - {liar}) <= 1


def test_a_round_is_begun_again_only_among_fewer_of_the_same() -> None:
    assert may_begin_again(NAMES, NAMES, NAMES[:5])
    assert not may_begin_again(NAMES, NAMES, NAMES)
    assert not may_begin_again(NAMES, NAMES[:5], NAMES)
    assert not may_begin_again(NAMES, NAMES[:5], (*NAMES[:4], "XX"))


def test_a_letter_that_does_not_open_is_told_by_its_sender() -> None:
    heard = begun(terms_of(4, 6))
    letters = heard.arriving("CA")
    assert unreadable_letters(heard.held["CA"], letters) == []
    spoiled = {**letters, "GB": letters["DE"], "DE": letters["DE"][:-1] + bytes([letters["DE"][-1] ^ 1])}
    assert unreadable_letters(heard.held["CA"], {**spoiled, "ZZ": b""}) == ["DE", "GB"]
