"""A document covers what it says, for as long as it says, and what can be claimed hangs on nothing else."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.artifact import Kind, Party
from fedsov.border.decisions import Decision
from fedsov.border.evidence.claims import Claim, Question
from fedsov.border.evidence.register import Document, Register
from fedsov.border.law.rules import FOR, Condition, Rule
from fedsov.border.law.vocabulary import Duration, Term
from fedsov.errors import ConfigurationError
from tests.border.world import (
    CATEGORIES,
    DAY,
    DEMO,
    KINDS_OF_DOCUMENT,
    ask,
    askings,
    demo_register,
    document,
    law,
    of,
    register,
    with_rules,
)

TIA = document(
    "tia",
    "tia-1",
    exporter=law().groups["@EEA"],
    importer=frozenset({"US"}),
    categories=frozenset({"personal"}),
    signed=date(2025, 1, 1),
    expires=date(2026, 12, 31),
    entities=frozenset({"Example US Inc."}),
)
SCC = document("scc_eu", terms={"doc": "2021/914", "role": "C->C", "module": "1"})


def question(**other) -> Question:
    parts = {
        "origin": "DE",
        "destination": "US",
        "entity": "Example US Inc.",
        "purpose": "training",
        "categories": frozenset({"personal"}),
        "day": DAY,
        "standing": ("",),
        "reads": frozenset(law().facts),
        "weigh": lambda name, value: FOR,
    }
    return Question(**(parts | other))


def supported(held: Register, **other) -> bool:
    """Whether some claim that rests on clauses states that there is an assessment."""
    claims = held.claims(question(**other))
    return any(one.mechanism == "scc_eu" and one.facts.get("tia") == "present" for one in claims)


def test_a_document_covers_groups_parts_of_countries_and_both_of_its_last_days():
    held = register(SCC, TIA)
    assert supported(held)
    assert supported(held, origin="NO")
    assert supported(held, destination="US-CA")
    assert supported(held, day=date(2025, 1, 1))
    assert supported(held, day=date(2026, 12, 31))


def test_a_document_covers_nothing_beyond_what_it_says():
    held = register(SCC, TIA)
    assert not supported(held, origin="GB")
    assert not supported(held, destination="IN")
    assert not supported(held, day=date(2024, 12, 31))
    assert not supported(held, day=date(2027, 1, 1))
    assert not supported(held, categories=frozenset({"personal", "health"}))
    assert not supported(register(SCC))
    part = replace(TIA, importer=frozenset({"US-CA"}))
    assert not supported(register(SCC, part))
    assert supported(register(SCC, part), destination="US-CA")


def test_why_a_document_does_not_support_a_crossing_is_said_in_a_sentence():
    asked = question()
    assert TIA.fault(asked) == ""
    assert TIA.fault(replace(asked, categories=frozenset({"health"}))) == "'tia-1' does not cover health."
    assert TIA.fault(replace(asked, day=date(2027, 1, 1))) == "'tia-1' expired on 2026-12-31."
    assert TIA.fault(replace(asked, day=date(2024, 12, 31))) == "'tia-1' is valid from 2025-01-01 only."
    later = replace(TIA, effective=date(2026, 12, 1))
    assert later.fault(asked) == "'tia-1' is valid from 2026-12-01 only."
    bound = replace(TIA, purposes=frozenset({"marketing"}))
    assert bound.fault(asked) == "'tia-1' does not cover the purpose training."
    named = replace(TIA, entities=frozenset({"Example Other Inc."}))
    assert named.fault(asked) == "'tia-1' does not bind the recipient Example US Inc.."
    assert named.fault(replace(asked, entity="Example Other Inc.")) == ""


def test_the_ground_states_its_dates_its_coverage_and_whether_it_binds_the_recipient():
    bound = replace(SCC, entities=frozenset({"Example US Inc."}), purposes=frozenset({"training"}), expires=DAY)
    ground = law().mechanisms["scc_eu"]
    facts = bound.facts(question(entity="Example US Inc."), ground)
    assert facts["importer_match"] == "yes"
    assert bound.facts(question(entity="Example Other Inc."), ground)["importer_match"] == "no"
    assert bound.facts(question(entity=""), ground)["importer_match"] == "yes"
    assert facts["covers"] == frozenset("*")
    assert facts["covers_purposes"] == frozenset({"training"})
    assert (facts["signed"], facts["expires"]) == (SCC.signed, DAY)
    assert facts["doc"] == "2021/914"
    unnamed = replace(SCC, entities=frozenset())
    assert unnamed.facts(question(entity="anybody"), ground)["importer_match"] == "unnamed"
    assert "importer_match" not in unnamed.facts(question(entity=""), ground)


def test_an_expired_ground_is_still_claimed_and_says_when_it_expired():
    old = replace(SCC, expires=date(2026, 1, 2))
    (claim,) = (one for one in register(old).claims(question()) if one.mechanism == "scc_eu")
    assert claim.facts["expires"] == date(2026, 1, 2)


def test_claims_come_in_one_order_and_the_digest_is_one_in_whatever_order_documents_stand():
    later = replace(TIA, id="tia-2", expires=date(2027, 12, 31))
    one, other = register(SCC, TIA, later), register(later, SCC, TIA)
    assert one.claims(question()) == other.claims(question())
    assert one.digest == other.digest
    assert one.digest != register(SCC, TIA).digest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "pia"), ("exporter", frozenset({"DE"})), ("importer", frozenset({"CA"})),
        ("categories", frozenset("*")),
        ("signed", date(2025, 1, 2)), ("expires", None), ("owner", "Another"), ("effective", date(2025, 2, 1)),
        ("purposes", frozenset({"training"})), ("terms", {"tia_conclusion": "effective"}),
        ("entities", frozenset({"X"})),
        ("example", True), ("note", "A note."), ("sha256", "ab"),
    ],
)  # fmt: skip
def test_every_field_of_a_document_counts_in_the_digest(field, value):
    assert register(replace(TIA, **{field: value})).digest != register(TIA).digest


@settings(max_examples=30, deadline=None)
@given(askings(), st.randoms(use_true_random=False))
def test_what_can_be_claimed_does_not_hang_on_the_order_of_the_register(asking, random):
    shuffled = list(asking.documents)
    random.shuffle(shuffled)
    thing = asking.crossing.artifact
    asked = question(
        origin=min(thing.label.origins, default=""),
        destination=asking.crossing.target.location,
        categories=thing.label.categories,
        day=asking.crossing.on,
        evidence=thing.evidence,
    )
    one, other = register(*asking.documents).claims(asked), register(*shuffled).claims(asked)
    assert [(c.mechanism, c.facts, list(c.documents.items()), c.faults) for c in one] == [
        (c.mechanism, c.facts, list(c.documents.items()), c.faults) for c in other
    ]


def test_a_paper_about_an_artifact_counts_only_for_an_artifact_that_names_it():
    report = document("dp_report", "dp", terms={"eps": 1.0})
    held = register(SCC, report)
    assert all("dp" not in one.facts for one in held.claims(question()))
    assert all(one.facts["dp"] == "yes" for one in held.claims(question(evidence=("dp",))))


def test_a_finding_about_an_artifact_does_not_lapse():
    report = document("attack_test", "test", terms={"attack_test": "fail"}, expires=date(2026, 1, 2))
    named = register(report).claims(question(evidence=("test",)))
    assert [one.facts["attack_test"] for one in named] == ["fail"]


def test_an_assessment_that_the_artifact_names_is_a_ground_and_a_finding():
    assessed = document("anonymous_assessed", "assessed", terms={"anon_assessment": "approved"})
    claims = register(assessed).claims(question(evidence=("assessed",)))
    assert [one.mechanism for one in claims] == ["", "anonymous_assessed"]
    assert claims[1].grounds
    assert claims[1].relied_on(frozenset({"anon_assessment"})) == ("assessed",)


def chinese(*more: Document) -> str:
    """The answer to an update of fifty people under the standard contract, with these papers beside it."""
    contract = document("cn_standard_contract", effective=DAY, terms={"filed": DAY})
    papers = (contract, document("exporter", terms={"ciio": "no"}), document("pipia"), *more)
    return ask(of(Kind.UPDATE, "CN", "personal", count=50), "CN", "DE", register=register(*papers)).verdict


def test_papers_that_together_carried_a_crossing_carry_it_beside_any_other_that_speaks_for_it():
    assert chinese() == chinese(document("pipia", "another", terms={"ciio": "no"})) == "permit"
    assert chinese(document("pipia", "another", terms={"destination_province": "x"})) == "permit"


NEWER, OLDER = date(2026, 6, 1), date(2025, 6, 1)


@pytest.mark.parametrize(
    ("papers", "verdict"),
    [
        ([("pipia", OLDER, "yes")], "refuse"),
        ([("exporter", NEWER, "yes")], "refuse"),
        ([("exporter", OLDER, "yes")], "permit"),
        ([("exporter", date(2026, 1, 1), "yes")], "refuse"),
        ([("exporter", OLDER, "no"), ("recipient", OLDER, "yes")], "refuse"),
        ([("recipient", OLDER, "yes"), ("recipient", NEWER, "no")], "permit"),
    ],
)
def test_only_a_newer_paper_of_its_kind_lifts_what_one_states_against_a_crossing(papers, verdict):
    """The exporter's profile of 2026-01-01 says that it runs no critical infrastructure; these say so, or otherwise."""
    more = [document(kind, f"p{at}", signed=on, terms={"ciio": said}) for at, (kind, on, said) in enumerate(papers)]
    assert chinese(*more) == verdict


