"""From global models to every region's own: who is asked for what, and what is said of those who fail."""

from __future__ import annotations

import json
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.hub.finishing import RunOutputs, finish, order_synthetic, receive_synthetic, train_regions
from fedsov.hub.planning.plan_values import Plan, RegionPlan
from fedsov.hub.region_queries import planned
from fedsov.hub.run import SECOND_PROCESS
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
