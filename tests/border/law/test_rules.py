"""A rule is data that a machine can apply; whoever writes one, a longer label opens nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.artifact import Artifact, Kind
from fedsov.border.decisions import Decision
from fedsov.border.law.rules import Condition, Rule, check
from fedsov.border.questions import regime_of
from fedsov.label import Label
from tests.border.world import (
    CLOSING_CONDITIONS,
    DAY,
    FLOWS,
    OPENING,
    WORDS,
    ask,
    document,
    law,
    openers,
    papers_for,
    party,
    regime_codes,
    regimes_of,
    register,
)

CONFIRMED = replace(law(), confirmed_until=date(2031, 1, 1))
"""The law, taken as known on every day of these tests: past its horizon what a rule opens is a review of its age."""
some = settings(max_examples=100, deadline=None)
HERE = Condition("origin", "word", "eq", "DE", False, "origin eq DE")


def rule(*when: Condition, effect: str = "forbid", **other) -> Rule:
    return Rule("own.rule", effect, when, "A reason.", "A text.", **other)


# ------------------------------------------------------------------ what a rule may be


@pytest.mark.parametrize("operator", ["overlaps", "exceeds", "within", "excludes", "beyond", "present", "missing"])
@pytest.mark.parametrize("field", ["categories", "restrictions"])
def test_an_opener_demands_that_a_label_holds_no_more_and_a_prohibition_finds_that_it_does(field, operator):
    one = Condition(field, "words", operator, "covers" if operator == "beyond" else frozenset({"health"}))
    opening, closing = rule(one, effect="permit", opens=True), rule(one)
    assert (check(opening) is None) is (operator in ("within", "excludes"))
    brakes = ("overlaps", "exceeds", "beyond") if field == "categories" else ("overlaps", "exceeds")
    assert (check(closing) is None) is (operator in brakes)
    assert (check(replace(closing, effect="review")) is None) is (operator in brakes)


def test_a_rule_needs_a_condition_and_a_permit_more_than_low_confidence():
    assert check(rule()) is not None
    assert check(rule(HERE, effect="permit", opens=True, confidence="low")) is not None
    assert check(rule(HERE, effect="permit", opens=True, confidence="medium")) is None
    assert check(rule(HERE, effect="review", opens=True, confidence="low")) is None
    assert check(rule(HERE, opens=True)) is not None


@some
@given(
    st.sampled_from([one for rule in law().rules if rule.opens for one in rule.when]),
    st.frozensets(st.sampled_from(WORDS)),
    st.frozensets(st.sampled_from(WORDS)),
)
def test_no_condition_of_an_opener_is_made_true_by_more_categories_or_restrictions(one, fewer, more):
    for field in ("categories", "restrictions"):
        if one.field == field:
            assert one.test({field: fewer}) or not one.test({field: fewer | more})


@some
@given(
    st.sampled_from(CLOSING_CONDITIONS), st.frozensets(st.sampled_from(WORDS)), st.frozensets(st.sampled_from(WORDS))
)
def test_no_condition_of_a_prohibition_is_made_false_by_more_categories_or_restrictions(one, fewer, more):
    for field in ("categories", "restrictions"):
        if one.field == field:
            covers = {"covers": frozenset({"personal", "health"})}
            assert not one.test({field: fewer, **covers}) or one.test({field: fewer | more, **covers})


def test_every_rule_of_the_law_is_sound():
    assert [one.id for one in (*law().rules, *law().releases) if check(one) is not None] == []


def test_a_rule_is_in_force_on_its_first_and_last_day_and_not_beside():
    first, last = date(2026, 1, 1), date(2026, 12, 31)
    dated = rule(HERE, valid_from=first, valid_until=last)
    day = timedelta(days=1)
    assert [dated.in_force(on) for on in (first - day, first, last, last + day)] == [False, True, True, False]
    assert rule(HERE).in_force(date.min) and rule(HERE).in_force(date.max)


def test_a_rule_speaks_of_the_mechanisms_it_names_and_of_any_where_it_names_none():
    named = {one.id: one.mechanisms() for one in law().rules}
    assert named["eu.scc"] == {"scc_eu"}
    assert named["us.free"] == {"", "us_no_restriction"}
    assert named["floor.attack"] is None
    assert named["cn.important"] is None  # it says which one it does not speak of


def test_a_reason_is_told_with_its_facts_and_says_so_where_one_is_not_stated():
    told = replace(rule(HERE), reason="Signed on {signed} for {categories}.")
    facts = {"signed": date(2026, 1, 2), "categories": frozenset({"b", "a"})}
    assert told.reason_for(facts) == "Signed on 2026-01-02 for a, b."
    assert told.reason_for({}) == "Signed on not stated for not stated."


WORDS_OF_CONDITIONS = [
    (("dpf_listed", "word", "eq", "yes", True, "dpf_listed eq yes"), "dpf_listed = yes"),
    (("doc", "word", "ne", "old", True, "doc ne old"), "doc other than old"),
    (("role", "word", "in", frozenset("abc"), True, "role in a, b, c"), "role = a, b or c"),
    (("role", "word", "in", frozenset("a"), True, "role in a"), "role = a"),
    (("origin", "word", "in", frozenset("abc"), False, "origin in @EEA"), "origin = @EEA"),
    (("role", "word", "not_in", frozenset("ab"), True, "role not in a, b"), "role none of a, b"),
    (("module", "text", "present", None, True, "module present"), "module stated"),
    (("module", "text", "missing", None, True, "module missing"), "module not stated"),
    (("module", "text", "absent", None, True, "module absent"), "module that says there is none"),
    (("count", "number", "at_least", 10, False, "count at least 10"), "count 10 or more"),
    (("count", "number", "at_most", 10, False, "count at most 10"), "count 10 or less"),
    (("count", "number", "above", 10, False, "count above 10"), "count above 10"),
    (("public", "flag", "is", True, False, "public is True"), "public = yes"),
    (("public", "flag", "is", False, False, "public is False"), "public = no"),
    (("signed", "day", "on_or_before_crossing", None, True, "signed on or before crossing"),
     "signed on or before the day of the crossing"),
    (("signed", "day", "older_than", None, True, "signed older than P3Y"), "signed older than P3Y"),
    (("covers", "words", "overlaps", frozenset("a"), True, "covers overlaps a"), "covers with any of a"),
    (("purpose", "word", "outside", "covers_purposes", False, "purpose outside covers_purposes"),
     "purpose outside covers_purposes"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "words"), WORDS_OF_CONDITIONS)
def test_a_condition_says_what_it_asks_for_in_words(parts, words):
    assert Condition(*parts).words == words


def test_every_condition_of_the_law_has_words_without_operators():
    for rule in (*law().rules, *law().releases):
        for condition in rule.when:
            assert condition.words.startswith(condition.field), condition
            assert "_crossing" not in condition.words and " eq " not in condition.words, condition
            assert "frozenset" not in condition.words and "None" not in condition.words, condition


def test_a_rule_shows_itself_in_words():
    shown = next(one for one in law().rules if one.id == "eu.scc").to_json()
    assert shown["effect"] == "permit"
    assert "tia in present, yes" in shown["when"]
    assert shown["valid"] == ["2021-06-27", None]
    assert set(shown) >= {"id", "reason", "cite", "confidence", "obligations", "remedy", "opens"}


# ------------------------------------------------------------------ the rules of the law at work

ROLES = {"C": "controller", "P": "processor"}
ABROAD = ("VU", "US", "FR", "GB", "KR", "JP", "BR", "CA", "IL", "CH", "CN", "HK", "TW", "AR", "UY", "AE-DIFC")


def ask_under(rule: Rule, regime: str, ground: str, on: date, target: str) -> Decision | None:
    """The answer to a crossing made to meet a rule under its own papers; None where it stays home or cannot be met."""
    wanted = {one.field: one for one in rule.when}
    origin = regime_codes(regime)[0]
    if regime_of(origin, law(), on) != regime or regime_of(target, law(), on) == regime:
        return None
    papers = papers_for(rule, ground, on)
    copy = document("storage", "copy", signed=on, terms={"local_copy": "yes"})
    named = wanted["kind"].value if "kind" in wanted and wanted["kind"].operator in ("eq", "in") else "update"
    kind = Kind(named if isinstance(named, str) else "update" if "update" in named else min(named))
    fit = wanted.get("categories")
    words = {min(fit.value)} if fit and fit.operator == "within" and fit.value else {"personal"}
    flow = wanted["flow"].value if "flow" in wanted else "transfer"
    thing = Artifact(kind, Label(frozenset({origin}), frozenset(words)), b"", 60, evidence=papers.evidence)
    source = party("GB" if flow == "onward_transfer" else origin)
    role = next((paper.terms["role"] for paper in papers.documents if "role" in paper.terms), "C->C")
    sender, _, recipient = (ROLES.get(part, "") for part in role.partition("->"))
    here, there = replace(source, role=sender), replace(party(target), role=recipient)
    return ask(thing, here, there, register=register(*papers.documents, copy), bundle=CONFIRMED, on=on, flow=flow)


def days_of(rule: Rule) -> list[date]:
    """The day of the tests where the rule is in force, its last day else, and some day before that."""
    last = min(DAY, rule.valid_until or DAY)
    first = rule.valid_from or last
    return [max(last, first), date(2027, 6, 1), max(first, date(2024, 10, 1))]


def test_every_regime_lets_something_go_abroad_on_some_paper_with_or_without_a_persons_yes():
    silent = set()
    for regime in sorted({one.id for reigns in law().regimes.values() for one in reigns}):
        answers = [
            ask_under(rule, regime, ground, on, target)
            for rule in openers(regime)
            for ground in sorted(rule.mechanisms() or {""})
            for on in days_of(rule)
            for target in ABROAD[:2]
        ]
        if not {one.verdict for one in answers if one is not None} & {"permit", "review"}:
            silent.add(regime)
    assert silent == set()


AT_HOME = {"floor.public", "floor.error_type", "intra_jurisdiction", "ca.home"}
"""Openers that are about staying at home, about nobody, or about a name; they have tests of their own."""


def test_no_rule_that_opens_is_dead_letter():
    """Each opens some crossing under the papers that it asks for, or is the equal of a rule that is named first."""
    dead = {rule.id for rule in OPENING if rule.id not in AT_HOME and not _opens_something(rule)}
    assert dead == set()


def _opens_something(rule: Rule) -> bool:
    for regime in regimes_of(rule):
        for ground in sorted(rule.mechanisms() or {""}):
            for on in days_of(rule):
                for target in ABROAD:
                    answer = ask_under(rule, regime, ground, on, target)
                    if answer is not None and (rule.id in answer.rules or answer.verdict == "permit"):
                        return True
    return False


def test_flows_that_rules_name_are_flows():
    assert {"transfer", "onward_transfer", "broadcast"} <= set(FLOWS)