def test_a_paper_lifts_what_another_states_only_for_the_categories_that_it_covers():
    words = frozenset({"personal", "health"})
    said = document("tia", "for-all", terms={"tia_conclusion": "not_effective"})
    better = replace(said, id="better", signed=NEWER, terms={"tia_conclusion": "effective"})
    narrow, thing = replace(better, categories=frozenset({"personal"})), of(Kind.UPDATE, "DE", *words)
    assert ask(thing, "DE", "US", register=register(SCC, said, better)).verdict == "permit"
    assert ask(thing, "DE", "US", register=register(SCC, said, narrow)).verdict == "refuse"
    assert ask(of(Kind.UPDATE, "DE", "personal"), "DE", "US", register=register(SCC, said, narrow)).verdict == "permit"
    partly = replace(said, categories=frozenset({"health"}))
    older = replace(better, signed=OLDER)
    assert ask(thing, "DE", "US", register=register(SCC, older, partly)).verdict == "refuse", "of one of its categories"
    plain = ask(of(Kind.UPDATE, "DE", "personal"), "DE", "US", register=register(SCC, older, partly))
    assert plain.verdict == "permit", "of none"


def test_what_a_paper_states_against_others_binds_nobody_else():
    stranger, here = frozenset({"Example Stranger"}), frozenset({"Example Deutschland GmbH (fictional)"})
    bad = document("tia", "bad", signed=NEWER, terms={"tia_conclusion": "not_effective"})
    thing, good = of(Kind.UPDATE, "DE", "personal"), document("tia", "good", signed=OLDER)

    def answer(paper: Document) -> str:
        return ask(thing, "DE", "US", register=register(SCC, good, paper)).verdict

    assert answer(bad) == answer(replace(bad, exporters=here)) == answer(replace(bad, entities=frozenset())) == "refuse"
    for other in ({"entities": stranger}, {"exporters": stranger}, {"expires": NEWER}, {"importer": frozenset({"IN"})}):
        assert answer(replace(bad, **other)) == "permit", other


