"""What a decision looks up in the law, and the index that asks fewer rules and never another answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from fedsov.artifact import Crossing, Kind
from fedsov.border.law.bundle import ApplicableRules, Bundle, applicable
from fedsov.border.law.rules import AGAINST, FOR, WANTING, Condition, Rule
from fedsov.border.law.vocabulary import ANY
from fedsov.border.questions import as_release, asked_origins, claimed, crossing_facts, question, route_of
from tests.border.world import DAY, Asking, artifact, askings, law, of, party, register


def rule(rule_id: str, *when: Condition, effect: str = "forbid", **other: Any) -> Rule:
    return Rule(rule_id, effect, when, "A reason.", "A text.", **other)


def stated(field: str, operator: str, value: Any = None) -> Condition:
    return Condition(field, "word", operator, value, claimed=True)


HERE = Condition("origin", "word", "eq", "DE")


def holding(rules: ApplicableRules, facts: dict[str, Any], papers: dict[str, Any]) -> list[str]:
    every = {**facts, **papers}
    return [each.id for each in (*rules.openers.holding(papers, every), *rules.closers.holding(papers, every))]


# ------------------------------------------------------------------ places, regimes, findings


def test_regimes_follow_one_another_without_a_day_between():
    assert law().regime("CL", date(2026, 11, 30)) == "CL-19628"
    assert law().regime("CL", date(2026, 12, 1)) == "CL-21719"
    assert law().regime("IN", DAY) == "IN-SPDI"
    assert law().regime("IN", date(2027, 5, 12)) == "IN-SPDI"
    assert law().regime("IN", date(2027, 5, 13)) == "IN-DPDP"
    assert law().regime("US-OH", DAY) == "US-FED"
    assert law().regime("US-FL", DAY) == "US-FL"
    assert law().regime("GB", date(2019, 1, 1)) is None


def test_a_finding_of_low_confidence_counts_as_unverified_only():
    assert [one.confidence for one in law().adequacy["AE-DIFC", "US"]] == ["low"]
    assert law().scopes("AE-DIFC", "US", DAY) == {"unverified_dpf_listed"}
    permits = [rule for rule in law().rules if rule.effect == "permit"]
    for rule in permits:
        for one in rule.when:
            assert one.field != "adequacy" or not any(scope.startswith("unverified_") for scope in one.value), rule.id


@pytest.mark.parametrize(
    ("code", "is_place"),
    [
        ("DE", True),
        ("US-CA", True),
        ("DE-BY", True),
        ("AE-DIFC", True),
        ("US-", False),
        ("-CA", False),
        ("US-CALI", False),
        ("US-C_", False),
        ("XX", False),
        ("de", False),
        ("", False),
        (ANY, False),
    ],
)
def test_a_place_is_a_country_a_part_of_one_or_a_code_with_law_of_its_own(code: str, is_place: bool) -> None:
    assert law().is_place(code) is is_place


def test_a_finding_covers_the_parts_of_its_country_and_every_day_of_its_time() -> None:
    for code in ("GB", "GB-SCT"):
        findings = law().findings("EU-GDPR", code, DAY)
        assert findings and all(finding.valid_from <= DAY <= (finding.valid_until or DAY) for finding in findings)
        assert law().scopes("EU-GDPR", code, DAY) == {"all"}
    (first,) = law().findings("EU-GDPR", "GB", DAY)
    assert first.valid_until is not None
    assert law().scopes("EU-GDPR", "GB", first.valid_until) == {"all"}
    assert law().scopes("EU-GDPR", "GB", date(2031, 12, 28)) == frozenset()
    assert law().findings("EU-GDPR", "XX", DAY) == ()


# ------------------------------------------------------------------ which rules are asked


def test_rules_that_settled_facts_rule_out_are_not_asked_and_what_is_settled_is_not_asked_again() -> None:
    here, there = rule("here", HERE, stated("doc", "eq", "a")), rule("there", replace(HERE, value="US"))
    rules = applicable([here, there], {"origin": "DE"})
    assert rules.closers.always == ()
    assert set(rules.closers.stated) == {"doc"}
    assert holding(rules, {}, {"doc": "a"}) == ["here"], "the origin is settled, and need not be among the facts"


def test_a_rule_that_needs_a_statement_waits_for_it_and_one_that_holds_for_silence_does_not() -> None:
    needs = rule("needs", stated("doc", "eq", "a"))
    silence = rule("silence", stated("doc", "ne", "a"))
    both = rule("both", stated("doc", "missing"), stated("tia", "present"))
    rules = applicable([needs, silence, both], {})
    assert holding(rules, {}, {}) == ["silence"]
    assert holding(rules, {}, {"doc": "a"}) == ["needs"]
    assert holding(rules, {}, {"doc": "b"}) == ["silence"]
    assert holding(rules, {}, {"tia": "yes"}) == ["silence", "both"]


@pytest.mark.parametrize(
    ("rules", "papers", "touched"),
    [
        ([], {"doc": "a"}, False),
        ([rule("a", stated("doc", "eq", "a"), effect="permit", opens=True)], {}, False),
        ([rule("a", stated("doc", "eq", "a"), effect="permit", opens=True)], {"tia": "yes"}, False),
        ([rule("a", stated("doc", "eq", "a"), effect="permit", opens=True)], {"doc": "b"}, True),
        ([rule("a", HERE, effect="permit", opens=True)], {}, True),
    ],
)
def test_a_claim_touches_the_rules_that_wait_for_what_it_states(
    rules: list[Rule], papers: dict[str, str], touched: bool
) -> None:
    assert applicable(rules, {}).openers.touched_by(papers) is touched


def test_what_keeps_a_denial_from_closing_is_needed() -> None:
    """A rule that closes unless a document says "yes": who says so is relied on."""
    rules = applicable([rule("deny", stated("local_copy", "ne", "yes")), rule("other", stated("doc", "eq", "x"))], {})
    facts = {"local_copy": "yes", "doc": "a"}
    assert rules.needed_against_denials(facts, facts) == {"local_copy"}
    assert rules.needed_against_denials({"doc": "a"}, {"doc": "a"}) == frozenset()
    apart = applicable([rule("deny", HERE, stated("local_copy", "ne", "yes"))], {})
    assert apart.needed_against_denials(facts, {**facts, "origin": "US"}) == frozenset()
    assert apart.needed_against_denials(facts, {**facts, "origin": "DE"}) == {"local_copy"}


some = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def by_definition(rules: Iterable[Rule], facts: dict[str, Any]) -> set[str]:
    return {each.id for each in rules if each.in_force(facts["day"]) and each.holds_for(facts)}


@some
@given(askings())
def test_the_index_holds_the_very_rules_that_hold_by_their_definition(asking: Asking) -> None:
    """For a crossing and for the release that it would be; those of a release are release rules and prohibitions."""
    evidence = register(*asking.documents)
    for release, crossing in ((False, asking.crossing), (True, as_release(asking.crossing))):
        law_asked = law().release_rules if release else law().rules
        common = crossing_facts(crossing, evidence)
        for origin in asked_origins(crossing, law(), crossing.on):
            route = route_of(origin, crossing, law(), crossing.on, release=release)
            for claim in evidence.claims(question(route, crossing, law())):
                facts = claimed({**route.facts, **common, "document_kind": claim.mechanism}, claim)
                rules = route.applicable(claim.mechanism)
                found = [*rules.openers.holding(claim.facts, facts), *rules.closers.holding(claim.facts, facts)]
                assert {each.id for each in found} == by_definition(law_asked, facts)
                assert len(found) == len({each.id for each in found})


def test_a_release_meets_its_own_rules_and_the_prohibitions_that_look_at_documents_alone() -> None:
    rules = law().release_rules
    assert set(law().releases) <= set(rules)
    others = [each for each in rules if each not in law().releases]
    assert others and all(each.effect == "forbid" for each in others)
    fields = {condition.field for each in others for condition in each.when if not condition.claimed}
    assert fields.isdisjoint({"destination", "origin", "exporter", "flow", "owners", "adequacy"})
    assert "eu.scc" not in {each.id for each in rules} and "floor.attack" in {each.id for each in rules}


# ------------------------------------------------------------------ what is remembered


def crossing(code: str = "US") -> Crossing:
    return Crossing(artifact(Kind.UPDATE, "DE"), party("DE"), party(code), "training", DAY)


def test_a_route_is_settled_once_and_a_release_is_another_route() -> None:
    bundle, settled = replace(law()), []

    def settle() -> dict[str, Any]:
        settled.append(1)
        return {"day": DAY, "origin": "DE"}

    first = bundle.route("key", settle)
    assert bundle.route("key", settle) is first and len(settled) == 1
    assert bundle.route("other", settle) is not first
    release = bundle.route("key", settle, release=True)
    assert release is not first and len(settled) == 3
    assert first.reads < release.reads == frozenset(bundle.facts)
    assert first.applicable("scc_eu") is first.applicable("scc_eu") is not first.applicable("tia")


@pytest.mark.parametrize(
    "change",
    [
        {"target": party("IN")},
        {"target": replace(party("US"), entity="Other")},
        {"target": party("US", owners=["CN"])},
        {"source": party("IE")},
        {"flow": "broadcast"},
        {"artifact": of(Kind.MODEL, "DE", "personal")},
    ],
)
def test_another_party_kind_or_flow_is_another_route(change: dict[str, Any]) -> None:
    bundle = replace(law())
    first = route_of("DE", crossing(), bundle, DAY)
    assert route_of("DE", replace(crossing(), on=date(2020, 1, 1)), bundle, DAY) is first
    assert route_of("DE", replace(crossing(), **change), bundle, DAY) is not first
    assert route_of("DE", crossing(), bundle, date(2026, 11, 24)) is not first
    assert route_of("FR", crossing(), bundle, DAY) is not first


def test_what_is_remembered_stays_bounded() -> None:
    bundle = replace(law())
    for number in range(5_000):
        bundle.scopes("EU-GDPR", f"X{number}", DAY)
    assert len(bundle._index) <= 4096
    answers = [f"answer {number}" for number in range(5_000)]
    for answer in answers:
        bundle.together((answer,), lambda several: several[0])
    assert len(bundle._joined) <= 4096


def test_answers_are_joined_once_for_the_very_same_answers() -> None:
    bundle, calls = replace(law()), []

    def join(several: tuple[list[str], ...]) -> list[str]:
        calls.append(several)
        return [word for each in several for word in each]

    one, other = ["a"], ["b"]
    first = bundle.together((one, other), join)
    assert bundle.together((one, other), join) is first and len(calls) == 1
    assert bundle.together((one, ["b"]), join) is not first, "another answer, however alike"
    assert bundle.together((other, one), join) == ["b", "a"]


def test_a_bundle_made_of_another_remembers_nothing_of_it() -> None:
    bundle = replace(law())
    route = route_of("DE", crossing(), bundle, DAY)
    without: Bundle = replace(bundle, rules=())
    assert route.openers and route_of("DE", crossing(), without, DAY).openers == ()


# ------------------------------------------------------------------ what closes, what supports


def test_a_fact_speaks_against_where_a_rule_that_closes_holds_for_it_and_wants_another_where_one_that_opens_does_not():
    closes = rule("closes", stated("doc", "eq", "x"))
    denies = rule("denies", stated("tia", "ne", "no"), effect="permit", opens=True)
    opens = rule("opens", stated("module", "eq", "1"), effect="permit", opens=True)
    bundle = replace(law(), rules=(closes, denies, opens), releases=())
    weigh = route_of("DE", crossing(), bundle, DAY).weigh
    assert (weigh("doc", "x"), weigh("doc", "y"), weigh("doc", None)) == (AGAINST, FOR, FOR)
    assert (weigh("tia", "no"), weigh("tia", "present")) == (WANTING, FOR)
    assert (weigh("module", "2"), weigh("module", "1")) == (WANTING, FOR)
    assert weigh("ciio", "yes") == FOR, "no rule looks at it"


def test_a_supporting_kind_is_found_by_the_fact_that_it_states() -> None:
    assert law().supports["tia"] == "tia"
    for fact, kind in law().supports.items():
        assert (law().mechanisms[kind].supports or "").partition("=")[0] == fact
