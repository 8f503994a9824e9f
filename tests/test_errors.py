"""Messages about names that do not exist: the nearest is named, in the one form that all have."""

from __future__ import annotations

import doctest

import pytest

from fedsov import errors
from fedsov.errors import counted, nearest, unknown

KINDS = ("scc_eu", "scc_uk_idta", "scc_tr", "scc_ch", "tia")


def test_the_examples_in_the_docstrings_are_right() -> None:
    tried = doctest.testmod(errors)
    assert tried.attempted >= 2 and not tried.failed


@pytest.mark.parametrize(
    ("word", "choices", "most", "expected"),
    [
        ("health", ("health", "healthy"), 3, ["health"]),
        ("HEALTH", ("health",), 1, ["health"]),
        ("scc", KINDS, 3, ["scc_eu", "scc_uk_idta", "scc_tr"]),
        ("scc_ue", KINDS, 3, ["scc_eu"]),
        ("d", ("border", "budget"), 3, []),
        ("zzz", KINDS, 3, []),
        ("", KINDS, 3, []),
        ("tia", (), 3, []),
    ],
)
def test_the_nearest_choices_are_the_same_word_those_it_begins_or_the_one_it_resembles(
    word: str, choices: tuple[str, ...], most: int, expected: list[str]
) -> None:
    assert nearest(word, choices, most=most) == expected


def test_a_stricter_likeness_leaves_weak_guesses_out() -> None:
    assert nearest("krum", ["resume"]) == ["resume"] and nearest("krum", ["resume"], alike=0.75) == []


def test_the_message_lists_the_choices_or_says_where_they_are_listed() -> None:
    assert unknown("kind", "scc", KINDS, see="x kinds") == (
        "unknown kind 'scc'; did you mean scc_eu or scc_uk_idta or scc_tr? See `x kinds`"
    )
    assert unknown("kind", "q", KINDS, see="x kinds") == "unknown kind 'q'; see `x kinds`"
    assert unknown("kind", "q", ()) == "unknown kind 'q'; there are none"
    assert unknown("kind", "q", ["a"], guess="b") == "unknown kind 'q'; did you mean b? There is a"


def test_one_of_a_thing_is_in_the_singular() -> None:
    assert counted(1, "document") == "1 document" and counted(0, "review") == "0 reviews"
    assert counted(1200, "entry", "entries") == "1,200 entries"
