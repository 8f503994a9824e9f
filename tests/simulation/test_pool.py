"""The pool of virtual clients: real threads, real processes, and the same numbers whoever steps them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsov
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.order_free_sum import STEP
from fedsov.algorithms.training_spec import Rate, TrainingSpec
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from fedsov.model.metrics import log_loss
from fedsov.model.network import NetworkSpec, initial, register
from fedsov.simulation import pool as pools
from fedsov.simulation.blocks import Load
from fedsov.simulation.federate import FederateOptions as Options
from fedsov.simulation.pool import ClientPool
from fedsov.simulation.worker import ClientPoolJob
from tests.simulation.processes import children_of, end_within, is_running
from tests.world import ROOT

LOGISTIC = NetworkSpec()
STEPS = LocalSteps(learning_rate=0.05, momentum=0.9, batch=32, epochs=2)
SIZES = (300, 40, 7, 1, 64, 300, 90, 90, 12)
START = np.zeros(7, dtype=np.float32)


def _client(seed: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 6))
    return X, (X @ np.linspace(-1.0, 1.0, 6) + 0.5 * rng.normal(size=rows) > 0).astype(int)


CLIENTS = [_client(place, rows) for place, rows in enumerate(SIZES)]
LONG = [_client(place, 6000) for place in range(4)]
"""Clients of so many steps that two processes share them."""


def _job(
    clients: list[tuple[np.ndarray, np.ndarray]] = LONG,
    *,
    weights: np.ndarray | None = None,
    spec: NetworkSpec = LOGISTIC,
    schedule: Rate = lambda _: 1.0,
    **changes: Any,
) -> ClientPoolJob:
    counts = np.array([float(len(y)) for _, y in clients]) if weights is None else weights
    return ClientPoolJob(clients, counts, TrainingSpec(spec, STEPS, schedule=schedule), range(len(clients)), **changes)


def _same(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    return all(np.array_equal(first[key], second[key]) for key in first)


def test_thirty_trainings_from_three_threads_end_with_the_numbers_of_one_thread() -> None:
    import torch

    cases = [("logistic", "fedavg"), ("mlp", "scaffold"), ("mlp", "fedadam")]
    expected = [
        fedsov.federate(model, CLIENTS, rounds=2, steps=STEPS, algorithm=name, seed=7).parameters
        for model, name in cases
    ]
    equal, stopped = [list[bool]() for _ in cases], threading.Event()

    def train(place: int) -> None:
        for turn in range(10):
            model, name = cases[(place + turn) % 3]
            fitted = fedsov.federate(
                model, CLIENTS, rounds=2, steps=STEPS, algorithm=name, seed=7, options=Options(processes=1 + turn % 3)
            )
            equal[place].append(_same(fitted.parameters, expected[(place + turn) % 3]))

    def use_torch() -> None:
        weights = torch.nn.Linear(64, 64)
        while not stopped.is_set():
            weights(torch.ones(64, 64)).sum().backward()
            time.sleep(0.001)

    beside = threading.Thread(target=use_torch)
    threads = [threading.Thread(target=train, args=(place,), daemon=True) for place in range(3)]
    beside.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    stopped.set()
    beside.join(10)
    assert equal == [[True] * 10] * 3


def test_no_worker_is_left_when_a_training_ends_or_fails() -> None:
    before = children_of(os.getpid())
    with ClientPool(_job(), START, processes=2) as pool:
        workers = pool.process_ids
        assert len(workers) == 2 and set(workers) <= children_of(os.getpid())
    assert not any(os.path.exists(f"/proc/{pid}") for pid in workers)
    with pytest.raises(RuntimeError, match="of the caller's"), ClientPool(_job(), START) as pool:
        raise RuntimeError("of the caller's")
    with pytest.raises(InputError, match="0 or 1"):
        ClientPool(_job([(X, y + 5) for X, y in LONG]), START)
    assert len(children_of(os.getpid()) - before) <= 1  # what they are forked from


def test_a_worker_that_is_killed_is_named() -> None:
    with ClientPool(_job(), START, processes=2) as pool:
        pool.round(1, START)
        first, second = pool.process_ids
        os.kill(second, signal.SIGKILL)
        with pytest.raises(
            TrainingFailed, match=rf"worker process {second} ended in round 2, by signal 9 \(SIGKILL\); look for a lack"
        ):
            pool.round(2, START)
        assert is_running(first)
    assert not is_running(first)


def test_what_a_worker_raises_is_raised_in_the_caller() -> None:
    def late(seed: int, client: int, number: int) -> list[np.ndarray]:
        if number == 2:
            raise KeyError("no such batch")
        return [np.arange(4)]

    with ClientPool(_job(order=late), START, processes=2) as pool:
        pool.round(1, START)
        with pytest.raises(TrainingFailed, match="a worker process failed: KeyError: 'no such batch'") as failed:
            pool.round(2, START)
    assert "in late" in "".join(failed.value.__notes__)
    with (
        pytest.raises(ConfigurationError, match="learning_rate"),
        ClientPool(_job(schedule=lambda _: 0.0), START) as pool,
    ):
        pool.round(1, START)


def test_an_interruption_of_the_caller_ends_the_workers_in_the_middle_of_a_step() -> None:
    def endless(seed: int, client: int, number: int) -> list[np.ndarray]:
        time.sleep(600)
        return []

    workers = list[int]()

    def interrupt() -> None:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    begun = time.monotonic()

    def train() -> None:
        with ClientPool(_job(order=endless), START, processes=2) as pool:
            workers.extend(pool.process_ids)
            threading.Thread(target=interrupt).start()
            pool.round(1, START)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever began the tests may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            train()
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(workers) == 2 and not any(map(is_running, workers)) and time.monotonic() - begun < 60


CALLER = """
import os, sys, threading, time
import numpy as np
import fedsov
from fedsov.simulation import pool

