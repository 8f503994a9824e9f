"""SCAFFOLD and FedNova against plain numpy: the formulas, the hub's strategy with regions, and `federate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from hypothesis import given
from hypothesis import strategies as some

import fedsov
from fedsov.algorithms import fednova, scaffold
from fedsov.algorithms.aggregation import aggregate, build, restore, state_of
from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.client_half import StepCounts, StepsTaken, effective_steps
from fedsov.algorithms.local_steps import LocalSteps, generator, shuffled
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import ConfigurationError
from fedsov.model.network import NetworkSpec
from fedsov.model.parameters import flat
from fedsov.protocol.flower_messages import drift_of, parameters_of, record_of
from fedsov.simulation.federate import FederateOptions as Options
from tests.training.one_client import one_round

SPEC = NetworkSpec()
STEPS = LocalSteps(learning_rate=0.3, momentum=0.0, batch=20, epochs=2, weight_decay=0.0, seed=5)
START = {"0.weight": np.zeros((1, 3), np.float32), "0.bias": np.zeros(1, np.float32)}


def _client(seed: int, rows: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    return X, (X @ np.array([1.0, -1.0, 0.5]) + shift > rng.normal(size=rows)).astype(np.float32)


CLIENTS = [_client(0, 20, 2.0), _client(1, 70, -1.0), _client(2, 50, 0.0)]


def _batches(client: int, round_number: int, steps: LocalSteps) -> list[np.ndarray]:
    """The order of rows of a client's round, as everywhere."""
    return shuffled(len(CLIENTS[client][1]), steps, generator(steps.seed, client, round_number))


def _local(x: np.ndarray, client: int, round_number: int, steps: LocalSteps, drift: np.ndarray) -> np.ndarray:
    """(4,) weights and bias after a logistic regression's steps, in numpy alone."""
    X = np.column_stack([CLIENTS[client][0], np.ones(len(CLIENTS[client][1]))]).astype(np.float64)
    w, v = x.copy(), np.zeros(4)
    for rows in _batches(client, round_number, steps):
        slope = 1.0 / (1.0 + np.exp(-X[rows] @ w)) - CLIENTS[client][1][rows]
        v = steps.momentum * v + X[rows].T @ slope / len(rows) + drift
        w = w - steps.learning_rate * v
    return w


def _length(taken: int, momentum: float) -> float:
    """What the last of `taken` equal gradients and all before it weigh in an update, step by step."""
    speed = far = 0.0
    for _ in range(taken):
        speed = momentum * speed + 1.0
        far += speed
    return far


def _scaffold(rounds: int, steps: LocalSteps, absent: Mapping[int, int]) -> np.ndarray:
    x, c, own = np.zeros(4), np.zeros(4), np.zeros((3, 4))
    for number in range(1, rounds + 1):
        part = [client for client in range(3) if absent.get(number) != client]
        ends = {client: _local(x, client, number, steps, c - own[client]) for client in part}
        turns = np.zeros(4)
        for client, y in ends.items():
            far = _length(len(_batches(client, number, steps)), steps.momentum)
            after = own[client] - c + (x - y) / (far * steps.learning_rate)
            turns += after - own[client]
            own[client] = after
        rows = np.array([len(CLIENTS[client][1]) for client in part])
        x = np.average([ends[client] for client in part], axis=0, weights=rows)
        c = c + turns / 3
    return x


def _fednova(rounds: int, steps: LocalSteps, absent: Mapping[int, int]) -> np.ndarray:
    x = np.zeros(4)
    for number in range(1, rounds + 1):
        part = [client for client in range(3) if absent.get(number) != client]
        far = np.array([_length(len(_batches(client, number, steps)), steps.momentum) for client in part])
        rows = np.array([len(CLIENTS[client][1]) for client in part], dtype=float)
        share = rows / rows.sum()
        moved = [_local(x, client, number, steps, np.zeros(4)) - x for client in part]
        x = x + (share @ far) * sum(s * one / a for s, one, a in zip(share, moved, far, strict=True))
    return x


BY_HAND: Mapping[str, Callable[[int, LocalSteps, Mapping[int, int]], np.ndarray]] = {
    "scaffold": _scaffold,
    "fednova": _fednova,
}


@dataclass(frozen=True)
class _Nodes:
    def get_node_ids(self) -> list[int]:
        return [2, 3, 4]


def _counts(steps: LocalSteps) -> Callable[[int], StepCounts]:
    return lambda _: StepCounts(steps.learning_rate, steps.momentum, steps.batch, steps.epochs)


