"""What a person reads in an explanation is what guards a run: the plain evaluator and the fast one are one."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings

from fedsov.artifact import Crossing, Kind
from fedsov.border.explain import OriginTrace, explain, traces
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.border.policy import weigh
from fedsov.border.questions import asked_origins, claimed, crossing_facts, question, route_of
from tests.border.world import (
    DAY,
    EMPTY,
    STRICTNESS,
    artifact,
    askings,
    closers,
    demo_register,
    document,
    law,
    of,
    party,
    register,
    with_rules,
)

some = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def plain(asking, bundle=None) -> tuple[OriginTrace, ...]:
    return traces(asking.crossing, bundle or law(), register(*asking.documents), asking.crossing.on)


@some
@given(askings())
def test_the_fast_answer_is_the_strictest_origin_of_the_plain_evaluation_and_names_the_same_rules(asking):
    answer, origins = asking.answer(), plain(asking)
    verdict = max((one.verdict for one in origins), key=STRICTNESS.__getitem__)
    assert answer.verdict == verdict
    alike = [named_by(one) for one in origins if one.verdict == verdict]
    if None not in alike:
        assert answer.rules == tuple(dict.fromkeys(rule_id for ids in alike for rule_id in ids))


def named_by(one: OriginTrace) -> tuple[str, ...] | None:
    """The rules that this origin's answer names; None where it names what would open instead."""
    found = next(claim.weighed for claim in one.claims if claim.weighed.verdict == one.verdict)
    if one.verdict == "permit":
        return (found.opening[0].id, *(rule.id for rule in found.obliging))
    if one.verdict == "review":
        opener = [found.opening[0].id] if found.opening[0].effect == "review" else []
        return (*(rule.id for rule in found.braking), *opener)
    return tuple(rule.id for rule in found.forbidding) or None


@some
@given(askings(), closers())
def test_every_claim_meets_the_very_rules_that_hold_by_their_definition(asking, rule):
    """Also in a bundle with a rule of the tenant's; what nothing opens is not asked about its brakes alone."""
    bundle, crossing, on = with_rules(rule), asking.crossing, asking.crossing.on
    evidence = register(*asking.documents)
    common = crossing_facts(crossing, evidence)
    for origin, traced in zip(asked_origins(crossing, bundle, on), plain(asking, bundle), strict=True):
        route = route_of(origin, crossing, bundle, on)
        claims = evidence.claims(question(route, crossing, bundle))
        assert [one.claim for one in traced.claims] == list(claims)
        for claim, one in zip(claims, traced.claims, strict=True):
            fast = weigh(route.applicable(claim.mechanism), claim, claimed({**route.facts, **common}, claim))
            assert (fast.forbidding, fast.braking, fast.opening) == (
                one.weighed.forbidding,
                one.weighed.braking,
                one.weighed.opening,
            )


@some
@given(askings())
def test_an_explanation_of_any_crossing_is_json_and_shows_every_origin_and_claim(asking):
    told = explain(asking.crossing, law(), register(*asking.documents), asking.crossing.on)
    assert told.decision == asking.answer()
    assert told.verdict == told.decision.verdict
    shown = json.loads(json.dumps(told.to_json()))
    assert [one["origin"] for one in shown["origins"]] == asked_origins(asking.crossing, law(), asking.crossing.on)
    for one, trace in zip(shown["origins"], told.origins, strict=True):
        assert one["verdict"] == trace.verdict
        assert len(one["claims"]) == len(trace.claims) >= 1


def test_an_explanation_shows_the_rules_that_held_and_those_that_came_near_with_what_they_found():
    old = document("scc_eu", "old", terms={"doc": "2010/87", "role": "C->P", "module": "2"})
    crossing = Crossing(artifact(Kind.UPDATE, "DE"), party("DE"), party("US"), "training", DAY)
    told = explain(crossing, law(), register(old), DAY)
    (origin,) = told.origins
    claim = next(one for one in origin.claims if one.claim.mechanism == "scc_eu")
    held = {one.rule.id: one for one in claim.rules}
    assert held["eu.scc.repealed"].holds
    assert not held["eu.scc"].holds
    failed = [(one.field, found) for one, found, holds in held["eu.scc"].conditions if not holds]
    assert failed == [("doc", "2010/87"), ("tia", None)]
    assert (origin.origin, origin.regime, origin.verdict) == ("DE", "EU-GDPR", "refuse")


def test_the_verdict_of_an_explanation_is_the_one_before_any_approval():
    report = document("dp_report", "dp", terms={"eps": 1.0, "delta": 1e-9})
    thing = of(Kind.UPDATE, "DE", "personal", evidence=("dp",))
    told = explain(Crossing(thing, party("DE"), party("US"), "training", DAY), law(), register(report), DAY)
    assert told.verdict == told.decision.verdict == "review"


@pytest.mark.parametrize("origins", [("DE", "GB", "US"), ("IN",), ()])
def test_the_demo_s_global_model_is_explained_for_each_of_its_origins(origins):
    crossing = Crossing(artifact(Kind.MODEL, *origins), party("IE"), party("IN"), "training", DAY, "broadcast")
    told = explain(crossing, law(), demo_register(), DAY)
    assert [one.origin for one in told.origins] == (sorted([*origins, "IE"]) if origins else [""])
    assert told.verdict == told.decision.verdict


def test_the_whole_law_of_a_year_long_past_explains_nothing_but_refusals():
    crossing = Crossing(of(Kind.RECORDS, "DE", "personal"), party("DE"), party("US"), "training", date(1900, 1, 1))
    told = explain(crossing, load_bundle(), EMPTY, date(1900, 1, 1))
    assert told.verdict == "refuse"
    assert told.origins[0].regime == "unknown"