rng = np.random.default_rng(0)
clients = [(rng.normal(size=(6000, 6)), rng.integers(0, 2, 6000)) for _ in range(4)]
started = pool.ClientPool._start
def start(self, *args):
    started(self, *args)
    print(self._processes[0].server, *self.process_ids, flush=True)
pool.ClientPool._start = start
order = lambda seed, client, number: time.sleep(600) if number == 2 else [np.arange(4)]
options = fedsov.FederateOptions(processes=2, order=order)
for _ in range(2):
    threading.Thread(target=fedsov.federate, args=("logistic", clients), kwargs={"options": options}).start()
"""


def test_no_process_outlives_a_caller_that_is_killed_while_its_workers_step() -> None:
    caller = subprocess.Popen([sys.executable, "-c", CALLER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    pids = [int(word) for _ in range(2) for word in caller.stdout.readline().split()]
    assert len(pids) == 6 and len(set(pids)) == 5 and all(map(is_running, pids))
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    assert end_within(pids, 10)
    caller.stdout.close()


def test_the_caller_s_torch_has_as_many_threads_during_a_training_and_after_it() -> None:
    import torch

    before, during = torch.get_num_threads(), list[int]()
    torch.set_num_threads(3)
    try:
        fedsov.federate(
            "mlp", CLIENTS, rounds=2, options=Options(on_round=lambda *_: during.append(torch.get_num_threads()))
        )
        assert [*during, torch.get_num_threads()] == [3, 3, 3]
    finally:
        torch.set_num_threads(before)


def test_the_caller_imports_no_torch_for_a_network_that_has_a_closed_form() -> None:
    code = (
        "import sys, numpy as np, fedsov; rows = np.eye(4), np.array([0, 1, 0, 1]); "
        "fedsov.federate('mlp', [rows, rows], rounds=1); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_child_of_the_caller_s_own_is_still_its_to_wait_for() -> None:
    child = os.fork()
    if child == 0:
        os._exit(9)
    fedsov.federate("logistic", CLIENTS, rounds=1)
    assert os.waitpid(child, 0) == (child, 9 << 8)


def test_a_network_and_functions_of_the_caller_s_own_reach_the_workers() -> None:
    import torch

    width = 5

    class Own(torch.nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.first, self.last = torch.nn.Linear(inputs, width), torch.nn.Linear(width, outputs)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(self.last(torch.tanh(self.first(rows))))

    register("of-a-test-of-the-pool", Own)
    options = Options(
        order=lambda seed, client, number: [np.arange(client + 1)] * width, schedule=lambda number: 1 / number
    )
    spec = NetworkSpec("of-a-test-of-the-pool")
    one, two = (
        fedsov.federate(spec, CLIENTS[:2], rounds=2, steps=STEPS, options=options, seed=seed).parameters
        for seed in (1, 1)
    )
    assert one["first.weight"].shape == (5, 6) and _same(one, two)


def test_what_cannot_be_sent_to_a_worker_is_named_before_a_round() -> None:
    lock = threading.Lock()

    def order(seed: int, client: int, number: int) -> list[np.ndarray]:
        with lock:
            return []

    with pytest.raises(ConfigurationError, match=r"cannot be sent to worker processes: .*lock.*; leave out"):
        fedsov.federate("logistic", CLIENTS, options=Options(order=order))


def test_a_folder_that_was_deleted_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert fedsov.federate("logistic", CLIENTS, rounds=1).rounds


@pytest.mark.parametrize("name", ["fedavg", "fednova", "scaffold", "ditto", "fedper", "fedmedian"])
def test_unequal_clients_give_the_same_bits_with_any_number_of_processes(name: str) -> None:
    clients = [_client(place, rows) for place, rows in enumerate((3000, 40, 700, 1, 640, 90, 12))]
    private = ("head",) if name == "fedper" else ()
    one, three = (
        fedsov.federate(
            "mlp", clients, rounds=2, steps=STEPS, algorithm=name, options=Options(processes=count, private=private)
        )
        for count in (1, 3)
    )
    assert _same(one.parameters, three.parameters) and repr(one.rounds) == repr(three.rounds)
    for client in range(7):
        assert _same(one.of(client), three.of(client))


def test_clients_are_dealt_by_their_steps_and_answer_under_their_own_names() -> None:
    names = [f"client {place}" for place in range(len(SIZES))]
    wild = (1e30 * CLIENTS[4][0], CLIENTS[4][1])
    clients = dict(zip(names, CLIENTS, strict=True)) | {"client 4": wild}
    spec, options = NetworkSpec("mlp", (32,)), Options(minimum=1, processes=2, private=("head",))
    fitted = fedsov.federate(spec, clients, rounds=1, steps=STEPS, options=options)
    assert [list(refused) for refused in fitted.refused] == [["client 4"]]
    assert list(fitted.rounds[0]) == names
    start = initial(spec, 6, 0)
    for name, (X, y) in clients.items():
        if name != "client 4":
            hidden = np.maximum(X @ start["0.weight"].T + start["0.bias"], 0)
            logits = (hidden @ start["2.weight"].T + start["2.bias"])[:, 0]
            assert fitted.rounds[0][name]["loss"] == pytest.approx(log_loss(y, logits), rel=1e-5)
            assert (fitted.private[name]["2.weight"] != start["2.weight"]).any()
    assert (fitted.private["client 4"]["2.weight"] == start["2.weight"]).all()
    assert len({own["2.weight"].tobytes() for own in fitted.private.values()}) == len(names)


def test_loads_are_the_steps_and_widths_that_clients_are_stacked_by() -> None:
    job = _job(CLIENTS)
    assert pools.loads_of(job) == [
        Load(len(each), 32) for each in job.course(range(len(CLIENTS)), 1).shuffled(np.array(SIZES))
    ]


def test_sums_are_as_good_as_their_step_says() -> None:
    job = _job([_client(place) for place in range(4)], weights=np.array([1.0, 2.0, 3.0, 5.0]))
    with ClientPool(job, START, keeps_updates=True) as pool:
        result = pool.round(1, START)
    assert result.updates is not None
    mean = np.average(result.updates.astype(np.float64), axis=0, weights=job.weights)
    assert np.abs(result.mean - mean).max() <= 4 * STEP + np.spacing(np.float32(np.abs(mean).max()))


def test_memory_grows_with_the_rows_and_not_with_the_clients_parameters() -> None:
    job = _job([_client(place, 5) for place in range(3000)], spec=NetworkSpec("mlp", (32,)))
    with ClientPool(job, np.zeros(257, dtype=np.float32)) as pool:
        sizes = {name: array.nbytes for name, array in pool._memory.arrays.items()}
    assert sizes.pop("X") == 3000 * 5 * 6 * 4 and sizes.pop("y") == 3000 * 5 * 4
    assert sum(sizes.values()) < 2**14
