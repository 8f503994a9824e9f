"""Labels only bind more: the laws of their join, and what is written of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError
from fedsov.label import PUBLIC, Label, join

WORDS = st.frozensets(st.sampled_from(["DE", "US", "FR", "health"]))
LABELS = st.builds(Label, WORDS, WORDS, WORDS)


@given(LABELS, LABELS, LABELS)
def test_the_join_is_associative_commutative_and_idempotent(a: Label, b: Label, c: Label) -> None:
    assert (a | b) | c == a | (b | c) and a | b == b | a and a | a == a


@given(LABELS, LABELS)
def test_a_join_binds_all_that_either_side_binds_and_nothing_else(a: Label, b: Label) -> None:
    joined = a | b
    for part in ("origins", "categories", "restrictions"):
        assert getattr(joined, part) == getattr(a, part) | getattr(b, part)


@given(LABELS)
def test_public_is_the_identity(label: Label) -> None:
    assert label | PUBLIC == label == PUBLIC | label


@given(st.lists(LABELS, max_size=4))
def test_what_is_computed_from_several_values_is_bound_by_each(labels: list[Label]) -> None:
    joined = join(labels)
    assert all(joined | label == joined for label in labels)
    assert joined.is_public == all(label.is_public for label in labels)


@pytest.mark.parametrize("part", ["origins", "categories", "restrictions"])
def test_a_single_word_of_any_part_binds(part: str) -> None:
    assert not Label(**{part: frozenset({"x"})}).is_public
    assert PUBLIC.is_public and join([]) == PUBLIC


@given(LABELS)
def test_a_label_comes_back_from_json_and_is_written_alike_whatever_the_order_of_its_words(label: Label) -> None:
    text = json.dumps(label.to_json())
    assert Label.from_json(json.loads(text)) == label
    reordered = Label(*(frozenset(sorted(part, reverse=True)) for part in _parts(label)))
    assert json.dumps(reordered.to_json()) == text
    assert all(words == sorted(words) for words in label.to_json().values())


def _parts(label: Label) -> tuple[frozenset[str], ...]:
    return label.origins, label.categories, label.restrictions


@pytest.mark.parametrize("absent", ["origins", "categories", "restrictions"])
def test_an_absent_part_is_not_read_as_an_empty_one(absent: str) -> None:
    written = Label(frozenset({"DE"})).to_json()
    del written[absent]
    with pytest.raises(KeyError, match=absent):
        Label.from_json(written)


def test_a_label_is_told_by_its_parts_that_bind() -> None:
    assert str(PUBLIC) == "public"
    assert str(Label(frozenset({"US", "DE"}), restrictions=frozenset({"no_global_use"}))) == "DE+US · no_global_use"
    assert str(Label(frozenset({"DE"}), frozenset({"health"}), frozenset({"local"}))) == "DE · health · local"


@pytest.mark.parametrize("part", ["origins", "categories", "restrictions"])
def test_text_by_itself_is_no_set_of_letters(part: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{part} of a Label .* write {part}=\{{'health'\}}"):
        Label(**{part: "health"})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 3, b"DE", [1], {"DE": 1}])
def test_what_is_no_set_of_text_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="origins of a Label must be a set of text"):
        Label(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [set, list, tuple])
def test_sets_lists_and_tuples_are_stored_as_frozen_sets(kind: type) -> None:
    label = Label(kind(["DE", "US"]), kind(["health"]))
    assert label == Label(frozenset({"DE", "US"}), frozenset({"health"})) and hash(label)


@pytest.mark.parametrize("origins", ["DE", [1], None, {"DE": 1}])
def test_a_label_of_a_message_has_lists_of_text(origins: object) -> None:
    with pytest.raises(TypeError, match="no list of text"):
        Label.from_json({"origins": origins, "categories": [], "restrictions": []})
