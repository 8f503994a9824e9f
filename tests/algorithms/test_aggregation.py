"""What a strategy remembers, out of it and back into another; and what is not known is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from fedsov.algorithms.aggregation import Server, build, restore, state_of
from fedsov.algorithms.catalogue import ALGORITHMS, Algorithm, AlgorithmSpec
from fedsov.errors import TrainingFailed
from fedsov.protocol.flower_messages import flower_process

START = {"w": np.ones((2, 2), np.float32), "b": np.zeros(2, np.float32)}
MOMENTUM = {"fedavgm": {"server_momentum": 0.9}, "fedadam": {"beta_1": 0.9, "beta_2": 0.99}}


@pytest.fixture(autouse=True)
def a_flower_process() -> Iterator[None]:
    """Strategies make messages, which belong to a process of Flower's."""
    with flower_process():
        yield


@pytest.mark.parametrize(
    "name", [name for name, spec in ALGORITHMS.items() if spec.client is None and name != "bulyan"]
)
def test_a_strategy_that_is_reminded_goes_on_as_the_one_that_never_stopped(name: str) -> None:
    algorithm = Algorithm(name, MOMENTUM.get(name, {}))
    rng = np.random.default_rng(0)
    updates = [
        [({key: value + rng.normal(size=value.shape).astype(np.float32) for key, value in START.items()}, 3.0)] * 4
        for _ in range(4)
    ]
    whole, current = Server(algorithm, 4), dict(START)
    for number, several in enumerate(updates, 1):
        if number == 3:
            halves, again = Server(algorithm, 4), current
            restore(halves._strategy, state_of(whole._strategy))
        current = whole.step(number, current, several)
    for number in (3, 4):
        again = halves.step(number, again, updates[number - 1])
    assert all(np.array_equal(again[key], current[key]) for key in START)


def test_a_strategy_that_needs_more_than_updates_hold_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALGORITHMS, "qfedavg", AlgorithmSpec("QFedAvg", {"client_learning_rate": lambda _, rate: rate}))
    algorithm = Algorithm("qfedavg", {"client_learning_rate": 0.1})
    with pytest.raises(TrainingFailed, match=r"^round 3: qfedavg failed: Missing or invalid training loss\. .*$"):
        Server(algorithm, 2).step(3, START, [(START, 3.0)] * 2)


def test_a_strategy_that_makes_no_aggregate_fails_by_name() -> None:
    with pytest.raises(TrainingFailed, match=r"^round 1: bulyan made no aggregate of 1 update$"):
        Server(Algorithm("bulyan", {"num_malicious_nodes": 1}), 2).step(1, START, [(START, 3.0)])


def test_arrays_that_no_checkpoint_holds_are_refused() -> None:
    strategy = build(Algorithm("fedavg"), 2)
    strategy.control = {"w": np.zeros(2)}  # type: ignore[attr-defined]
    with pytest.raises(TrainingFailed, match="keeps control"):
        state_of(strategy)
    with pytest.raises(TrainingFailed, match="does not keep m_t"):
        restore(build(Algorithm("fedavg"), 2), {"m_t/w": np.zeros(2)})
