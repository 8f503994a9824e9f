"""Strategies derived from volume and law."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.artifact import Kind
from fedsov.border.policy import Permit, Refusal, Review
from fedsov.errors import ConfigurationError
from fedsov.label import PUBLIC, Label, join
from fedsov.training.plan import Profile, StrategyRule, make_plan

PERMIT = Permit(("rule",), ("law",), (), (), "0")
REVIEW = Review(("rule",), ("law",), (), (), "a person must look", "0")
ROWS = {"US": 2791, "GB": 1023, "DE": 757, "IN": 538, "CA": 485}
RULE = StrategyRule()


def refusal(origin, target):
    missing = (f"transfer agreement for {origin} -> {target}",)
    return Refusal(("rule",), ("law",), f"{origin} -> {target} needs a paper", missing, "add it", "0")


def profile(name, rows, public=60, classes=2):
    return Profile(name, rows, public, Label(frozenset({name}), frozenset({"financial"})), classes)


def world(**changes):
    return [profile(name, rows) for name, rows in (ROWS | changes).items()]


def judge_with(*forbidden):
    """A border that refuses whatever carries one of these origins to one of these targets."""

    def judge(kind, label, source, target, count):
        del kind, source, count
        for origin, importer in forbidden:
            if origin in label.origins and importer == target:
                return refusal(origin, target)
        return PERMIT

    return judge


def planned(profiles=None, *forbidden, rule=RULE):
    return make_plan(profiles or world(), rule, hub="hub", judge=judge_with(*forbidden))


def strategies(plan):
    return {one.region: one.strategy for one in plan.regions}


def test_one_missing_document_gives_the_demo_all_three_strategies():
    plan = planned(None, ("GB", "IN"))
    assert strategies(plan) == {
        "US": "federated",
        "GB": "federated",
        "DE": "federated",
        "IN": "transfer_learning",
        "CA": "synthetic",
    }
    assert plan.of("CA").donor == "US"
    assert set(plan.contributors) == set(ROWS)
    assert "transfer agreement for GB -> IN" in plan.of("IN").reasons[0]
    assert plan.of("IN").blocked[0].decision.missing == ("transfer agreement for GB -> IN",)
    assert plan.following("federated") == ("US", "GB", "DE")


def test_with_the_document_the_region_joins():
    assert strategies(planned())["IN"] == "federated"


def test_the_joint_models_label_is_the_join_of_the_members_labels():
    plan = planned(None, ("GB", "IN"))
    models = [one for region in plan.regions for one in region.crossings if one.kind == Kind.MODEL]
    joint = [one for one in models if not one.label.is_public]
    assert {one.target for one in joint} == {"US", "GB", "DE"}
    assert all(one.label.origins == {"US", "GB", "DE"} and one.count == 2791 + 1023 + 757 for one in joint)


def test_a_region_whose_update_may_not_leave_is_no_member():
    plan = planned(None, ("DE", "hub"))
    assert strategies(plan)["DE"] == "transfer_learning"
    assert {one.kind for one in plan.of("DE").blocked} == {Kind.METRICS, Kind.UPDATE}


def test_the_smallest_of_those_who_may_not_receive_leaves_first():
    plan = planned(None, ("DE", "US"), ("US", "DE"))
    assert strategies(plan)["DE"] == "transfer_learning"
    assert plan.following("federated") == ("US", "GB", "IN")


def test_whoever_is_no_longer_in_the_way_is_let_back_in():
    plan = planned(None, ("GB", "IN"), ("US", "GB"))
    assert strategies(plan) == {
        "US": "federated",
        "GB": "transfer_learning",
        "DE": "federated",
        "IN": "federated",
        "CA": "synthetic",
    }
    assert plan.of("IN").blocked == ()


def test_one_region_alone_is_no_federation():
    plan = planned([profile("US", 3000), profile("DE", 100)])
    assert strategies(plan) == {"US": "local", "DE": "synthetic"}
    assert "only US could be a member" in plan.of("US").reasons[0]
    assert plan.contributors == ()


def test_review_is_not_permission():
    plan = make_plan(world(), RULE, hub="hub", judge=lambda *_: REVIEW)
    assert set(strategies(plan).values()) == {"local"}
    assert "a person must look" in plan.of("US").reasons[0]


def test_too_few_public_rows_give_no_transfer_learning():
    plan = planned([replace(one, public_rows=39) for one in world()], ("GB", "IN"))
    assert strategies(plan)["IN"] == "synthetic"
    assert "195 public rows" in plan.of("IN").reasons[1]


def test_public_rows_that_may_not_be_sent_do_not_count():
    def judge(kind, label, source, target, count):
        closed = source in ("US", "GB") and kind == Kind.UPDATE and label.is_public
        return refusal(source, target) if closed else judge_with(("GB", "IN"))(kind, label, source, target, count)

    plan = make_plan(world(), replace(RULE, transfer_min_public_rows=180), hub="hub", judge=judge)
    assert strategies(plan)["IN"] == "transfer_learning"
    assert plan.contributors == ("DE", "IN", "CA")


def test_the_donor_is_the_largest_whose_rows_may_come():
    plan = planned(None, ("US", "CA"))
    assert plan.of("CA").donor == "GB"
    assert [one.source for one in plan.of("CA").blocked] == ["US"]
    nobody = planned(None, ("US", "CA"), ("GB", "CA"))
    assert strategies(nobody)["CA"] == "local"


@pytest.mark.parametrize(
    ("rows", "classes", "said"),
    [
        (None, 2, "fewer rows than the minimum count"),
        (0, 0, "no rows"),
        (900, 1, "same outcome"),
        (29, 2, "29 rows, and at least 30"),
    ],
)
def test_a_region_that_cannot_learn_is_planned_as_such(rows, classes, said):
    plan = planned([*world(), profile("FR", rows, public=0, classes=classes)], ("GB", "IN"))
    assert strategies(plan)["FR"] == "none"
    assert said in plan.of("FR").reasons[-1]
    assert strategies(plan)["US"] == "federated"


def test_the_order_of_strategies_is_the_rules():
    plan = planned(rule=replace(RULE, order=("synthetic",)))
    assert strategies(plan)["DE"] == "synthetic"
    assert strategies(planned(rule=replace(RULE, order=())))["US"] == "local"


def test_impossible_rules_and_unknown_regions_are_refused():
    with pytest.raises(ConfigurationError, match="'gossip'"):
        StrategyRule(order=("gossip",))
    with pytest.raises(ConfigurationError, match="local_min_rows"):
        StrategyRule(local_min_rows=-1)
    with pytest.raises(ConfigurationError, match="2 regions"):
        StrategyRule(federated_min_regions=1)
    with pytest.raises(ConfigurationError, match="'XX'"):
        planned().of("XX")
    with pytest.raises(ConfigurationError, match="twice"):
        planned([profile("US", 1000), profile("US", 2000)])


def test_the_plan_is_plain_json_and_carries_the_mark_of_an_open_border():
    plan = make_plan(world(), RULE, hub="hub", judge=judge_with(("GB", "IN")), unsafe=True)
    said = json.loads(json.dumps(plan.to_json()))
    assert said["unsafe"] is True
    assert said["regions"][3]["blocked"][0]["decision"]["verdict"] == "refuse"


NAMES = ("A", "B", "C", "D", "E")
PROFILES = st.lists(st.sampled_from([None, 0, 40, 600, 700, 1500]), min_size=5, max_size=5)
FORBIDDEN = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from((*NAMES, "hub"))), max_size=12)


@settings(max_examples=200, deadline=None)
@given(PROFILES, FORBIDDEN)
def test_whatever_is_planned_is_permitted_and_no_lawful_member_is_left_out(rows, forbidden):
    profiles = [profile(name, size) for name, size in zip(NAMES, rows, strict=True)]
    judge = judge_with(*forbidden)
    plan = make_plan(profiles, RULE, hub="hub", judge=judge)
    assert plan == make_plan(profiles, RULE, hub="hub", judge=judge)
    assert all(one.permitted for region in plan.regions for one in region.crossings)
    assert all(not one.permitted for region in plan.regions for one in region.blocked)
    assert all(region.reasons for region in plan.regions)
    members = [one for one in profiles if one.region in plan.following("federated")]
    assert len(members) != 1
    label = join(one.label for one in members)
    for outsider in profiles:
        if members and outsider not in members and (outsider.rows or 0) >= RULE.federated_min_rows:
            wider = label | outsider.label
            targets = [one.region for one in members] + [outsider.region]
            update = judge(Kind.UPDATE, outsider.label, outsider.region, "hub", 1)
            models = [judge(Kind.MODEL, wider, "hub", target, 1) for target in targets]
            assert any(decision.verdict != "permit" for decision in (update, *models))


def test_a_public_model_binds_nobody():
    plan = planned(None, ("GB", "IN"))
    assert [one.label for one in plan.of("IN").crossings] == [PUBLIC] * 3


def test_planning_imports_no_framework():
    program = (
        "import sys, fedsov.training.plan\n"
        "print(sorted({'torch', 'numpy', 'flwr', 'pandas', 'pyarrow', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