@pytest.mark.parametrize(
    ("kind", "origin", "target", "stated", "field"),
    [
        ("recipient", "US", "US", {"covered_person": "yes"}, "exporters"),
        ("recipient", "US", "IN", {"covered_person": "yes"}, "exporters"),
        ("exporter", "DE", "IN", {"exporter_type": "statutory_health_insurer"}, "entities"),
    ],
)
def test_a_party_that_a_kind_of_paper_does_not_name_lifts_nothing_it_states(kind, origin, target, stated, field):
    """A profile of the recipient is about it whoever sends, and speaks for it as narrowly as it was written."""
    thing, source = of(Kind.RECORDS, origin, "health", count=20_000), Party("a", origin, "Example")
    beside = (SCC, document("tia", "assessed")) if origin == "DE" else ()
    bad = document(kind, "bad", signed=OLDER, terms=stated)

    def answer(*own: Document) -> Decision:
        return ask(thing, source, target, register=register(*beside, *own))

    stray = replace(bad, **{field: frozenset({"Example Stranger"})})
    assert answer(stray).verdict == answer(bad).verdict == "refuse"
    assert answer(stray).rules == answer(bad).rules
    better = replace(stray, id="better", signed=NEWER, terms=dict.fromkeys(stated, "no"))
    assert answer(bad, better).verdict == "refuse", "it is for the stranger alone"


