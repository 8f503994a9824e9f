"""The strictest of several answers counts, and keeps what each of them asked for."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.border.decisions import (
    JOINED,
    NOBODY,
    Decision,
    Permit,
    Refusal,
    Review,
    grounds_in_words,
    origin_is,
    strictest,
)

PERMIT = Permit(("p",), ("law p",), ("duty p",), ("doc p",), "bundle", ("DE scc_eu",))
REVIEW = Review(("r",), ("law r",), ("duty r",), ("doc r",), "Why r.", "bundle", ("GB idta",), "R1")
REFUSAL = Refusal(("f",), ("law f",), "Why f.", ("paper f",), "Do f.", "bundle")


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([PERMIT], "permit"),
        ([REVIEW], "review"),
        ([REFUSAL], "refuse"),
        ([PERMIT, PERMIT], "permit"),
        ([PERMIT, REVIEW], "review"),
        ([PERMIT, REFUSAL], "refuse"),
        ([REVIEW, REFUSAL], "refuse"),
        ([PERMIT, REVIEW, REFUSAL], "refuse"),
    ],
)
def test_the_strictest_answer_counts_in_whatever_order_they_come(answers: list[Decision], verdict: str) -> None:
    for order in permutations(answers):
        assert strictest(order).verdict == verdict


def test_one_answer_is_its_own_strictest_and_none_is_none() -> None:
    assert strictest([REVIEW]) is REVIEW
    with pytest.raises(ValueError, match="at least one answer"):
        strictest([])


def test_a_refusal_names_every_refusal_and_nothing_of_what_was_permitted() -> None:
    other = Refusal(("g", "f"), ("law g",), "Why g.", ("paper g", "paper f"), "Do g.", "bundle")
    together = strictest([PERMIT, REFUSAL, REVIEW, other])
    assert together == Refusal(
        ("f", "g"), ("law f", "law g"), "Why f. Why g.", ("paper f", "paper g"), "Do f. Do g.", "bundle"
    )


def test_a_review_keeps_the_duties_documents_and_grounds_of_the_permits_beside_it() -> None:
    together = strictest([PERMIT, REVIEW])
    assert (together.rules, together.citations, together.reason) == (("r",), ("law r",), "Why r.")
    assert together.obligations == ("duty p", "duty r")
    assert together.documents == ("doc p", "doc r")
    assert together.basis == ("DE scc_eu", "GB idta")


def test_several_reviews_have_all_their_ids_and_each_is_to_be_approved() -> None:
    together = strictest([REVIEW, replace(REVIEW, id="R2"), replace(REVIEW, id="R1")])
    assert together.id == f"R1{JOINED}R2"
    assert "fedsov border approve R1 and fedsov border approve R2" in together.remedy
    assert "fedsov border approve ID" in replace(REVIEW, id="").remedy


def test_permits_together_rely_on_the_documents_of_all() -> None:
    other = replace(PERMIT, rules=("q",), documents=("doc q", "doc p"), obligations=("duty p",))
    together = strictest([PERMIT, other])
    assert (together.rules, together.documents, together.obligations) == (("p", "q"), ("doc p", "doc q"), ("duty p",))


@pytest.mark.parametrize("answer", [PERMIT, REVIEW, REFUSAL])
def test_every_answer_has_the_attributes_of_every_other_and_is_json(answer: Decision) -> None:
    names = {field.name for kind in (Permit, Review, Refusal) for field in fields(kind)} | {"verdict", "remedy"}
    shown = json.loads(json.dumps(answer.to_json()))
    assert set(shown) == names
    for name, value in shown.items():
        attribute = getattr(answer, name)
        assert value == (list(attribute) if isinstance(attribute, tuple) else attribute)


words = st.lists(st.sampled_from("abc"), max_size=3).map(tuple)
texts = st.sampled_from(["", "One.", "Two."])
answers = st.one_of(
    st.builds(Permit, words, words, words, words, st.just("bundle"), words),
    st.builds(Review, words, words, words, words, texts, st.just("bundle"), words, st.sampled_from(["R1", "R2"])),
    st.builds(Refusal, words, words, texts, words, texts, st.just("bundle")),
)


@given(st.lists(answers, min_size=1, max_size=4), answers)
def test_another_answer_never_makes_the_strictest_one_less_strict(several: list[Decision], other: Decision) -> None:
    rank = {"permit": 0, "review": 1, "refuse": 2}
    before, after = strictest(several), strictest([*several, other])
    assert rank[after.verdict] == max(rank[before.verdict], rank[other.verdict])
    if after.verdict == before.verdict:
        assert set(before.rules) <= set(after.rules) and set(before.missing) <= set(after.missing)


def test_grounds_are_told_by_their_plain_names_with_the_id_beside_them_and_each_origin_s_own_documents() -> None:
    names = {"scc_eu": "EU clauses"}
    both = strictest([origin_is(PERMIT, "DE"), origin_is(replace(PERMIT, basis=("GB uk.free",), documents=()), "GB")])
    assert grounds_in_words(both, names) == ["DE: EU clauses (scc_eu) by doc p", "GB: rule uk.free"]
    assert grounds_in_words(replace(PERMIT, basis=("- floor.public",), documents=()), names) == ["rule floor.public"]
    assert grounds_in_words(REFUSAL, names) == []


def test_each_answer_says_whose_it_is_and_together_they_keep_who_relies_on_what_and_who_is_at_fault() -> None:
    permit, review = origin_is(PERMIT, "DE"), origin_is(REVIEW, "GB")
    refusals = [origin_is(REFUSAL, "US"), origin_is(replace(REFUSAL, reason="Why g."), "FR")]
    assert permit.relied == ("DE doc p",) and permit.at_fault == ()
    assert review.relied == ("GB doc r",) and review.at_fault == ("GB",)
    held = strictest([permit, review])
    assert set(held.relied) == {"DE doc p", "GB doc r"} and held.at_fault == ("GB",)
    assert strictest([permit, *refusals, review]).at_fault == ("US", "FR")
    assert strictest([permit, origin_is(PERMIT, "GB")]).relied == ("DE doc p", "GB doc p")
    assert origin_is(REFUSAL, "").at_fault == (NOBODY,)
    assert held.to_json()["at_fault"] == ["GB"]
