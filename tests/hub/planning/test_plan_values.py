"""The values of a plan: what a rule refuses, what is said of a region and a crossing, and their way through JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fedsov.artifact import Kind
from fedsov.border.decisions import Decision, Permit, Refusal, Review
from fedsov.errors import ConfigurationError
from fedsov.hub.planning.plan_values import Amendment, Plan, PlannedCrossing, Profile, RegionPlan, StrategyRule
from fedsov.label import Label
from fedsov.serialization import from_plain

DAY = date(2026, 11, 25)
DE = Label(frozenset({"DE"}), frozenset({"financial"}))
PERMIT = Permit(("rule",), ("law",), ("log",), ("doc",), "0", ("DE scc",))
REVIEW = Review(("rule",), ("law",), (), (), "a person must look.", "0", id="r1")
REFUSAL = Refusal(("rule",), ("law",), "DE -> US: 'clauses' expired. ", (), "Renew it.", "0")


def crossing(decision: Decision) -> PlannedCrossing:
    return PlannedCrossing("hub", "US", Kind.MODEL, DE, 600, decision)


# ------------------------------------------------------------------ the rule of strategies


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"order": ("gossip",)}, "unknown strategy 'gossip'; choose among federated, transfer_learning, synthetic"),
        ({"order": ("synthetic", "synthetic")}, "each strategy once in the order, got synthetic, synthetic"),
        ({"local_min_rows": -1}, "local_min_rows of 0 or more, got -1"),
        ({"transfer_min_public_rows": -5}, "transfer_min_public_rows of 0 or more, got -5"),
        ({"federated_min_regions": 1}, "2 regions or more"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        StrategyRule(**wrong)


def test_a_rule_may_try_no_strategy_and_ask_for_no_rows() -> None:
    numbers = [name for name in StrategyRule.__slots__ if name not in ("order", "federated_min_regions")]
    rule = StrategyRule(order=(), **dict.fromkeys(numbers, 0))  # type: ignore[arg-type]
    assert rule.order == () and rule.federated_min_rows == rule.local_min_rows == 0


# ------------------------------------------------------------------ a region's profile


@pytest.mark.parametrize(
    ("rows", "shareable_rows", "shareable", "counted"),
    [
        (900, None, 900, "900 rows"),
        (900, 900, 900, "900 rows"),
        (900, 600, 600, "600 shareable of 900 rows"),
        (900, 0, 0, "0 shareable of 900 rows"),
    ],
)
def test_rows_that_no_restriction_binds_may_leave(
    rows: int, shareable_rows: int | None, shareable: int, counted: str
) -> None:
    profile = Profile("DE", rows, 0, DE, 2, shareable_rows)
    assert (profile.shareable, profile.counted()) == (shareable, counted)
    assert replace(profile, rows=None, shareable_rows=None).shareable == 0


# ------------------------------------------------------------------ crossings and amendments


def test_a_review_is_not_permission() -> None:
    assert [crossing(decision).permitted for decision in (PERMIT, REVIEW, REFUSAL)] == [True, False, False]


def test_what_stands_in_the_way_is_the_missing_documents_or_else_the_reason() -> None:
    papers = crossing(replace(REFUSAL, missing=("clauses", "an assessment")))
    assert papers.why().startswith("model hub -> US ") and papers.why().endswith(": missing clauses; an assessment")
    assert crossing(REFUSAL).why().endswith(": DE -> US: 'clauses' expired")
    assert crossing(REVIEW).why().endswith(": a person must look")


def test_an_amendment_says_who_when_and_why() -> None:
    left = Amendment("US", 4, DAY, True, "its paper expired.", crossing(REFUSAL))
    assert left.sentence() == "US left the federation before round 4 (2026-11-25): its paper expired."
    back = Amendment("US", None, DAY, False, "all is well.")
    assert back.sentence().startswith("US came back to the federation before the global model was handed out (")


@pytest.mark.parametrize("left", [True, False])
def test_an_amendment_is_written_with_its_change_and_read_by_it_where_nothing_else_says_it(left: bool) -> None:
    amendment = Amendment("US", 4, DAY, left, "why", crossing(REFUSAL) if left else None)
    written = json.loads(json.dumps(amendment.to_json()))
    assert written["change"] == ("left" if left else "returned") and Amendment.from_json(written) == amendment
    del written["left"]
    assert Amendment.from_json(written) == amendment


# ------------------------------------------------------------------ the plan

PLAN = Plan(
    (
        RegionPlan("DE", 900, "federated", ("It may.",), (crossing(PERMIT),)),
        RegionPlan("US", None, "synthetic", ("It may not.", "It gets rows."), donor="DE", blocked=(crossing(REVIEW),)),
        RegionPlan(
            "FR", 600, "federated", ("It may.",), amendments=(Amendment("FR", 2, DAY, True, "why", crossing(REFUSAL)),)
        ),
    ),
    contributors=("DE", "FR"),
    unsafe=True,
)


def test_a_plan_comes_back_from_json_with_each_kind_of_decision_and_amendment() -> None:
    written = json.loads(json.dumps(PLAN.to_json()))
    assert from_plain(Plan, written) == PLAN
    assert from_plain(Plan, json.loads(json.dumps(Plan(()).to_json()))) == Plan(())


def test_regions_are_found_by_name_and_by_the_strategy_they_follow() -> None:
    assert PLAN.region("US").donor == "DE"
    assert PLAN.following("federated") == ("DE", "FR") and PLAN.following("transfer_learning") == ()
    with pytest.raises(ConfigurationError, match="unknown region 'USA'; did you mean US"):
        PLAN.region("USA")
