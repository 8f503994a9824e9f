"""Rules that oblige: papers and duties that a law asks for without a ban (HIPAA, GLBA, DORA, PIPL Art. 39)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from fedsov.artifact import Kind
from fedsov.label import Label
from tests.border.world import ask, document, law, of, register

DUTIES = {rule.id: rule for rule in law().rules if rule.effect == "oblige"}


def test_a_duty_is_named_with_the_permit_and_its_text_is_an_obligation():
    permit = ask(of(Kind.RECORDS, "US", "health"), "US", "IN", register=register())
    assert (permit.verdict, permit.rules) == ("permit", ("us.free", "us.hipaa"))
    assert set(DUTIES["us.hipaa"].obligations) <= set(permit.obligations)
    assert DUTIES["us.hipaa"].cite in permit.citations


def test_the_paper_that_a_duty_asks_for_ends_it():
    paper = document("recipient", terms={"baa": "present"})
    permit = ask(of(Kind.RECORDS, "US", "health"), "US", "IN", register=register(paper))
    assert (permit.verdict, permit.rules) == ("permit", ("us.free",))
    assert set(DUTIES["us.hipaa"].obligations).isdisjoint(permit.obligations)


def test_a_duty_is_told_of_a_review_too():
    review = ask(of(Kind.RECORDS, "US", "health", "government"), "US", "IN", register=register())
    assert review.verdict == "review"
    assert set(DUTIES["us.hipaa"].obligations) <= set(review.obligations)


def test_a_longer_label_only_adds_duties():
    short = of(Kind.RECORDS, "US", "health")
    longer = replace(short, label=short.label | Label(frozenset({"US"}), frozenset({"financial"})))
    first, second = (ask(thing, "US", "IN", register=register()) for thing in (short, longer))
    assert first.verdict == second.verdict == "permit"
    assert set(first.obligations) < set(second.obligations)
    assert set(second.rules) == {"us.free", "us.hipaa", "us.glba"}


@pytest.mark.parametrize("name", sorted(DUTIES))
def test_the_law_answers_the_same_without_a_duty_but_for_its_obligations(name: str):
    without = replace(law(), rules=tuple(rule for rule in law().rules if rule.id != name))
    things = [of(Kind.RECORDS, origin, "health", "financial") for origin in ("US", "US-CA", "DE", "CN")]
    for thing in things:
        (origin,) = thing.label.origins
        answers = [ask(thing, origin, "SG", bundle=bundle) for bundle in (law(), without)]
        assert answers[0].verdict == answers[1].verdict
        assert set(answers[1].obligations) <= set(answers[0].obligations)


ASKED = {"assessor": "derived.assessor_asked", "method": "derived.method_asked", "residual_risk": "derived.risk_asked"}
STATED = {"assessor": "B. Person", "method": "DP-SGD", "residual_risk": "low"}


@pytest.mark.parametrize("lacking", [set(), {"method"}, {"assessor", "residual_risk"}, set(ASKED)])
def test_an_assessment_of_anonymity_carries_and_what_a_regulator_will_ask_for_is_named_by_its_term(lacking: set[str]):
    terms = {"anon_assessment": "approved", "attack_test": "pass"}
    terms |= {name: value for name, value in STATED.items() if name not in lacking}
    paper = document("anonymous_assessed", exporter=frozenset({"DE"}), importer=frozenset({"*"}), terms=terms,
                     signed=date(2026, 10, 1), expires=date(2027, 9, 1))  # fmt: skip
    thing = replace(of(Kind.MODEL, "DE", "health"), evidence=(paper.id,))
    permit = ask(thing, "DE", "US", register=register(paper))
    assert permit.verdict == "permit"
    assert {rule for rule in permit.rules if rule in ASKED.values()} == {ASKED[name] for name in lacking}
    assert all(f"terms.{name}" in " ".join(permit.obligations) for name in lacking)
