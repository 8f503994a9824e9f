"""The border's benchmark asks what it says it asks, and says the law to Cedar as we mean it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from fedsov.border.law.rules import Condition
from fedsov.border.law.vocabulary import By, Duration, Term
from tests.border.world import demo_register, law
from tests.world import ROOT

sys.path.insert(0, str(ROOT / "scripts"))  # where `python scripts/benchmark_border.py` finds its modules
cedar, questions, rounds = map(import_module, ("border_cedar", "border_questions", "border_rounds"))


def test_the_mix_is_the_same_every_time_and_holds_permits_reviews_and_refusals() -> None:
    asked = questions.mix(demo_register(), 60)
    assert [one.crossing for one in asked] == [one.crossing for one in questions.mix(demo_register(), 60)]
    sorts = {questions.sort_of(one, one.answer(law())) for one in asked}
    assert sorts >= {"permit of one origin", "permit of 3 origins", "permit of what is public", "refusal", "review"}


@pytest.mark.parametrize(
    ("field", "shape", "operator", "value", "said"),
    [
        ("doc", "word", "eq", "A1.0", '(context has doc && (context.doc == "A1.0"))'),
        ("doc", "word", "not_in", frozenset({"b", "a"}), '(!(context has doc) || !["a", "b"].contains(context.doc))'),
        ("doc", "word", "missing", None, "!(context has doc)"),
        ("public", "flag", "is", True, "(context has public && (context.public == true))"),
        ("count", "number", "above", 1.5, "(context has count && (context.count > 1500000))"),
        ("signed", "day", "before", date(2026, 1, 1), "(context has signed && (context.signed < 739617))"),
        ("covers", "words", "exceeds", frozenset("a"), '(context has covers && (!["a"].containsAll(context.covers)))'),
        (
            "module",
            "word",
            "matches",
            By("role", {"C->P": "2"}),
            '(context has module && context has role && ((context.role == "C->P" && context.module == "2")))',
        ),
        (
            "filed",
            "day",
            "no_later_than",
            Term("signed", Duration(60, "D")),
            "(context has filed && context has signed && (context.filed <= context.signed + 60))",
        ),
        ("filed", "day", "no_later_than", Term("signed", Duration(10, "WD")), None),
        ("tia_date", "day", "older_than", Duration(3, "Y"), None),
        ("delta", "number", "at_least_one_over", "count", None),
        ("licence_no", "word", "present", None, None),
        ("licence_no", "word", "absent", None, None),
        ("request", "word", "stated", None, "(context has request && (true))"),
        ("expires", "day", "present", None, "(context has expires && (true))"),
    ],
)
def test_a_condition_in_cedar_s_words(field: str, shape: str, operator: str, value: Any, said: str | None) -> None:
    assert cedar.condition(Condition(field, shape, operator, value)) == said


def test_only_calendar_years_working_days_products_and_words_for_nothing_are_computed_for_cedar() -> None:
    for one in cedar.beyond_cedar(law().rules).values():
        if one.operator in ("present", "absent"):
            assert one.shape in ("word", "text"), one.notation
            continue
        span = one.value.span if isinstance(one.value, Term) else one.value
        assert one.operator == "at_least_one_over" or span.unit in ("WD", "M", "Y"), one.notation


def test_a_round_lasts_until_the_next_of_the_same_model() -> None:
    def body(second: int, kind: str, name: str, round_number: int | None, verdict: str = "permit") -> dict[str, Any]:
        at = f"2026-11-25T20:00:{second:02}.500+00:00"
        return {"at": at, "kind": kind, "name": name, "round": round_number, "verdict": verdict}

    bodies = [
        body(0, "metrics", "profile", None),
        body(1, "model", "public model", 1),
        body(2, "update", "arrays", 1),
        body(4, "model", "public model", 2),
        body(5, "model", "planned model", 1, "refuse"),
        body(6, "model", "global model", 1),
        body(7, "update", "arrays", 1),
        body(11, "model", "global model", 2),
    ]
    assert rounds.rounds_of(bodies) == [
        rounds.Round("public model", (1, 2), 3.0),
        rounds.Round("global model", (5, 6), 5.0),
    ]


def test_what_a_party_decided_in_a_round_is_measured_as_one_transaction() -> None:
    entries = [
        ("hub", 1),
        ("hub", 1),
        ("DE", 1),
        ("US", 1),
        ("DE", 1),
        ("US", 1),
        ("hub", 2),
        ("DE", None),
        ("DE", None),
    ]
    bodies = [{"exporter": {"name": name}, "round": round_number} for name, round_number in entries]
    assert rounds.together(bodies) == [[0, 1], [2, 4], [3, 5], [6], [7], [8]]


class Refuser:
    """Stands in for cedarpy, which only scripts/benchmark installs: it reads every policy, and allows nothing."""

    class PolicySet:
        from_str = staticmethod(str)

    class Entities:
        from_json_str = staticmethod(str)

    @staticmethod
    def is_authorized_batch(requests: Sequence[Any], policies: str, entities: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(allowed=False, diagnostics=SimpleNamespace(errors=[])) for _ in requests]


def test_every_permit_that_cedar_would_not_give_is_reported() -> None:
    asked = questions.mix(demo_register(), 0)
    found = cedar.differences(cedar.cedar_for(Refuser, asked, law()), asked, law())
    assert len(found) == sum(one.answer(law()).verdict == "permit" for one in asked) > 0


def test_each_rule_that_bears_on_a_permit_is_one_policy() -> None:
    made = cedar.cedar_for(Refuser, questions.mix(demo_register(), 0), law())
    permits = [rule for rule in law().rules if rule.effect == "permit"]
    stopping = [rule for rule in law().rules if not rule.opens and rule.effect != "oblige"]
    assert made.policies.count("\npermit (") == len(permits) and made.policies.count("\nforbid (") == len(stopping)
    assert all(f'@id("{rule.id}")' in made.policies for rule in (*permits, *stopping))
