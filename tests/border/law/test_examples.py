"""Each rule of the shipped law decides an example: a line of examples.csv that bears its id, or a crossing below.

A line is a case as `fedsov border check` reads it (`fedsov.border.case_table`); the flow "release" asks whether the
label may be let go on the strength of a document of the kind that stands under `mechanism`. Where the law no longer
counts as known on the day of an example, it is taken as confirmed, but for the rules about that very thing.
A case of kinds.csv may name the one `rule` that decides it; the case NAMEb is the same but for what that rule asks.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from fedsov.artifact import Kind
from fedsov.border.case_table import (
    PAYLOADS,
    STRICTNESS,
    Case,
    CaseEvidence,
    answer,
    crossing_of,
    read_cases,
    read_facts,
)
from fedsov.border.decisions import Decision
from fedsov.border.evidence.claims import Claim, Question
from fedsov.border.law.bundle import Bundle
from fedsov.border.policy import decide_release
from fedsov.label import PUBLIC, Label
from tests.border.world import artifact, ask, law, of

EXAMPLES = Path(__file__).with_name("examples.csv")
KINDS = Path(__file__).with_name("kinds.csv")
DOCUMENT = "its-document"


@dataclass(frozen=True)
class Released:
    """What a case states, as a register would whose one document is the ground."""

    stated: CaseEvidence

    def claims(self, question: Question) -> tuple[Claim, ...]:
        grounds = {DOCUMENT: frozenset({"mechanism"})}
        return tuple(replace(claim, documents=grounds) for claim in self.stated.claims(question))

    def knows(self, document_id: str) -> bool:
        return True

    def absent(self, kinds: Sequence[str]) -> str:
        return self.stated.absent(kinds)

    def contents(self, ids: Iterable[str]) -> dict[str, dict[str, str]]:
        return {}

    def approval(self, review: str, on: date) -> str | None:
        return None


def decided(case: Case) -> Decision:
    """The answer to an example, a release where its flow says so."""
    bundle = law() if case.id.endswith(".horizon") else confirmed()
    if case.flow != "release":
        return answer(case, bundle)
    on, stated = date.fromisoformat(case.date), read_facts(case.facts, bundle)
    crossing = crossing_of(replace(case, flow="transfer"), PAYLOADS[case.payload], on, stated)
    evidence = Released(CaseEvidence(case, stated, bundle))
    return decide_release(crossing, DOCUMENT, bundle=bundle, evidence=evidence, at=on)


@cache
def confirmed() -> Bundle:
    return replace(law(), confirmed_until=date(2031, 1, 1))


@cache
def examples() -> dict[str, tuple[Case, Decision]]:
    """By the id of the rule: the case of its line and the answer to it."""
    cases = read_cases(EXAMPLES.read_bytes(), EXAMPLES.name)
    assert len({case.id for case in cases}) == len(cases)
    return {case.id: (case, decided(case)) for case in cases}


def by_hand() -> dict[str, Decision]:
    """Examples of what no line can say: nothing personal, an error, a restriction, evidence that nobody holds."""
    people = Label(frozenset({"DE"}), frozenset({"health"}))
    restricted = replace(people, restrictions=frozenset({"research only"}))
    rows = artifact(Kind.RECORDS, "DE")
    return {
        "floor.public": ask(replace(rows, label=PUBLIC), "DE", "CN"),
        "floor.error_type": ask(replace(rows, kind=Kind.ERROR, content=b"ValueError"), "DE", "CN"),
        "floor.error_text": ask(replace(rows, kind=Kind.ERROR, content=b"no such row: 4711"), "DE", "CN"),
        "floor.restriction": ask(replace(rows, label=restricted), "DE", "FR"),
        "floor.unknown_evidence": ask(of(Kind.MODEL, "DE", "health", evidence=("no-such-paper",)), "DE", "FR"),
    }


def test_each_rule_of_the_shipped_law_decides_an_example():
    answers = {name: decision for name, (_, decision) in examples().items()} | by_hand()
    rules = [rule.id for rule in (*law().rules, *law().releases)]
    without = [name for name in rules if name not in answers]
    assert without == [], f"rules without an example in {EXAMPLES.name}: {', '.join(without)}"
    silent = {name: answers[name].rules for name in rules if name not in answers[name].rules}
    assert silent == {}, "examples that other rules decide"


def test_each_example_is_of_a_rule_and_answered_as_it_says():
    rules = {rule.id for rule in (*law().rules, *law().releases)}
    assert sorted(set(examples()) - rules) == [], "examples of rules that are no more"
    wrong = {
        name: decision.verdict for name, (case, decision) in examples().items() if decision.verdict != case.expected
    }
    assert wrong == {}


def test_cases_of_each_kind_that_was_once_answered_wrongly_are_answered_as_the_law_says():
    """The American bulk rule (H3), China (H5), sector and state law (H6), too strict answers (H9), regimes (H10).

    Others by kind (S1 the exporter's law, S2 consent, S7 time, S10 regimes), at bounds and of exceptions (T), and of
    papers that are changed, late, pending or not there (U, V); of counts, brokers, zones, clauses before their day (W).
    """
    cases = read_cases(KINDS.read_bytes(), KINDS.name)
    wrong = {case.id: got.verdict for case in cases if (got := answer(case, law())).verdict != case.expected}
    assert wrong == {}
    assert len(cases) > 250


def test_a_case_that_names_a_rule_is_decided_by_it_alone():
    with KINDS.open(newline="") as lines:
        named = {line["case_id"]: line["rule"] for line in csv.DictReader(lines) if line["rule"]}
    cases = {case.id: case for case in read_cases(KINDS.read_bytes(), KINDS.name)}
    assert len(named) > 100
    for name, rule in named.items():
        case, own = cases[name], next(each for each in law().rules if each.id == rule)
        without = replace(law(), rules=tuple(each for each in law().rules if each is not own))
        there, gone = (STRICTNESS.index(answer(case, bundle).verdict) for bundle in (law(), without))
        assert there < gone if own.opens else there > gone, name
        assert case.expected != "refuse" or answer(case, law()).rules == (rule,), name


def test_what_a_case_is_not_permitted_for_is_all_that_its_twin_lacks():
    cases = {case.id: case for case in read_cases(KINDS.read_bytes(), KINDS.name)}
    twins = {name: f"{name}b" for name in cases if f"{name}b" in cases}
    assert len(twins) > 80
    for name, twin in twins.items():
        one, other = cases[name], cases[twin]
        assert replace(one, id="", facts="") == replace(other, id="", facts="")
        assert STRICTNESS.index(other.expected) < STRICTNESS.index(one.expected), name


@cache
def permitted() -> dict[str, list[Case]]:
    """Cases that the law permits, by the ground that they name."""
    found: dict[str, list[Case]] = {}
    for path in (EXAMPLES, KINDS):
        for case in read_cases(path.read_bytes(), path.name):
            if case.expected == "permit" and case.flow == "transfer":
                found.setdefault(case.mechanism, []).append(case)
    return found


PAPERS = sorted(
    name
    for name, ground in law().mechanisms.items()
    if name in permitted() and not ground.standing and not ground.statement
)
"""Grounds that rest on a paper of the recipient's or about it, with a case that they carry."""


@pytest.mark.parametrize("ground", PAPERS)
def test_no_ground_carries_onward_what_its_next_recipient_is_not_bound_for(ground):
    for case in permitted()[ground]:
        facts = ";".join(fact for fact in case.facts.split(";") if not fact.startswith("onward_terms="))
        onward = replace(case, flow="onward_transfer", facts=f"{facts};onward_terms=no")
        assert answer(onward, confirmed()).verdict != "permit", case.id


def test_the_grounds_that_rest_on_papers_are_nearly_all_shown():
    assert len(PAPERS) > 25 and {"scc_br", "cbpr", "certification", "code_of_conduct", "us_licence"} <= set(PAPERS)


OPEN_WORDS = sorted(
    name
    for name, fact in law().facts.items()
    if fact.claimed and fact.shape == "word" and not fact.values and not fact.of_artifact
    if not any(
        one.field == name and one.operator == "present" for rule in law().rules if rule.opens for one in rule.when
    )
)


@pytest.mark.parametrize("fact", OPEN_WORDS)
def test_a_word_that_no_list_of_the_law_holds_opens_nothing(fact):
    for case in read_cases(EXAMPLES.read_bytes(), EXAMPLES.name):
        if case.expected != "permit" and case.flow != "release" and fact not in read_facts(case.facts, law()).facts:
            said = replace(case, facts=f"{case.facts};{fact}=zzz".strip(";"))
            got = STRICTNESS.index(answer(said, confirmed()).verdict)
            assert got >= STRICTNESS.index(answer(case, confirmed()).verdict), case.id


@pytest.mark.parametrize("name", ["release.assessed", "release.assessed_rows"])
def test_no_label_is_let_go_on_an_assessment_of_a_later_day(name):
    case, _ = examples()[name]
    for day, verdict in (("2026-11-29", "permit"), ("2026-11-30", "refuse")):
        dated = decided(replace(case, facts=f"{case.facts};assessment_date={day}"))
        assert (case.date, dated.verdict) == ("2026-11-29", verdict)


@pytest.mark.parametrize("name", ["release.assessed", "release.assessed_rows"])
@pytest.mark.parametrize("stated", ["method=x1", "assessor=x1"])
@pytest.mark.parametrize("word", ["none", "missing", "pending", "Not yet named", "tbd", ""])
def test_no_label_is_let_go_on_an_assessment_by_nobody_or_without_a_method(name, stated, word):
    case, decision = examples()[name]
    assert decision.verdict == "permit" and stated in case.facts
    fact = stated.partition("=")[0]
    assert decided(replace(case, facts=case.facts.replace(stated, f"{fact}={word}"))).verdict == "refuse"


@pytest.mark.parametrize("name", ["release.assessed", "release.assessed_rows"])
def test_no_label_is_let_go_on_an_assessment_that_is_still_to_come(name):
    case, decision = examples()[name]
    later = decided(replace(case, facts=f"{case.facts};assessment_date=2027-05-01"))
    assert (decision.verdict, later.verdict) == ("permit", "refuse") and "paper.assessed_later" in later.rules