def _run(
    name: str, rounds: int, steps: LocalSteps, absent: Mapping[int, int] = {}, forget: int | None = None
) -> dict[str, np.ndarray]:
    """The strategy of a run and the regions' own function, without what is between them.

    After round `forget` the strategy is made anew from what a checkpoint holds.
    """
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    strategy, current = build(Algorithm(name), 3, _counts(steps)), START
    for number in range(1, rounds + 1):
        asked = list(strategy.configure_train(number, record_of(current), ConfigRecord(), _Nodes()))  # type: ignore[arg-type]
        replies = []
        for message in sorted(asked, key=lambda one: one.metadata.dst_node_id):  # as `accepted_updates` has them
            client = message.metadata.dst_node_id - 2
            if absent.get(number) == client:
                continue
            training, drift = TrainingSpec(SPEC, steps, Algorithm(name), seed=steps.seed), drift_of(message)
            sent, _ = one_round(
                training,
                parameters_of(message),
                {},
                CLIENTS[client],
                number,
                client=client,
                drift=flat(drift, START) if drift else None,
            )
            said = MetricRecord({"num-examples": len(CLIENTS[client][1])})
            replies.append(Message(RecordDict({"arrays": record_of(sent), "metrics": said}), reply_to=message))
        aggregated = aggregate(strategy, Algorithm(name), number, replies, asked)
        assert aggregated is not None
        current = {key: array.numpy() for key, array in aggregated.items()}
        if number == forget:
            kept = state_of(strategy)
            strategy = build(Algorithm(name), 3, _counts(steps))
            restore(strategy, kept)
    return current


def _row(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.append(arrays["0.weight"].ravel(), arrays["0.bias"])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", ["scaffold", "fednova"])
def test_a_run_and_federate_are_as_plain_numpy_has_it(name: str, momentum: float) -> None:
    steps = LocalSteps(0.3 * (1 - momentum), momentum, batch=20, epochs=2, weight_decay=0.0, seed=5)
    by_hand = BY_HAND[name](3, steps, {})
    options = Options(start=START, measures=False)
    fitted = fedsov.federate(SPEC, CLIENTS, rounds=3, steps=steps, algorithm=name, seed=steps.seed, options=options)
    np.testing.assert_allclose(_row(fitted.parameters), by_hand, atol=1e-6)
    np.testing.assert_allclose(_row(_run(name, 3, steps)), by_hand, atol=1e-6)
    assert np.abs(by_hand - _row(_run("fedavg", 3, steps))).max() > 1e-2


@pytest.mark.parametrize("name", ["scaffold", "fednova"])
def test_who_misses_a_round_keeps_its_control_and_comes_back(name: str) -> None:
    absent = {1: 2, 3: 0}
    np.testing.assert_allclose(_row(_run(name, 4, STEPS, absent)), BY_HAND[name](4, STEPS, absent), atol=1e-6)


def test_a_strategy_made_anew_from_a_checkpoint_goes_on_bit_for_bit() -> None:
    whole, halves = _run("scaffold", 4, STEPS), _run("scaffold", 4, STEPS, forget=2)
    assert all(np.array_equal(whole[name], halves[name]) for name in START)


def test_scaffold_s_first_round_is_fedavg_s_bit_for_bit() -> None:
    first, plain = _run("scaffold", 1, STEPS), _run("fedavg", 1, STEPS)
    assert all(np.array_equal(first[name], plain[name]) for name in START)
    one, other = (
        fedsov.federate(SPEC, CLIENTS, rounds=1, steps=STEPS, algorithm=algorithm)
        for algorithm in ("scaffold", "fedavg")
    )
    assert all(np.array_equal(one.parameters[name], other.parameters[name]) for name in START)


def test_fednova_is_fedavg_where_all_take_equal_steps() -> None:
    steps = LocalSteps(0.1, 0.9, batch=100, epochs=3, weight_decay=0.0)
    nova, plain = _run("fednova", 3, steps), _run("fedavg", 3, steps)
    np.testing.assert_allclose(_row(nova), _row(plain), atol=1e-6)


@given(
    some.lists(some.tuples(some.floats(-5, 5), some.floats(0.1, 10)), min_size=1, max_size=6),
    some.floats(1, 100),
)
def test_equal_effective_steps_leave_the_mean(clients: list[tuple[float, float]], steps: float) -> None:
    updates = np.array([[value] for value, _ in clients])
    weights, effective = np.array([weight for _, weight in clients]), np.full(len(clients), steps)
    normalised, _ = fednova.end({}, updates, StepsTaken(effective, 0.1))
    found = weights @ normalised / weights.sum() * fednova.scale(weights, effective)
    np.testing.assert_allclose(found, np.average(updates, axis=0, weights=weights), atol=1e-9)


@given(some.integers(0, 60), some.floats(0, 0.99))
def test_effective_steps_are_the_sum_of_what_gradients_weigh(taken: int, momentum: float) -> None:
    found = effective_steps(np.array([taken]), momentum)[0]
    np.testing.assert_allclose(found, max(_length(taken, momentum), 1.0), rtol=1e-6)


@given(some.floats(-3, 3), some.integers(1, 40), some.floats(0, 0.95))
def test_a_control_is_the_mean_gradient_whatever_the_momentum(gradient: float, taken: int, momentum: float) -> None:
    counts = StepCounts(0.1, momentum, batch=1, epochs=1)
    before = {"control": np.array([[0.7]]), "mean/control": np.array([0.25])}
    drift = scaffold.begin(before, np.zeros(1)).drift
    assert drift is not None
    moved = -counts.rate * counts.effective(taken) * (gradient + drift)
    update, after = scaffold.end(before, moved, StepsTaken(np.array([counts.effective(taken)]), counts.rate))
    np.testing.assert_allclose(after["control"], [[gradient]], atol=1e-9)
    assert update is moved


def test_an_algorithm_that_counts_steps_needs_their_pace() -> None:
    with pytest.raises(ConfigurationError, match="needs to know how clients step"):
        build(Algorithm("scaffold"), 3)
