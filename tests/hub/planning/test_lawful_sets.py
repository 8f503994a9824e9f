"""The lawful set with the most rows: against trying every set where that is possible, and lawful where it is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.hub.planning.lawful_sets import EXACT, MayGo, largest_lawful

NAMES = ("A", "B", "C", "D", "E")
Forbidden = tuple[frozenset[str], str]
"""Whose rows may not go together in a model to whom."""


def border(forbidden: Iterable[Forbidden]) -> MayGo:
    """A law under which a wider set is never freer."""
    bans = list(forbidden)
    return lambda sources, target: not any(barred <= sources and importer == target for barred, importer in bans)


def ban(sources: str, target: str) -> Forbidden:
    return frozenset(sources), target


def is_lawful(names: Iterable[str], may_go: MayGo) -> bool:
    members = frozenset(names)
    return all(may_go(members, target) for target in members)


def tried(rows: Mapping[str, int], may_go: MayGo, least: int) -> frozenset[str]:
    """The same answer by trying every set."""
    sizes = range(least, len(rows) + 1)
    lawful = [some for size in sizes for some in combinations(sorted(rows), size) if is_lawful(some, may_go)]
    return frozenset(min(lawful, key=lambda some: (-sum(rows[name] for name in some), some), default=()))


FORBIDDEN = st.lists(
    st.tuples(st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=3), st.sampled_from(NAMES)), max_size=12
)
ROWS = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9))


@given(ROWS, FORBIDDEN, st.integers(1, 4))
def test_no_other_set_has_more_rows_and_of_equals_the_first_by_names_is_taken(
    rows: dict[str, int], forbidden: list[Forbidden], least: int
) -> None:
    may_go = border(forbidden)
    assert largest_lawful(rows, may_go, least=least) == tried(rows, may_go, least)


@given(ROWS, FORBIDDEN, st.permutations(NAMES))
def test_the_answer_does_not_hang_on_the_order_of_the_candidates(
    rows: dict[str, int], forbidden: list[Forbidden], order: list[str]
) -> None:
    again = {name: rows[name] for name in order if name in rows}
    assert largest_lawful(again, border(forbidden), least=2) == largest_lawful(rows, border(forbidden), least=2)


@given(ROWS, FORBIDDEN)
def test_what_is_chosen_was_asked_about_as_a_whole_for_each_of_its_members(
    rows: dict[str, int], forbidden: list[Forbidden]
) -> None:
    asked, may_go = set[tuple[frozenset[str], str]](), border(forbidden)

    def law(sources: frozenset[str], target: str) -> bool:
        asked.add((sources, target))
        return may_go(sources, target)

    chosen = largest_lawful(rows, law, least=2)
    assert {(chosen, name) for name in chosen} <= asked


def test_where_all_may_share_a_model_nobody_is_asked_about_a_part() -> None:
    asked = []

    def law(sources: frozenset[str], target: str) -> bool:
        asked.append((sources, target))
        return True

    everyone = frozenset("ABC")
    assert largest_lawful(dict.fromkeys("ABC", 5), law, least=2) == everyone
    assert sorted(target for _, target in asked) == ["A", "B", "C"] and {sources for sources, _ in asked} == {everyone}


@pytest.mark.parametrize(
    ("forbidden", "least", "chosen"),
    [
        ([ban("A", "B")], 2, "AC"),
        ([ban("A", "B"), ban("A", "C")], 2, "BC"),
        ([ban("ABC", "B")], 2, "AB"),  # pairs that agree are still asked together
        ([ban("ABC", "B")], 3, ""),
        ([ban("A", "A"), ban("B", "B"), ban("C", "C")], 1, ""),
        ([ban("A", "A"), ban("B", "C"), ban("C", "B")], 1, "B"),
    ],
)
def test_who_shares_a_model_of_three_regions(forbidden: list[Forbidden], least: int, chosen: str) -> None:
    assert largest_lawful({"A": 9, "B": 7, "C": 6}, border(forbidden), least=least) == frozenset(chosen)


@pytest.mark.parametrize("order", ["ABCD", "DCBA", "CADB"])
def test_of_two_sets_with_as_many_rows_the_first_by_names_is_taken(order: str) -> None:
    apart = border(ban(one, other) for one, other in ("AB", "AC", "DB", "DC"))
    assert largest_lawful(dict.fromkeys(order, 7), apart, least=2) == frozenset("AD")


@pytest.mark.parametrize("rows", [{}, {"A": 5}])
def test_fewer_candidates_than_are_asked_for_are_no_set(rows: dict[str, int]) -> None:
    assert largest_lawful(rows, lambda sources, target: True, least=2) == frozenset()


def _many(count: int) -> dict[str, int]:
    return {f"R{number:02}": 600 + 7 * number for number in range(count)}


def test_among_many_regions_the_set_is_lawful_and_nobody_else_may_join() -> None:
    rows = _many(EXACT + 8)
    names = list(rows)
    may_go = border((frozenset({one}), other) for one in names[::3] for other in names[1::4])
    chosen = largest_lawful(rows, may_go, least=2)
    assert chosen == largest_lawful(dict(reversed(rows.items())), may_go, least=2)
    assert len(chosen) >= 2 and is_lawful(chosen, may_go)
    assert not any(is_lawful(chosen | {outsider}, may_go) for outsider in set(names) - chosen)


def test_many_regions_that_agree_in_pairs_only_are_thinned_until_they_are_lawful() -> None:
    rows = _many(EXACT + 3)

    def at_most_five(sources: frozenset[str], target: str) -> bool:
        return len(sources) <= 5

    assert largest_lawful(rows, at_most_five, least=2) == {"R10", "R11", "R12", "R13", "R14"}
    assert largest_lawful(rows, at_most_five, least=6) == frozenset()


def test_among_many_regions_whoever_may_join_after_the_thinning_does() -> None:
    """Of A, B, C and of D, E, F two each may be together; P is barred by C alone, and Q by F alone."""
    rows = dict.fromkeys((f"R{number}" for number in range(EXACT - 6)), 900)
    rows |= dict.fromkeys("ABDE", 800) | dict.fromkeys("CF", 700) | dict.fromkeys("PQ", 600)
    may_go = border([ban("C", "P"), ban("F", "Q"), ban("ABC", "R0"), ban("DEF", "R0")])
    assert largest_lawful(rows, may_go, least=2) == rows.keys() - {"C", "F"}


def test_with_many_regions_none_of_which_may_share_there_is_no_set() -> None:
    assert largest_lawful(_many(EXACT + 1), lambda sources, target: len(sources) < 2, least=2) == frozenset()
