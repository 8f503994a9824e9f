"""What papers state against these parties binds, in a run as in a case; what they state for them is free to take."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fedsov.artifact import Kind, Party
from fedsov.border.decisions import Decision
from fedsov.border.evidence.register import Document
from fedsov.border.evidence.supporting import Statement, supports
from fedsov.border.law.rules import AGAINST, FOR, WANTING, Condition, Rule
from tests.border.world import ask, document, of, party, register, with_rules

DAY = date(2026, 1, 1)
CLAUSES = ("scc_eu", {"doc": "2021/914", "role": "C->C", "module": "1"})
BANNED = ("recipient", {"onward_ban": "yes"})


def weigh(name: str, value: Any) -> int:
    """Rules of which one that closes holds for "bad", and one that opens asks for another than "poor"."""
    return {"bad": AGAINST, "worse": AGAINST, "poor": WANTING}.get(value, FOR)


def states(document_id: str, kind: str = "recipient", *, signed: date = DAY, **facts: str) -> Statement:
    return Statement(document_id, kind, signed, facts, covers=True, binds=True)


def together(*statements: Statement) -> dict[str, Any]:
    (support,) = supports(statements, weigh)
    facts: dict[str, Any] = {}
    for _, stated in (*support.beside, *support.last):
        facts |= stated
    return facts


def test_the_newest_of_a_kind_has_the_last_word():
    older, newer = states("a", x="good", y="good"), states("b", signed=date(2026, 2, 1), x="bad")
    assert together(older, newer) == together(newer, older) == {"x": "bad", "y": "good"}
    assert together(states("a", x="bad"), states("b", signed=date(2026, 2, 1), x="good")) == {"x": "good"}


def test_of_papers_of_one_day_and_of_other_kinds_what_a_prohibition_looks_for_counts_first():
    assert together(states("a", x="bad"), states("b", x="good")) == {"x": "bad"}
    assert together(states("a", x="bad"), states("b", x="poor")) == {"x": "bad"}
    assert together(states("a", x="poor"), states("b", "exporter", signed=date(2026, 2, 1), x="good")) == {"x": "poor"}


def test_two_that_contradict_each_other_in_what_a_prohibition_looks_for_cannot_be_read():
    assert together(states("a", x="bad"), states("b", x="worse"))["unreadable"]
    assert "unreadable" not in together(states("a", x="bad"), states("b", x="bad"))


def papers(*kinds: tuple[str, dict[str, Any]]) -> list[Document]:
    return [document(kind, f"{kind}-{at}", terms=terms) for at, (kind, terms) in enumerate(kinds)]


RECORDS = [
    ("us.doj.designated_health", "US", "IN", "health", [], {"covered_person": "yes"}),
    ("us.padfa_part_owned", "US", "DE", "health", [BANNED],
     {"data_brokerage": "yes", "part_owners": frozenset({"CN"})}),
    ("dpf.left", "DE", "US", "personal", [("recipient", {"dpf_listed": "yes"})], {"dpf_listed": "no"}),
    ("de.statutory_insurer", "DE", "IN", "health", [CLAUSES, ("tia", {})],
     {"exporter_type": "statutory_health_insurer"}),
    ("tw.telecom_exporter", "TW", "CN", "personal", [], {"exporter_type": "telecom_operator"}),
    ("ca.public_body", "CA-NS", "US", "health", [("accountability_contract", {"comparable_protection": "yes"})],
     {"exporter_type": "hospital"}),
    ("vn.stored_abroad", "VN", "US", "personal",
     [("vn_ctia", {"dossier": "present", "filed": DAY}), ("exporter", {"first_transfer": DAY})],
     {"stored_only_abroad": "yes"}),
    ("paper.assessment_negative", "DE", "IN", "personal", [CLAUSES, ("tia", {})], {"tia_conclusion": "not_effective"}),
]  # fmt: skip


@pytest.mark.parametrize("case", RECORDS, ids=[case[0] for case in RECORDS])
@pytest.mark.parametrize("kind", ["recipient", "exporter", "storage", "tia"])
def test_what_any_paper_states_against_these_parties_refuses_the_crossing(case, kind):
    _, origin, target, category, others, stated = case
    thing = of(Kind.RECORDS, origin, category, count=20_000)
    bad = document(kind, "bad", signed=date(2026, 5, 1), terms=stated)
    beside = papers(*others)
    assert ask(thing, origin, target, register=register(*beside)).verdict != "refuse"
    assert ask(thing, origin, target, register=register(*beside, bad)).verdict == "refuse"
    older = document(kind, "older", signed=date(2025, 5, 1), terms=dict.fromkeys(stated, "no"))
    assert ask(thing, origin, target, register=register(*beside, bad, older)).verdict == "refuse"


def test_a_profile_that_names_nobody_binds_by_what_it_states_against_the_recipient():
    thing, listed = of(Kind.UPDATE, "DE", "personal"), document("recipient", "listed", terms={"dpf_listed": "yes"})
    left = document("recipient", "left", signed=date(2026, 5, 1), entities=frozenset(), terms={"dpf_listed": "no"})
    back = document("recipient", "back", signed=date(2026, 6, 1), entities=frozenset(), terms={"dpf_listed": "yes"})
    assert ask(thing, "DE", "US", register=register(listed)).verdict == "permit"
    assert ask(thing, "DE", "US", register=register(listed, left)).verdict == "refuse"
    assert ask(thing, "DE", "US", register=register(listed, left, back)).verdict == "refuse", "whose is it?"
    named = document("recipient", "named", signed=date(2026, 6, 1), terms={"dpf_listed": "yes"})
    assert ask(thing, "DE", "US", register=register(listed, left, named)).verdict == "permit"


UNLIFTED = [
    ("recipient", "US", "US", "health", [], {"covered_person": "yes"}),
    ("recipient", "US", "IN", "health", [], {"covered_person": "yes"}),
    ("recipient", "DE", "FR", "statutory_health", [], {"c5": "no"}),
    ("tia", "DE", "IN", "personal", [CLAUSES], {"tia_conclusion": "not_effective"}),
]


@pytest.mark.parametrize(("kind", "origin", "target", "category", "others", "stated"), UNLIFTED)
def test_a_newer_paper_that_names_nobody_lifts_nothing(kind, origin, target, category, others, stated):
    thing = of(Kind.RECORDS, origin, category, count=20_000)
    source, recipient = Party("a", origin, "Example"), party(target)
    bad = document(kind, "bad", terms=stated)
    better = {"c5": "yes", "tia_conclusion": "effective", "covered_person": "no"}
    named = document(kind, "new", signed=date(2026, 6, 1), terms={name: better[name] for name in stated})
    nameless = replace(named, entities=frozenset(), exporters=frozenset())

    def answer(*own: Document) -> Decision:
        return ask(thing, source, recipient, register=register(*papers(*others), *own))

    assert answer(bad).verdict == answer(bad, nameless).verdict == "refuse"
    assert answer(bad, nameless).rules == answer(bad).rules
    assert answer(bad, named).verdict == "permit"


def test_a_profile_that_names_nobody_lifts_no_rule_within_one_law():
    attested = document("recipient", "attested", terms={"c5": "yes"})
    asked = Rule("own.c5", "forbid", (Condition("c5", "word", "missing", None, True),), "No C5.", "A text.")
    thing = of(Kind.RECORDS, "DE", "statutory_health")

    def answer(*own: Document) -> Decision:
        return ask(thing, "DE", "FR", register=register(*own), bundle=with_rules(asked))

    assert (answer().verdict, answer(attested).verdict) == ("refuse", "permit")
    review = answer(replace(attested, entities=frozenset()))
    assert (review.verdict, review.rules) == ("review", ("paper.profile_unnamed",))
