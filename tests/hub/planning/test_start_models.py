"""A base model of consenting people's rows: who contributes, for which purpose, and what refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fedsov.artifact import BASE_MODEL, TRAINING, Kind
from fedsov.border.decisions import Permit, Refusal
from fedsov.hub.planning.plan import make_plan
from fedsov.hub.planning.plan_values import Plan, Profile, StrategyRule
from fedsov.label import Label, Scope, join
from fedsov.serialization import from_plain

Judge = Callable[[Kind, Label, str, str, int], Permit | Refusal]
PERMIT = Permit(("rule",), ("law",), (), (), "0")
RULE = StrategyRule(federated_min_rows=500, transfer_min_rows=100, transfer_min_public_rows=100)


def _profile(name: str, rows: int, consented: int, public: int = 0) -> Profile:
    return Profile(name, rows, public, Label(frozenset({name}), frozenset({"personal"})), 2, consented_rows=consented)


WORLD = (_profile("DE", 900, 300), _profile("FR", 800, 200), _profile("US", 700, 90), _profile("IN", 400, 90))


def _border(*refused: tuple[str, str]) -> Judge:
    """A border that refuses what carries one of these origins to one of these targets."""

    def judge(kind: Kind, label: Label, source: str, target: str, count: int) -> Permit | Refusal:
        for origin, importer in refused:
            if origin in label.origins and importer == target:
                return Refusal((), (), "no", (f"consents of {origin}",), "add it", "0")
        return PERMIT

    return judge


def _plan(*refused: tuple[str, str], profiles: tuple[Profile, ...] = WORLD) -> Plan:
    """India has too few rows to federate; these are refused for the purpose of a base model."""
    return make_plan(profiles, RULE, hub="hub", judge=_border(("IN", "DE")), base_judge=_border(*refused))


def test_members_of_the_federation_contribute_and_a_region_outside_begins_with_it() -> None:
    plan = _plan()
    assert plan.following("federated") == ("DE", "FR", "US")
    assert plan.following("transfer_learning") == ("IN",)
    assert plan.contributors == ("DE", "FR", "US") and plan.start_rows == Scope.CONSENTED


def test_the_model_is_bound_by_all_contributors_and_asked_for_its_own_purpose() -> None:
    crossings = _plan().region("IN").crossings
    label = join(profile.label for profile in WORLD[:3])
    (model,) = [each for each in crossings if each.kind is Kind.MODEL and each.target == "IN"]
    assert (model.label, model.count, model.purpose) == (label, 590, BASE_MODEL)
    assert {each.purpose for each in crossings if each.kind in (Kind.MODEL, Kind.UPDATE)} == {BASE_MODEL}
    assert {each.kind for each in crossings if each.source == "IN"} == {Kind.METRICS}


def test_what_a_contributor_received_binds_its_statistics_for_training_too() -> None:
    bound = [each for each in _plan().region("IN").crossings if each.purpose == TRAINING]
    assert {(each.source, each.kind) for each in bound} == {(name, Kind.METRICS) for name in ("DE", "FR", "US")}
    assert all(each.label.origins == {"DE", "FR", "US"} for each in bound)


def test_an_origin_whose_consents_do_not_reach_contributes_nothing() -> None:
    plan = _plan(("DE", "IN"))
    assert plan.contributors == ("FR", "US")
    assert all("DE" not in each.label.origins for each in plan.region("IN").crossings)


def test_where_the_others_rows_are_too_few_the_missing_paper_is_named() -> None:
    plan = _plan(("DE", "IN"), ("FR", "IN"))
    assert plan.region("IN").strategy != "transfer_learning" and plan.contributors == ()
    assert any("base model hub -> IN is refused: missing consents of DE" in why for why in plan.region("IN").reasons)


def test_a_refusal_for_the_purpose_of_training_alone_stops_a_contributor() -> None:
    """FR may not tell its statistics bound by DE: its own law refuses DE's data onward for training."""

    def training(kind: Kind, label: Label, source: str, target: str, count: int) -> Permit | Refusal:
        refused = kind is Kind.METRICS and source == "FR" and "DE" in label.origins
        return Refusal((), (), "no", (), "", "0") if refused else PERMIT

    plan = make_plan(WORLD, RULE, hub="hub", judge=training, base_judge=_border())
    assert plan.contributors == ("DE", "US")


def test_public_rows_come_first_where_they_are_enough() -> None:
    plan = _plan(profiles=(replace(WORLD[0], public_rows=120), *WORLD[1:]))
    assert plan.start_rows == Scope.PUBLIC and plan.contributors == ("DE",)


def test_nobody_outside_a_federation_contributes() -> None:
    few = tuple(replace(profile, rows=400) for profile in WORLD)
    plan = _plan(profiles=few)
    assert plan.contributors == () and not plan.following("transfer_learning")
    assert any("0 public rows in all" in why for why in plan.region("IN").reasons)


def test_a_plan_of_transfer_learning_alone_knows_whose_people_s_rows_could_make_the_model() -> None:
    rule = replace(RULE, order=("transfer_learning",))
    plan = make_plan(WORLD, rule, hub="hub", judge=_border(("IN", "DE")), base_judge=_border())
    assert plan.region("IN").strategy == "transfer_learning" and plan.start_rows == Scope.CONSENTED


def test_without_a_border_for_that_purpose_none_is_planned() -> None:
    plan = make_plan(WORLD, RULE, hub="hub", judge=_border(("IN", "DE")))
    assert plan.contributors == () and not plan.following("transfer_learning")


def test_too_few_rows_of_consenting_people_are_said_with_whose_they_are() -> None:
    few = tuple(replace(profile, consented_rows=20) for profile in WORLD)
    (why,) = [why for why in _plan(profiles=few).region("IN").reasons if why.startswith("Not transfer")]
    assert "0 public rows in all, and 60 whose people consented to a base model (DE, FR, US)" in why


def test_the_plan_survives_being_written_down() -> None:
    plan = _plan()
    assert from_plain(Plan, plan.to_json()) == plan
