"""Rounds over a grid: a region that fails is left out and told, too few is a failure, never an empty success."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Context, Error, Message, MetricRecord, RecordDict

from fedsov.algorithms.aggregation import build
from fedsov.algorithms.catalogue import ALGORITHMS, Algorithm, AlgorithmSpec
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.artifact import Party
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.hub.gated_grid import GatedGrid
from fedsov.hub.inbox import Inbox
from fedsov.hub.server_app import RoundSettings, TrainingOutput, each_by_itself, server_app
from fedsov.label import PUBLIC, Label
from fedsov.model.network import NetworkSpec
from fedsov.protocol.flower_messages import identify, new_id
from tests.each_algorithm import EACH_ALGORITHM

START = {"w": np.zeros((2, 2), np.float32)}
Answer = dict[int, "np.ndarray | str | None"]


def _settings(
    algorithm: str | Algorithm = "fedavg", rounds: int = 1, max_update_norm: float = math.inf, **more: Any
) -> RoundSettings:
    chosen = algorithm if isinstance(algorithm, Algorithm) else Algorithm(algorithm)
    training = TrainingSpec(NetworkSpec(), LocalSteps(), chosen, rounds, max_update_norm=max_update_norm)
    return RoundSettings(training, **more)


def _full(value: float) -> np.ndarray:
    return np.full((2, 2), value, np.float32)


class Scripted:
    """Links whose nodes answer with a fixed array, or with the name of an exception, or not at all."""

    def __init__(self, script: Answer, labels: dict[int, Label] | None = None) -> None:
        self.arrived: list[tuple[Message, Label]] = []
        self.script, self.labels, self.heard = script, labels or {}, []
        self.parties = {node: Party(f"region {node}", "DE", "") for node in script}

    def send(self, message: Message, label: Label) -> None:
        node = message.metadata.dst_node_id
        self.heard.append((node, label))
        answer = self.script[node]
        if answer is None:
            return
        if isinstance(answer, str):
            reply = Message(Error(code=1, reason=answer), reply_to=message)
        else:
            content = {"arrays": ArrayRecord({"w": Array(answer)}), "metrics": MetricRecord({"num-examples": node})}
            reply = Message(RecordDict(content), reply_to=message)
        identify(reply, new_id())
        self.arrived.append((reply, self.labels.get(node, PUBLIC) | label))

    def poll(self, seconds: float) -> list[tuple[Message, Label]]:
        arrived, self.arrived = self.arrived, []
        return arrived


class Open:
    """A door that lets everything through and remembers what it was asked."""

    def __init__(self) -> None:
        self.crossed: list = []

    def cross_all(self, leaving, *, round_number=None):
        several = list(leaving)
        self.crossed += [(one.artifact, one.target.name, round_number) for one in several]
        return tuple(one.artifact for one in several)


def _run(
    script: Answer,
    *,
    rounds: int = 1,
    minimum: int = 1,
    labels: dict[int, Label] | None = None,
    algorithm: str | Algorithm = "fedavg",
    out: Mapping[int, Mapping[int, str]] | None = None,
    bound: float = math.inf,
):
    """`out` is, by round, who may not take part in it and why."""
    board, door, outcome = Scripted(script, labels), Open(), TrainingOutput()
    grid = GatedGrid(Inbox(board), script, door)
    round_settings = _settings(algorithm, rounds, bound, minimum=minimum)
    app = server_app(round_settings, START, outcome, examine=lambda number: (out or {}).get(number, {}))
    app(grid, Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={}))
    return outcome, grid, door


def test_the_mean_is_weighted_and_a_failed_region_is_left_out_and_named() -> None:
    outcome, _, _ = _run({2: _full(1.0), 6: _full(5.0), 7: "StoreDamaged"})
    np.testing.assert_allclose(outcome.parameters["w"], _full((2 * 1 + 6 * 5) / 8))
    assert outcome.rounds[0].failed == {7: "StoreDamaged"}


def test_too_few_updates_end_the_training_with_the_reasons() -> None:
    with pytest.raises(TrainingFailed, match="1 of at least 2 regions sent an update .KeyUnavailable"):
        _run({2: _full(1.0), 3: "KeyUnavailable"}, minimum=2)


def test_a_failure_names_the_node_where_it_has_a_name() -> None:
    round_settings = _settings(minimum=2, names={3: "DE"})
    grid = GatedGrid(Inbox(Scripted({2: _full(1.0), 3: "Refused"})), (2, 3), Open())
    with pytest.raises(TrainingFailed, match="1 of at least 2 regions sent an update .DE: Refused: its own gate"):
        server_app(round_settings, START, TrainingOutput())(grid, Context(1, 1, {}, RecordDict(), {}))


def test_a_region_that_does_not_answer_in_time_is_named_too() -> None:
    script: Answer = {2: _full(1.0), 3: None, 4: "Refused"}
    for minimum in (1, 2):
        round_settings = _settings(minimum=minimum, timeout=0.05, names={3: "DE"})
        grid, outcome = GatedGrid(Inbox(Scripted(script)), script, Open()), TrainingOutput()
        run = server_app(round_settings, START, outcome)
        if minimum == 1:
            run(grid, Context(1, 1, {}, RecordDict(), {}))
            assert outcome.rounds[0].failed == {3: "NoAnswerInTime", 4: "Refused"}
            continue
        with pytest.raises(TrainingFailed, match="1 of at least 2 regions sent an update .Refused; DE: NoAnswerInTime"):
            run(grid, Context(1, 1, {}, RecordDict(), {}))


def test_a_training_in_which_every_region_failed_is_no_success() -> None:
    with pytest.raises(TrainingFailed, match="0 of at least 1"):
        _run({2: "ValueError", 3: "ValueError"})


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (_full(np.nan), "its update contains NaN, infinity"),
        (_full(np.inf), "its update contains NaN, infinity"),
        (np.array([[np.inf, -np.inf], [0, 0]], np.float32), "its update contains NaN, infinity"),
        (np.full((2, 2), 1e40), "its update contains NaN, infinity"),  # a number, but none of the model's float32
        (np.ones((3, 2), np.float32), r"its update's array w has shape \(3, 2\) of float32, and the model's"),
        (np.full((2, 2), 1j), r"its update's array w has shape \(2, 2\) of complex128, and the model's"),
        (_full(50.1), "its update has norm 100; at most 100 is accepted"),
    ],
)
def test_an_update_that_cannot_be_averaged_is_refused_and_its_region_named(bad: np.ndarray, why: str) -> None:
    outcome, _, _ = _run({2: _full(1.0), 3: bad, 4: _full(50.0)}, bound=100.0, minimum=2)
    np.testing.assert_allclose(outcome.parameters["w"], _full((2 * 1 + 4 * 50) / 6))
    ((node, said),) = outcome.rounds[0].failed.items()
    assert node == 3 and re.match(why, said) and 3 not in outcome.rounds[0].metrics
    with pytest.raises(TrainingFailed, match=f"1 of at least 2 regions sent an update .*{why}"):
        _run({2: _full(1.0), 3: bad}, bound=100.0, minimum=2)


@pytest.mark.parametrize("rows", [math.nan, math.inf, -10, 0, [3, 4], None])
def test_an_update_of_an_impossible_number_of_rows_is_refused_and_its_region_named(rows: object) -> None:
    def gather(grid, messages, timeout):
        for reply in each_by_itself(grid, messages, timeout):
            if reply.metadata.src_node_id == 3:
                said = MetricRecord({} if rows is None else {"num-examples": rows})  # type: ignore[dict-item]
                reply.content["metrics"] = said
            yield reply

    grid, outcome = GatedGrid(Inbox(Scripted({2: _full(1.0), 3: _full(5.0)})), (2, 3), Open()), TrainingOutput()
    app = server_app(_settings(), START, outcome, gather=gather)
    app(grid, Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={}))
    np.testing.assert_array_equal(outcome.parameters["w"], _full(1.0))
    assert outcome.rounds[0].failed == {3: "its update does not say of how many rows it is made"}


def test_the_global_model_carries_the_join_of_its_updates_labels_into_the_next_round() -> None:
    labels = {2: Label(frozenset({"DE"})), 3: Label(frozenset({"GB"}), frozenset({"health"}))}
    _, grid, door = _run({2: _full(1.0), 3: _full(2.0)}, rounds=2, labels=labels)
    sent = {number: artifact.label for artifact, _, number in door.crossed}
    assert sent[1] == PUBLIC
    assert sent[2] == grid.label == labels[2] | labels[3]


def test_sums_do_not_depend_on_the_order_in_which_answers_come() -> None:
    values = {node: np.random.default_rng(node).normal(size=(2, 2)).astype(np.float32) for node in (2, 3, 4, 5)}
    first, _, _ = _run(values)
    again, _, _ = _run(dict(reversed(values.items())))
    assert np.array_equal(first.parameters["w"], again.parameters["w"])


def test_who_may_not_take_part_in_a_round_is_not_sent_anything_and_may_come_back() -> None:
    outcome, _, door = _run({2: _full(1.0), 3: _full(5.0)}, rounds=3, out={2: {3: "region 3: a clause expired"}})
    asked = [(number, name) for _, name, number in door.crossed]
    assert sorted(asked) == [(1, "region 2"), (1, "region 3"), (2, "region 2"), (3, "region 2"), (3, "region 3")]
    assert [set(seen.metrics) for seen in outcome.rounds] == [{2, 3}, {2}, {2, 3}]
    assert [dict(seen.left_out) for seen in outcome.rounds] == [{}, {3: "region 3: a clause expired"}, {}]
    assert not outcome.rounds[1].failed


def test_the_aggregate_of_a_round_is_of_those_who_took_part() -> None:
    outcome, _, _ = _run({2: _full(1.0), 3: _full(5.0)}, out={1: {3: "out"}})
    np.testing.assert_allclose(outcome.parameters["w"], _full(1.0))


@pytest.mark.parametrize("algorithm", EACH_ALGORITHM)
def test_every_algorithm_goes_on_with_fewer(algorithm: str) -> None:
    nodes = (2, 3, 4, 5)  # Bulyan needs three of them
    outcome, _, _ = _run(
        {node: _full(1.0) for node in nodes}, rounds=3, algorithm=algorithm, out={2: {3: "out"}, 3: {3: "out"}}
    )
    assert [set(seen.metrics) for seen in outcome.rounds] == [{*nodes}, {2, 4, 5}, {2, 4, 5}]
    assert np.isfinite(outcome.parameters["w"]).all()


def test_a_strategy_that_needs_more_than_it_is_given_ends_the_training_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALGORITHMS, "qfedavg", AlgorithmSpec("QFedAvg", {"client_learning_rate": lambda _, rate: rate}))
    algorithm = Algorithm("qfedavg", {"client_learning_rate": 0.1})
    with pytest.raises(TrainingFailed, match=r"^round 1: qfedavg failed: Missing or invalid training loss\. .*$"):
        _run({2: _full(1.0), 3: _full(5.0)}, algorithm=algorithm)
    with pytest.raises(TrainingFailed, match=r"^round 1: bulyan made no aggregate of 2 updates$"):
        _run({2: _full(1.0), 3: _full(5.0)}, algorithm="bulyan")


def test_too_few_who_may_take_part_end_the_training_before_anything_is_sent() -> None:
    out = {2: {3: "region 3: a clause expired", 4: "region 4: a clause expired"}}
    said = "round 2: 1 of at least 2 regions may take part .region 3: a clause expired; region 4: a clause expired"
    with pytest.raises(TrainingFailed, match=said):
        _run({node: _full(1.0) for node in (2, 3, 4)}, rounds=3, minimum=2, out=out)


def test_nobody_left_is_a_failure_even_where_no_minimum_was_asked_for() -> None:
    with pytest.raises(TrainingFailed, match="0 of at least 1"):
        _run({2: _full(1.0)}, out={1: {2: "region 2: a clause expired"}})


def test_too_few_updates_are_told_with_who_was_left_out() -> None:
    with pytest.raises(TrainingFailed, match="KeyUnavailable; left out: region 4: expired"):
        _run({2: _full(1.0), 3: "KeyUnavailable", 4: _full(1.0)}, minimum=2, out={1: {4: "region 4: expired"}})


def test_an_unknown_algorithm_or_option_is_named() -> None:
    with pytest.raises(ConfigurationError, match="magic"):
        Algorithm("magic")
    with pytest.raises(ConfigurationError, match="speed"):
        build(Algorithm("fedavg", {"speed": 3}), 2)
