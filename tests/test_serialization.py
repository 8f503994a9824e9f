"""Frozen dataclasses become plain JSON and come back equal; whatever does not fit is refused with its path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.algorithms.catalogue import ALGORITHMS, Algorithm
from fedsov.artifact import Kind
from fedsov.border.decisions import Decision, Permit, Refusal, Review
from fedsov.errors import ConfigurationError
from fedsov.label import Label
from fedsov.serialization import Unserializable, fields_of, from_fields, from_plain, to_plain


class Colour(StrEnum):
    RED = "red"


class Place(NamedTuple):
    row: int
    name: str


@dataclass(frozen=True, slots=True)
class Leaf:
    size: int
    share: float = 0.5
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    name: str
    leaves: tuple[Leaf, ...] = ()
    by_name: Mapping[str, Leaf] = field(default_factory=dict)
    day: date | None = None
    folder: Path | None = None
    colour: Colour = Colour.RED
    pair: tuple[int, str] = (0, "")
    way: Literal["up", "down"] = "up"
    marks: frozenset[str] = frozenset()
    anything: Any = None
    genus: ClassVar[str] = "tree"

    @property
    def count(self) -> int:
        """Derived from the leaves."""
        return len(self.leaves)


WHOLE = Tree(
    "oak",
    (Leaf(1, 0.25, Place(3, "low")), Leaf(2)),
    {"top": Leaf(3)},
    date(2026, 11, 29),
    Path("a/b"),
    Colour.RED,
    (4, "x"),
    "up",
    frozenset({"b", "a"}),
    {"free": [1, 2]},
)


def test_a_value_comes_back_equal_through_json() -> None:
    assert from_plain(Tree, json.loads(json.dumps(to_plain(WHOLE)))) == WHOLE


def test_sets_are_sorted_so_that_equal_values_give_equal_texts() -> None:
    assert to_plain(WHOLE)["marks"] == ["a", "b"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"nmae": "x"}, "nmae is not known here; Tree has name"),
        ({"leaves": [{"size": 1, "shape": 2}]}, r"leaves\[0\].shape is not known here; Leaf has size"),
        ({"by_name": {"top": {"sizes": 1}}}, "by_name.top.sizes is not known"),
        ({"leaves": [{}]}, r"leaves\[0\].size is missing"),
        ({"leaves": {}}, "leaves must be a list, got a dict"),
        ({"by_name": []}, "by_name must be an object, got a list"),
        ({"leaves": [{"size": "1"}]}, r"leaves\[0\].size must be int, got a str"),
        ({"leaves": [{"size": True}]}, r"leaves\[0\].size must be int, got a bool"),
        ({"way": "left"}, "way must be one of up, down, got a str"),
        ({"pair": [1]}, "pair must be a list of 2, got 1"),
        ({"day": "yesterday"}, "cannot be read"),
        ({"colour": "mauve"}, "cannot be read"),
        ({"leaves": [3]}, r"leaves\[0\] must be an object, got a int"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(Unserializable, match=message):
        from_plain(Tree, {**to_plain(WHOLE), **changed})


def test_the_message_of_a_refusal_shows_no_value() -> None:
    with pytest.raises(Unserializable) as refused:
        from_plain(Tree, {**to_plain(WHOLE), "leaves": [{"size": "Jane Doe"}]})
    assert "Jane" not in str(refused.value)


def test_what_was_derived_when_it_was_written_is_derived_again() -> None:
    written = {**to_plain(WHOLE), "count": 99, "genus": "tree"}
    assert from_plain(Tree, written).count == 2


def test_a_missing_field_takes_its_default_and_a_whole_number_may_be_a_float() -> None:
    assert from_plain(Leaf, {"size": 1}) == Leaf(1)
    assert from_plain(Leaf, {"size": 1, "share": 1}).share == 1.0


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_number_of_either_kind_comes_back_as_its_own(name: str) -> None:
    spec = ALGORITHMS[name]
    for value in (2, 2.5):
        for option, rule in {**spec.options, **spec.client_options}.items():
            with suppress(ConfigurationError):
                rule(option, value)
                algorithm = Algorithm(name, {option: value})
                back = from_plain(Algorithm, json.loads(json.dumps(to_plain(algorithm))))
                assert back == algorithm and type(back.options[option]) is type(algorithm.options[option])


@pytest.mark.parametrize(
    "answer",
    [
        Permit(("r",), ("c",), (), ("d",), "0", ("DE scc",)),
        Review(("r",), ("c",), (), (), "look", "0", (), "id-1"),
        Refusal(("r",), ("c",), "why", ("scc",), "enter it", "0"),
    ],
)
def test_a_decision_is_read_as_the_class_that_its_verdict_names(answer: Decision) -> None:
    assert from_plain(Decision, json.loads(json.dumps(to_plain(answer)))) == answer


def test_a_class_that_reads_itself_is_read_by_that_wherever_it_is_nested() -> None:
    @dataclass(frozen=True)
    class Odd:
        size: int

        def to_json(self) -> dict[str, Any]:
            return {**fields_of(self), "twice": 2 * self.size}

        @staticmethod
        def from_json(value: Mapping[str, Any]) -> Odd:
            return from_fields(Odd, {"size": value["twice"] // 2})

    assert to_plain([Odd(2)]) == [{"size": 2, "twice": 4}]
    assert from_plain(tuple[Odd, ...], [{"twice": 6}]) == (Odd(3),)


def test_a_value_without_a_plain_form_is_refused() -> None:
    with pytest.raises(Unserializable, match="a bytes has no plain form"):
        to_plain({"content": b"x"})


names = st.frozensets(st.text(min_size=1, max_size=5), max_size=4)


@given(origins=names, categories=names, restrictions=names)
def test_a_label_is_written_as_its_own_to_json_has_it(
    origins: frozenset[str], categories: frozenset[str], restrictions: frozenset[str]
) -> None:
    label = Label(origins, categories, restrictions)
    assert to_plain(label) == label.to_json() and from_plain(Label, to_plain(label)) == label


def test_an_enumeration_is_its_text() -> None:
    assert to_plain(Kind.UPDATE) == str(Kind.UPDATE) and from_plain(Kind, str(Kind.UPDATE)) is Kind.UPDATE
