"""The law ages: a year after it was read, and earlier where a change is known to come, what it permits is a review."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings

from fedsov.artifact import Crossing, Kind
from fedsov.border.explain import explain
from fedsov.border.gate import Gate
from fedsov.border.policy import decide_release
from fedsov.label import PUBLIC
from fedsov.ledger.ledger import Ledger
from tests.border.world import EMPTY, STRICTNESS, Asking, artifact, ask, askings, document, law, of, party, register

LATE = date(2031, 1, 15)
LAST = law().law_until("EU-GDPR")
RULE = "floor.horizon"


def confirmed(until: date):
    return replace(law(), confirmed_until=until)


def test_the_horizon_is_a_year_after_the_law_was_read_or_the_eve_of_a_change_that_is_known_to_come():
    assert LAST.replace(year=LAST.year - 1) == law().dated
    assert law().law_until("IN-DPDP") == date(2027, 5, 12) == law().horizon
    assert confirmed(LATE).law_until("IN-DPDP") == confirmed(LATE).law_until("EU-GDPR") == LATE
    assert confirmed(date(2027, 1, 1)).law_until("EU-GDPR") == LAST, "a confirmation takes nothing away"


def test_a_permit_past_the_horizon_is_a_review_that_says_until_when_the_law_is_known():
    thing = artifact(Kind.UPDATE, "DE")
    assert ask(thing, "DE", "FR", on=LAST).verdict == "permit"
    late = ask(thing, "DE", "FR", on=LAST + timedelta(days=1))
    assert late.verdict == "review" and late.rules == (RULE,)
    assert f"The law of EU-GDPR counts as known until {LAST} only" in late.reason
    assert "`fedsov border bundle confirm`" in late.reason
    assert ask(thing, "DE", "FR", on=LAST + timedelta(days=1), bundle=confirmed(LATE)).verdict == "permit"
    assert ask(thing, "DE", "FR", on=LATE + timedelta(days=1), bundle=confirmed(LATE)).verdict == "review"


def test_a_refusal_stays_a_refusal_past_the_horizon():
    refused = ask(artifact(Kind.RECORDS, "DE"), "DE", "RU", register=EMPTY, on=LATE)
    assert refused.verdict == "refuse" and RULE not in refused.rules


def test_what_binds_nothing_and_what_a_party_keeps_do_not_wait_for_anybody():
    public = replace(artifact(Kind.MODEL, "DE"), label=PUBLIC)
    assert ask(public, "DE", "RU", on=LATE).verdict == "permit"
    assert ask(artifact(Kind.RECORDS, "DE"), "DE", "DE", on=LATE).verdict == "permit"


def test_a_release_past_the_horizon_is_refused_since_it_is_for_good():
    names = {
        "anon_assessment": "approved",
        "attack_test": "pass",
        "method": "m",
        "assessor": "a",
        "residual_risk": "low",
    }
    for day, verdict in ((LAST, "permit"), (LAST + timedelta(days=1), "refuse")):
        paper = document("anonymous_assessed", "a", signed=day, expires=day + timedelta(days=365), terms=names)
        crossing = Crossing(of(Kind.MODEL, "DE", "personal"), party("DE"), party("FR"), "training", day)
        answer = decide_release(crossing, "a", bundle=law(), evidence=register(paper), at=day)
        assert answer.verdict == verdict, answer
    assert answer.rules == ("release.horizon",)


@settings(max_examples=150)
@given(askings())
def test_age_never_opens_anything_and_makes_nothing_but_reviews_of_permits(asking: Asking):
    fresh = asking.answer(replace(law(), confirmed_until=date.max))
    aged = asking.answer()
    if aged.verdict == fresh.verdict:
        return
    assert (fresh.verdict, aged.verdict) == ("permit", "review") and RULE in aged.rules
    assert asking.crossing.on > law().horizon and STRICTNESS[aged.verdict] > STRICTNESS[fresh.verdict]


def test_the_explanation_shows_the_horizon_as_it_shows_every_rule():
    crossing = Crossing(artifact(Kind.UPDATE, "DE"), party("DE"), party("FR"), "training", LATE)
    explained = explain(crossing, law(), EMPTY, LATE)
    assert explained.verdict == explained.decision.verdict == "review"
    held = {
        trace.rule.id for origin in explained.origins for claim in origin.claims for trace in claim.rules if trace.holds
    }
    assert RULE in held


def test_an_authority_that_is_not_at_work_yet_makes_a_review_of_what_the_law_would_permit():
    contract = document(
        "accountability_contract",
        terms={"doc": "present", "comparable_protection": "yes", "ministry_report": "present"},
    )
    answer = ask(of(Kind.UPDATE, "ID", "personal"), "ID", "SG", register=register(contract))
    assert answer.verdict == "review" and "id.no_authority" in answer.rules


@pytest.mark.parametrize(("signed", "verdict"), [(date(2025, 11, 23), "permit"), (date(2025, 11, 22), "refuse")])
def test_an_assessment_of_anonymity_ends_twelve_months_after_its_signature(signed: date, verdict: str):
    terms = {"anon_assessment": "approved", "attack_test": "pass"}
    paper = document("anonymous_assessed", "a", signed=signed, expires=date(2026, 11, 23), terms=terms)
    thing = of(Kind.MODEL, "DE", "personal", evidence=("a",))
    answer = ask(thing, "DE", "IN", register=register(paper), on=date(2026, 11, 23))
    assert answer.verdict == verdict


@pytest.mark.parametrize(("ends", "verdict"), [(date(2027, 6, 2), "permit"), (date(2027, 6, 3), "review")])
def test_an_assessment_of_anonymity_that_claims_more_than_a_year_is_looked_at_by_a_person(ends: date, verdict: str):
    terms = {"anon_assessment": "approved", "attack_test": "pass"}
    paper = document("anonymous_assessed", "a", signed=date(2026, 6, 1), expires=ends, terms=terms)
    thing = of(Kind.MODEL, "DE", "personal", evidence=("a",))
    assert ask(thing, "DE", "IN", register=register(paper)).verdict == verdict


def test_an_entry_says_when_the_law_was_read_and_until_when_it_was_confirmed(tmp_path: Path):
    for name, bundle, until in (("plain", law(), ""), ("confirmed", confirmed(LATE), str(LATE))):
        ledger = Ledger(tmp_path / name / "ledger.sqlite", "DE")
        gate = Gate(party("DE"), bundle=bundle, evidence=EMPTY, ledger=ledger, run="r", today=lambda: LAST)
        gate.cross(artifact(Kind.UPDATE, "DE"), party("FR"))
        (entry,) = ledger.entries()
        assert (entry.body["bundle_dated"], entry.body["bundle_confirmed"]) == (str(law().dated), until)
        ledger.close()
