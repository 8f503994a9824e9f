"""One process of a pool, spoken to as the pool does: what it answers, what it raises, and when it ends."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.network import NetworkSpec
from fedsov.simulation.pool_worker import prepare, run
from fedsov.simulation.shared_memory import Layout, SharedMemory
from fedsov.simulation.worker import ClientPoolJob, SharedArrays, Worker

FORK = multiprocessing.get_context("fork")
SIZE = 4
"""Parameters of a logistic regression over three inputs."""


def _rows(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 3)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(np.float32)


ROWS = [_rows(place, 20 + 7 * place) for place in range(4)]
JOB = ClientPoolJob(
    ROWS,
    np.array([1.0, 2.0, 3.0, 4.0]),
    TrainingSpec(NetworkSpec(), LocalSteps(learning_rate=0.1, batch=8, epochs=2), Algorithm("scaffold")),
    range(4),
)


def _layout(*, keeps_updates: bool = True) -> Layout:
    """Memory of two processes."""
    return {
        "incoming": ((SIZE,), "float32"),
        "totals": ((2, SIZE), "int64"),
        "mean_state": ((SIZE,), "float32"),
        "state_changes": ((2, SIZE), "int64"),
        "updates": ((4 if keeps_updates else 0, SIZE), "float32"),
        "private": ((4, 0), "float32"),
        "personal": ((4, 0), "float32"),
        "X": ((sum(len(y) for _, y in ROWS), 3), "float32"),
        "y": ((sum(len(y) for _, y in ROWS),), "float32"),
    }


@dataclass
class Spoken:
    """A worker process, the caller's end of its line, and the memory that both see."""

    process: Any
    line: Connection
    memory: SharedMemory

    def told(self, *messages: bytes) -> tuple[Exception | None, Any]:
        """Its next answer after these messages."""
        for message in messages:
            self.line.send_bytes(message)
        assert self.line.poll(20), "no answer came"
        return pickle.loads(self.line.recv_bytes())


Start = Callable[..., Spoken]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker for these blocks of clients, at this place among the processes."""
    started = list[Spoken]()

    def begin(job: ClientPoolJob = JOB, *, place: int = 0, blocks: Sequence[range] = (range(4),)) -> Spoken:
        memory = SharedMemory.create(_layout())
        memory.arrays["X"][:] = np.concatenate([X for X, _ in ROWS])
        memory.arrays["y"][:] = np.concatenate([y for _, y in ROWS])
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=_live, args=(theirs, ours, memory.descriptor))
        process.start()
        theirs.close()
        worker = Spoken(process, ours, memory)
        started.append(worker)
        sent = replace(job, rows=()), [len(y) for _, y in ROWS], memory.layout
        where = json.dumps({"path": ["/of/the/caller", *sys.path], "folder": str(tmp_path)})
        for message in (where.encode(), cloudpickle.dumps((None, *sent)), pickle.dumps((place, list(blocks)))):
            worker.line.send_bytes(message)
        return worker

    yield begin
    for worker in started:
        worker.line.close()
        worker.process.join(10)
        worker.process.kill()
        worker.memory.close()


def _live(line: Connection, other: Connection, descriptor: int) -> None:
    other.close()  # or the line would not close with the caller's end
    run(line, [descriptor])


def _expected(blocks: Sequence[range], rounds: int) -> tuple[Mapping[str, np.ndarray], list[dict[str, Any]]]:
    """The same memory and answers without a process between."""
    with closing(SharedMemory.create(_layout())) as memory:
        arrays = memory.arrays
        shared = SharedArrays(
            incoming=arrays["incoming"],
            total=arrays["totals"][0],
            updates=arrays["updates"],
            private=arrays["private"],
            personal=arrays["personal"],
            mean_state=arrays["mean_state"],
            state_change=arrays["state_changes"][0],
        )
        worker = Worker(JOB, blocks, shared)
        answers = [worker.round(number) for number in range(1, rounds + 1)]
        return {name: array.copy() for name, array in arrays.items()}, answers


def test_a_worker_says_when_its_clients_are_there_and_then_answers_round_by_round(start: Start) -> None:
    blocks = [range(0, 2), range(2, 4)]
    expected, answers = _expected(blocks, rounds=2)
    worker = start(blocks=blocks)
    assert worker.told() == (None, {})
    for number, answer in enumerate(answers, 1):
        assert repr(worker.told(pickle.dumps(number))) == repr((None, answer))
    for name in ("totals", "state_changes", "updates"):
        assert np.array_equal(worker.memory.arrays[name], expected[name]) and expected[name].any()


def test_a_worker_adds_up_its_own_clients_in_its_own_place(start: Start) -> None:
    worker = start(place=1, blocks=[range(2, 4)])
    worker.told()
    error, answer = worker.told(pickle.dumps(1))
    arrays = worker.memory.arrays
    assert error is None and sorted(answer["metrics"]) == [2, 3]
    assert arrays["totals"][1].all() and arrays["state_changes"][1].any()
    assert not arrays["totals"][0].any() and not arrays["state_changes"][0].any()
    assert not arrays["updates"][:2].any() and arrays["updates"][2:].any()


def test_a_worker_ends_when_its_line_closes(start: Start) -> None:
    worker = start()
    worker.told()
    worker.line.close()
    worker.process.join(10)
    assert worker.process.exitcode == 0


def test_what_is_raised_on_purpose_reaches_the_caller_as_it_is_and_ends_the_worker(start: Start) -> None:
    never = replace(JOB, training=replace(JOB.training, schedule=lambda number: 0.0))
    worker = start(never)
    worker.told()
    error, answer = worker.told(pickle.dumps(1))
    assert isinstance(error, ConfigurationError) and "learning_rate" in str(error) and answer is None
    worker.process.join(10)
    assert worker.process.exitcode == 0


def test_any_other_error_is_a_training_that_failed_with_the_lines_where_it_did(start: Start) -> None:
    def missing(seed: int, client: int, number: int) -> list[np.ndarray]:
        raise KeyError("no such batch")

    worker = start(replace(JOB, order=missing))
    worker.told()
    error, answer = worker.told(pickle.dumps(1))
    assert isinstance(error, TrainingFailed) and answer is None
    assert str(error) == "a worker process failed: KeyError: 'no such batch'"
    assert any("in missing" in note for note in error.__notes__)


def test_what_the_caller_sends_that_cannot_be_read_is_told_before_a_round(start: Start) -> None:
    worker = start(blocks=[range(7, 9)])
    error, _ = worker.told()
    assert isinstance(error, TrainingFailed) and str(error).startswith("a worker process failed: IndexError")


def test_a_worker_steps_where_the_caller_is_and_finds_the_caller_s_modules(start: Start, tmp_path: Path) -> None:
    def place(seed: int, client: int, number: int) -> list[np.ndarray]:
        raise LookupError(f"{os.getcwd()} {sys.path[0]}")

    worker = start(replace(JOB, order=place))
    worker.told()
    error, _ = worker.told(pickle.dumps(1))
    assert str(error) == f"a worker process failed: LookupError: {tmp_path} /of/the/caller"


def _prepared(line: Connection) -> None:
    import torch

    torch.set_num_threads(2)
    prepare()
    line.send(torch.get_num_threads())


def test_what_workers_are_forked_from_uses_one_thread_and_has_stepped_before() -> None:
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_prepared, args=(theirs,))
    process.start()
    assert ours.poll(60) and ours.recv() == 1
    process.join(10)
    assert process.exitcode == 0