def test_two_papers_that_state_different_facts_against_a_crossing_contradict_each_other():
    one = document("recipient", "one", terms={"part_owners": frozenset({"CN"})})
    other = document("exporter", "other", terms={"part_owners": frozenset({"RU"})})
    thing = of(Kind.RECORDS, "US", "health", count=50)
    refusal = ask(thing, "US", "DE", register=register(one, other))
    assert (refusal.verdict, refusal.rules) == ("refuse", ("floor.unreadable",))
    assert ask(thing, "US", "DE", register=register(one)).verdict == "permit", "no broker gives it"


def test_the_last_word_over_a_ground_is_of_the_paper_that_speaks_against_it():
    own = replace(SCC, terms={**SCC.terms, "tia": "present", "tia_conclusion": "effective"})
    bad = document("tia", "bad", terms={"tia_conclusion": "not_effective"})
    assert ask(of(Kind.UPDATE, "DE", "personal"), "DE", "US", register=register(own, bad)).verdict == "refuse"


def test_papers_about_an_artifact_are_named_in_one_order():
    found = [
        document("attack_test", "b", terms={"attack_test": "pass"}),
        document("secagg_report", "a"),
        document("dp_report", "c"),
    ]
    asked = question(evidence=("c", "b", "a"))
    orders = {
        tuple(tuple(claim.documents) for claim in register(*several).claims(asked)) for several in (found, found[::-1])
    }
    assert len(orders) == 1


def test_a_paper_that_states_only_what_a_term_is_counted_from_counts():
    dossier = document("vn_ctia", terms={"dossier": "present", "filed": date(2026, 3, 1)})
    first = document("exporter", "first", terms={"first_transfer": date(2026, 1, 10)})
    thing = of(Kind.UPDATE, "VN", "personal")
    assert ask(thing, "VN", "US", register=register(dossier)).verdict == "refuse"
    permit = ask(thing, "VN", "US", register=register(dossier, first))
    assert (permit.verdict, set(permit.documents)) == ("permit", {"d-vn_ctia", "first"})


def test_what_a_rule_that_closes_compares_with_or_denies_binds_as_well():
    contract = document("ad_hoc_clauses", terms={"doc": "x", "approval": "y", "approval_authority": "CH"})
    profile = document("recipient", "profile", terms={"verified_on": date(2026, 1, 2), "destination_province": "x"})
    thing = of(Kind.UPDATE, "CH", "personal")
    swiss = Condition("origin", "word", "eq", "CH")
    late = Condition("day", "day", "later_than", Term("verified_on", Duration(5, "D")))
    elsewhere = Condition("destination", "word", "differs_from", "destination_province")
    for one in (late, elsewhere):
        bundle = with_rules(Rule("own.rule", "forbid", (swiss, one), "A reason.", "A text.", remedy="Do not."))
        assert ask(thing, "CH", "US", register=register(contract), bundle=bundle).verdict == "permit"
        assert ask(thing, "CH", "US", register=register(contract, profile), bundle=bundle).verdict == "refuse"
    unseen = Condition("verified_on", "day", "missing", None, True)
    opener = Rule("own.rule", "permit", (swiss, unseen), "A reason.", "A text.", opens=True)
    assert ask(thing, "CH", "US", register=register(), bundle=with_rules(opener)).verdict == "permit"
    assert ask(thing, "CH", "US", register=register(profile), bundle=with_rules(opener)).verdict == "refuse"


