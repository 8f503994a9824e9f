"""What becomes of a plan whose permissions change during training."""

from datetime import date

from fedsov.artifact import Kind
from fedsov.border.decisions import Permit, Refusal, Review
from fedsov.hub.planning.amendments import Amendment, amended, fallback, needed, why_refused
from fedsov.hub.planning.plan import make_plan
from fedsov.hub.planning.plan_values import PlannedCrossing, Profile, StrategyRule
from fedsov.label import Label, join
from fedsov.serialization import to_plain

DAY = date(2026, 11, 25)
PERMIT = Permit(("rule",), ("law",), (), (), "0")
REFUSAL = Refusal(("rule",), ("law",), "DE -> US: 'clauses' expired on 2026-11-24.", ("clauses",), "Renew it.", "0")
PROFILES = [
    Profile(name, 2000, 60, Label(frozenset({name}), frozenset({"financial"})), 2) for name in ("DE", "GB", "US")
]
LABEL = join(profile.label for profile in PROFILES)
RULE = StrategyRule()


def judge(kind, label, source, target, count):
    return REFUSAL if "DE" in label.origins and target == "US" else PERMIT


def open_border(kind, label, source, target, count):
    return PERMIT


def left(number=4):
    crossing = PlannedCrossing("hub", "US", Kind.MODEL, LABEL, 6000, REFUSAL)
    return Amendment("US", number, DAY, True, why_refused(crossing), crossing)


def plans():
    before = make_plan(PROFILES, RULE, hub="hub", judge=open_border)
    instead = make_plan(PROFILES, fallback(RULE, start_model=False), hub="hub", judge=judge)
    return before, instead


def test_a_round_needs_the_model_out_and_scores_and_update_back_bound_by_the_model():
    model, metrics, update = needed(PROFILES[2], LABEL, people=6000, hub="hub", judge=judge)
    assert (model.kind, model.source, model.target, model.count) == (Kind.MODEL, "hub", "US", 6000)
    assert not model.permitted and metrics.permitted and update.permitted
    assert (update.kind, update.source, update.target, update.count) == (Kind.UPDATE, "US", "hub", 2000)
    assert metrics.label == update.label == LABEL


def test_a_member_that_left_follows_what_is_left_for_it_and_the_others_go_on():
    before, instead = plans()
    plan = amended(before, [left()], out={"US"}, instead=instead)
    assert {one.region: one.strategy for one in plan.regions} == {
        "DE": "federated",
        "GB": "federated",
        "US": "synthetic",
    }
    us = plan.region("US")
    assert us.donor == "GB" and us.reasons[0] == us.amendments[0].sentence() and us.blocked[0].decision == REFUSAL
    assert plan.region("DE") == before.region("DE")


def test_a_member_that_came_back_keeps_its_strategy_and_its_history():
    before, instead = plans()
    history = [left(), Amendment("US", 5, DAY, False, "all its crossings are permitted again.")]
    us = amended(before, history, out=(), instead=instead).region("US")
    assert us.strategy == "federated" and us.reasons == before.region("US").reasons
    assert [one["change"] for one in to_plain(us)["amendments"]] == ["left", "returned"]
    assert "US came back to the federation before round 5 (2026-11-25)" in us.amendments[1].sentence()


def test_an_amendment_says_when_why_and_what_would_mend_it():
    said = "US left the federation before round 4 (2026-11-25): DE -> US: 'clauses' expired on 2026-11-24. Renew it."
    assert left().sentence() == said
    assert "before the global model was handed out" in left(None).sentence()


def test_an_amendment_names_the_lapsed_document_where_the_border_names_another():
    crossing = PlannedCrossing("hub", "US", Kind.MODEL, LABEL, 1, REFUSAL)
    said = (
        "DE -> US: 'clauses' expired on 2026-11-24. It was permitted until now: 'tia' expired on 2026-11-24. Renew it."
    )
    assert why_refused(crossing, ["'clauses' expired on 2026-11-24.", "'tia' expired on 2026-11-24."]) == said


def test_a_review_says_that_it_waits_for_one():
    review = Review(("rule",), ("law",), (), (), "DE -> US: a person must look.", "0")
    why = why_refused(PlannedCrossing("hub", "US", Kind.MODEL, LABEL, 1, review))
    assert why.startswith("model hub -> US waits: DE -> US: a person must look. Have a responsible person")


def test_what_follows_is_never_federated_nor_a_start_model_that_was_not_trained():
    assert fallback(RULE, start_model=True).order == ("transfer_learning", "synthetic")
    assert fallback(RULE, start_model=False).order == ("synthetic",)
