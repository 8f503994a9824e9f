"""One process's share of virtual clients: its sums, and the same clients in another order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.order_free_sum import moved_by
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.model.network import NetworkSpec
from fedsov.simulation.worker import ClientPoolJob, SharedArrays, Worker

STEPS = LocalSteps(learning_rate=0.1, batch=16, epochs=1)
SIZE = 4


def _client(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(np.float32)


def _job(algorithm: str = "fedavg", **more: object) -> ClientPoolJob:
    clients = [_client(place, 20 + 10 * place) for place in range(4)]
    training = TrainingSpec(NetworkSpec(), STEPS, Algorithm(algorithm))
    return ClientPoolJob(clients, np.array([1.0, 2.0, 3.0, 4.0]), training, [7, 8, 9, 10], **more)  # type: ignore[arg-type]


def _memory(job: ClientPoolJob) -> SharedArrays:
    averaged, clients = SIZE if job.averages else 0, len(job.rows)
    return SharedArrays(
        incoming=np.zeros(SIZE, np.float32),
        total=np.ones(SIZE, np.int64),  # of another round
        updates=np.zeros((clients, SIZE), np.float32),
        private=np.zeros((clients, 0), np.float32),
        personal=np.zeros((clients, 0), np.float32),
        mean_state=np.zeros(averaged, np.float32),
        state_change=np.zeros(averaged, np.int64),
    )


def _sums(job: ClientPoolJob, *blocks: range) -> tuple[np.ndarray, SharedArrays]:
    memory = _memory(job)
    Worker(job, blocks, memory).round(1)
    return moved_by(memory.incoming, memory.total[None]), memory


def test_the_sum_is_the_mean_of_what_clients_ended_with_by_their_weights() -> None:
    mean, memory = _sums(_job(), range(4))
    assert memory.updates is not None and len({row.tobytes() for row in memory.updates}) == 4
    np.testing.assert_allclose(mean, np.average(memory.updates, axis=0, weights=[1, 2, 3, 4]), atol=1e-6)


def test_clients_in_another_order_and_other_blocks_step_alike() -> None:
    places = [2, 0, 3, 1]
    first, one = _sums(_job(), range(4))
    second, other = _sums(_job().arranged(places), range(2), range(2, 4))
    assert one.updates is not None and other.updates is not None
    np.testing.assert_allclose(first, second, atol=1e-6)
    np.testing.assert_allclose(other.updates, one.updates[places], atol=1e-6)


def test_own_batches_are_asked_for_by_the_caller_s_places() -> None:
    asked = []

    def order(seed: int, client: int, number: int) -> list[np.ndarray]:
        asked.append((seed, client, number))
        return [np.arange(3)]

    _sums(_job(order=order).arranged([2, 0, 3, 1]).arranged([1, 0, 2, 3]), range(4))
    assert asked == [(0, 0, 1), (0, 2, 1), (0, 3, 1), (0, 1, 1)]


@pytest.mark.parametrize("bound", [np.inf, 1e-9])
def test_scaffold_s_controls_change_by_those_of_accepted_clients_alone(bound: float) -> None:
    job = _job("scaffold")
    job = replace(job, training=replace(job.training, max_update_norm=bound))
    memory = _memory(job)
    worker = Worker(job, [range(2), range(2, 4)], memory)
    answer = worker.round(1)
    accepted = bound == np.inf
    assert bool(memory.state_change.any()) is accepted and len(answer["refused"]) == (0 if accepted else 4)
    assert answer["effective"] == {}


def test_effective_steps_are_told_where_the_mean_depends_on_them() -> None:
    job = _job("fednova")
    answer = Worker(job, [range(4)], _memory(job)).round(1)
    assert set(answer["effective"]) == {0, 1, 2, 3} and min(answer["effective"].values()) > 1
