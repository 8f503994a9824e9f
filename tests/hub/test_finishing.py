"""From global models to every region's own: who is asked for what, and what is said of those who fail."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.hub.finishing import RunOutputs, finish, order_synthetic, receive_synthetic, train_regions
from fedsov.hub.planning.plan_values import Plan, Profile, RegionPlan
from fedsov.hub.region_queries import planned
from fedsov.hub.run import SECOND_PROCESS, HubRun
from fedsov.label import Label, Scope
from fedsov.protocol import SEALED_ROWS
from fedsov.protocol.flower_messages import DECISION_ROUND, config_of, parameters_of
from tests.hub.world import Reply, World, connected, result, text


def _plan(**strategies: str) -> Plan:
    regions = [
        RegionPlan(name, 600, strategy, ("why",), donor="DE" if strategy == "synthetic" else None)
        for name, strategy in strategies.items()
    ]
    return Plan(tuple(regions))


def test_a_donor_makes_rows_for_all_recipients_in_a_second_process_of_its_own(tmp_path: Path) -> None:
    world = World(tmp_path, {"query.synthesise": lambda name, _: None})
    with connected(world) as run:
        waiting = order_synthetic(run, _plan(DE="federated", FR="synthetic", US="synthetic").regions)
        order_synthetic(run, _plan(FR="synthetic").regions)
    assert list(waiting.values()) == [["FR", "US"]]
    assert [(start.second_process, dict(start.nodes)) for start in world.starts] == [
        (False, {"DE": 2, "FR": 3, "US": 4}),
        (True, {"DE": 2 + SECOND_PROCESS}),
    ]
    first, _ = world.kinds("query.synthesise")
    assert json.loads(str(config_of(first)["recipients"])) == ["FR", "US"]


def test_sealed_rows_reach_their_recipients_and_who_gets_none_is_told_why(tmp_path: Path) -> None:
    def sealed(name: str, message: Message) -> Reply:
        return RecordDict({SEALED_ROWS: ConfigRecord({"FR": b"sealed for FR"})})

    world, outputs = World(tmp_path, {"query.synthesise": sealed}), RunOutputs()
    with connected(world) as run:
        plan = _plan(DE="local", FR="synthetic", US="synthetic")
        receive_synthetic(run, order_synthetic(run, plan.regions), outputs)
        finish(run, plan, ["FR", "US"], outputs)
    assert outputs.parcels == {"FR": b"sealed for FR"}
    assert "refused to send synthetic rows" in outputs.failures["US"]
    strategies = {
        message.metadata.dst_node_id: config_of(message)["strategy"] for message in world.kinds("query.finish")
    }
    assert strategies == {3: "synthetic", 4: "local"}
    (to_france,) = [message for message in world.kinds("query.finish") if message.metadata.dst_node_id == 3]
    assert dict(to_france.content.config_records[SEALED_ROWS]) == {"FR": b"sealed for FR"}


def test_a_donor_that_fails_leaves_its_recipients_without_rows_by_its_error(tmp_path: Path) -> None:
    world, outputs = World(tmp_path, {"query.synthesise": lambda name, _: "SyntheticRefused"}), RunOutputs()
    with connected(world) as run:
        receive_synthetic(run, order_synthetic(run, _plan(FR="synthetic").regions), outputs)
    assert outputs.failures == {"FR": "no synthetic rows came (SyntheticRefused)"}


def test_members_get_the_global_model_and_every_result_is_noted(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world) as run:
        plan, profiles = planned(run)
        outputs, after = train_regions(run, plan, profiles)
    assert after == plan and outputs.global_model is not None and outputs.global_model.learned == 2
    assert outputs.results == {name: result(score=0.75) for name in ("DE", "FR", "US")}
    for message in world.kinds("query.finish"):
        config = config_of(message)
        assert (config["strategy"], config["rounds"], config[DECISION_ROUND]) == ("federated", 2, 3)
        assert set(parameters_of(message)) == set(outputs.global_model.parameters)


def test_a_region_that_fails_to_finish_is_told_apart_from_one_that_keeps_its_scores(tmp_path: Path) -> None:
    answer = lambda name, _: "KeyUnavailable" if name == "FR" else text("metrics", result(selected="local"))  # noqa: E731
    outputs = RunOutputs()
    with connected(World(tmp_path, {"query.finish": answer})) as run:
        finish(run, _plan(DE="local", FR="local"), ["DE", "FR"], outputs)
    assert outputs.results == {"DE": result(selected="local")} and outputs.withheld == []
    assert "region FR: its keyring" in outputs.failures["FR"]


def _from_base_model(run: HubRun) -> tuple[RunOutputs, Plan]:
    """Germany's consenting people train a base model, with which the region US is to begin."""
    plan = replace(
        _plan(DE="local", FR="none", US="transfer_learning"), contributors=("DE",), start_rows=Scope.CONSENTED
    )
    profiles = [
        Profile(name, 600, 0, Label(frozenset({name}), frozenset({"personal"})), 2, consented_rows=300)
        for name in ("DE", "FR", "US")
    ]
    return train_regions(run, plan, profiles)


def test_a_base_model_is_trained_on_consented_rows_and_begun_with_for_its_own_purpose(tmp_path: Path) -> None:
    world = World(tmp_path)
    with connected(world) as run:
        outputs, after = _from_base_model(run)
        bodies = [entry.body for entry in run.gate.ledger.entries() if entry.body["act"] == "cross"]
    assert {config_of(message)["scope"] for message in world.kinds("train")} == {"consented"}
    assert outputs.public is None and outputs.base is not None and outputs.base.label.origins == {"DE"}
    assert after.region("US").strategy == "transfer_learning" and outputs.failures == {}
    assert {(body["purpose"], body["name"]) for body in bodies} == {("base_model", "base model")}


def test_where_the_base_model_may_no_longer_go_the_region_trains_alone_and_is_told_why(tmp_path: Path) -> None:
    world, lines = World(tmp_path), list[str]()
    with connected(world, "border=none", lines=lines) as run:
        outputs, after = _from_base_model(run)
        (refused,) = [entry.body for entry in run.gate.ledger.entries() if entry.body.get("verdict") == "refuse"]
    assert (refused["purpose"], refused["kind"], refused["importer"]["name"]) == ("base_model", "model", "US")
    assert outputs.base is not None and outputs.failures == {}
    assert after.region("US").strategy == "local" and "DE -> US" in after.region("US").reasons[-1]
    (to_us,) = [message for message in world.kinds("query.finish") if message.metadata.dst_node_id == 4]
    assert config_of(to_us)["strategy"] == "local" and not to_us.content.array_records
    assert any(
        line.startswith("plan amended: US trains alone: The base model may no longer go to it") for line in lines
    )


def test_where_no_base_model_came_about_the_others_go_on(tmp_path: Path) -> None:
    world, lines = World(tmp_path, {"train": lambda name, _: "StoreDamaged"}), list[str]()
    with connected(world, lines=lines) as run:
        outputs, after = _from_base_model(run)
    assert outputs.base is None and after.region("US").strategy == "local"
    assert set(outputs.results) == {"DE", "US"}
    assert any(line.startswith("base model of consented rows: round 1: 0 of at least 1 regions") for line in lines)