SUPPORTS = {
    "tia": {"tia_conclusion": "effective"}, "assessment": {"law_similar": "yes"}, "pia": {}, "pipia": {},
    "annual_check": {}, "proof_to_regulator": {}, "ministry_report": {}, "recipient": {"covered_person": "no"},
    "storage": {"local_copy": "yes"}, "exporter": {"ciio": "no"},
}  # fmt: skip


def test_many_papers_of_every_supporting_kind_are_answered_in_a_moment():
    papers = [document(kind, f"{kind}-{n}", terms=stated) for kind, stated in SUPPORTS.items() for n in range(3)]
    held = register(SCC, document("bcr"), *papers)
    began = time.process_time()
    assert ask(of(Kind.UPDATE, "DE", "personal"), "DE", "US", register=held).verdict == "permit"
    assert time.process_time() - began < 1


def test_every_kind_of_paper_that_supports_is_one_that_this_test_knows():
    known = {name for name, one in law().mechanisms.items() if one.supports is not None and one.about == "crossing"}
    assert known == set(SUPPORTS)


def test_a_register_with_one_document_of_every_kind_claims_every_ground():
    held = register(*(document(kind) for kind in KINDS_OF_DOCUMENT))
    claims = held.claims(question(evidence=tuple(f"d-{kind}" for kind in KINDS_OF_DOCUMENT)))
    grounds = {kind for kind in KINDS_OF_DOCUMENT if law().mechanisms[kind].supports is None}
    assert {one.mechanism for one in claims} == grounds | {""}
    assert all(isinstance(one, Claim) for one in claims)


def test_every_document_of_the_demo_is_marked_as_an_example_and_one_is_missing_on_purpose():
    assert all(one.example for one in demo_register().documents)
    assert all("fictional" in one.owner for one in demo_register().documents)
    assert "EXAMPLE" in DEMO.read_text().splitlines()[0]
    india = question(origin="GB", destination="IN", categories=CATEGORIES, entity="Example India Pvt Ltd (fictional)")
    claims = demo_register().claims(india)
    assert all(one.mechanism != "scc_uk_idta" for one in claims)
    assert any("demo-tra-gb-in" in one.documents for one in claims)


def test_a_part_of_the_register_holds_one_document_or_none():
    held = register(SCC, TIA)
    assert held.only("tia-1").documents == (TIA,)
    assert held.only("no-such").documents == ()
    assert held.knows("tia-1") and not held.knows("tia")
    assert held.get("d-scc_eu") == SCC
    assert isinstance(SCC, Document)


def test_a_register_that_knows_no_kind_of_paper_still_answers_every_question_by_what_needs_none():
    bare = Register(())
    standing = tuple(name for name, one in law().mechanisms.items() if one.standing)
    assert [one.mechanism for one in bare.claims(question(standing=("", *standing)))] == ["", *sorted(standing)]
    for origin in ("US", "DE", "CN", "GB", "XX"):
        answer = ask(of(Kind.UPDATE, origin, "personal"), origin, "IN", register=bare)
        assert answer == ask(of(Kind.UPDATE, origin, "personal"), origin, "IN", register=register())


def test_what_needs_no_paper_costs_nothing_so_that_its_claims_come_first():
    assert all(one.effort == 0 for one in law().mechanisms.values() if one.standing)


def test_a_paper_of_a_kind_that_nothing_describes_makes_no_register():
    with pytest.raises(ConfigurationError, match="d-scc_eu: unknown kind 'scc_eu'"):
        Register((SCC,))
