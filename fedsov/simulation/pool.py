"""Many virtual clients in a few processes: one round of local steps for all of them, and the sum of what they learned.

The clients are dealt into blocks that are stepped as one stack, the blocks to processes so that each has as much to do
(`fedsov.simulation.blocks`). Rows, parameters and sums are in memory that all processes share; it grows with the model
and the processes, not with the clients, but for their rows. Sums are of whole numbers (`STEP`), so that they are the
same bits in whichever order and by whichever process they were added. A client whose update is not finite, or longer
than the bound, is refused and named.

The caller's process takes no step and is not changed: processes are forks of a server of their own
(`fedsov.simulation.fork_server`), so that pools may be used from several threads, each pool by one at a time. A process
that ends is named; no process outlives its pool, however that ends.

What a pool needs of the code that steps clients is this, and no more. A job gives its ``rows``, ``weights``, ``inputs``
and layout of parameters, and ``arranged(places)`` gives the same job with its clients in another order; a
`Worker(job, blocks, SharedArrays(...))` is made in each process, with ranges of that order as its blocks, and
``worker.round(number)`` adds up in the shared arrays and returns plain values, by place in that order.

    with ClientPool(job, parameters) as pool:
        result = pool.round(1, parameters)
"""

from __future__ import annotations

import json
import math
import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any

import numpy as np

from fedsov.algorithms.order_free_sum import STEP, moved_by
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.network import is_layered, registered
from fedsov.simulation.blocks import Block, Load, blocks_of, shares
from fedsov.simulation.fork_server import ForkedProcess, PoolForkServer
from fedsov.simulation.shared_memory import Layout, SharedMemory
from fedsov.simulation.worker import ClientPoolJob
from fedsov.training.memory_layout import evened
from fedsov.training.step_batches import width_of

_SERVER = PoolForkServer("fedsov.simulation.pool_worker")


@dataclass(frozen=True, slots=True)
class PoolRound:
    """What a round of all clients gives.

    Attributes:
        mean: (P,) float32 weighted mean of the accepted clients' parameters.
        refused: client to the reason.
        metrics: client to the incoming model's ``loss`` and, for outcomes of 0 and 1, ``auc``; empty if not asked for.
        updates: (n, P) float32 parameters of each client, zeros for a refused one; only if asked for.
    """

    mean: np.ndarray
    refused: Mapping[int, str]
    metrics: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    updates: np.ndarray | None = None


class ClientPool(AbstractContextManager["ClientPool"]):
    """The clients of a job and their processes, for the length of a block."""

    def __init__(
        self, job: ClientPoolJob, parameters: np.ndarray, *, processes: int | None = None, keeps_updates: bool = False
    ) -> None:
        """Starts the processes, and waits until each has its clients.

        Args:
            parameters: (P,) float32 first ones; of each client's `private`, (n, p), all begin with them.
            processes: at most so many beside this one; by default the cores of this machine.
            keeps_updates: each round gives every client's parameters too, for robust means.

        Raises:
            ConfigurationError: the job cannot be sent to another process.
            InputError: outcomes or inputs that the job's steps cannot take.
            TrainingFailed: a process cannot be started, or ended.
        """
        size, network = job.layout.size, job.training.network
        layers = len(network.hidden) + 1 if is_layered(network) else None
        blocks = blocks_of(loads_of(job), size, layers=layers)
        count = max(1, min(processes or len(os.sched_getaffinity(0)), len(blocks)))
        self._order = [client for block in blocks for client in block.clients]
        self._places = np.argsort(self._order)
        self._job, self._size, self._keeps_updates = job.arranged(self._order), size, keeps_updates
        self._memory = SharedMemory.create(self._layout(count))
        self._fill(parameters)
        self._processes: list[ForkedProcess] = []
        try:
            self._start(blocks, shares(blocks, count))
        except BaseException:  # boundary: processes that were started end with it
            self._end()
            raise

    def _layout(self, count: int) -> Layout:
        job, size, clients = self._job, self._size, len(self._job.rows)
        X, y = job.rows[0]
        averaged = size if job.averages else 0
        return {
            "incoming": ((size,), "float32"),
            "totals": ((count, size), "int64"),
            "mean_state": ((averaged,), "float32"),
            "state_changes": ((count, averaged), "int64"),
            "updates": ((clients if self._keeps_updates else 0, size), "float32"),
            "private": ((clients, len(job.layout.private)), "float32"),
            "personal": ((clients, job.copied), "float32"),
            "X": ((sum(len(X) for X, _ in job.rows), *np.shape(X)[1:]), "float32"),
            "y": ((sum(len(y) for _, y in job.rows), *np.shape(y)[1:]), "float32"),
        }

    def _fill(self, parameters: np.ndarray) -> None:
        arrays = self._memory.arrays
        arrays["private"][:] = parameters[self._job.layout.private]
        arrays["personal"][:] = parameters[: self._job.copied]
        end = 0
        for X, y in self._job.rows:
            start, end = end, end + len(X)
            arrays["X"][start:end], arrays["y"][start:end] = X, y

    def _start(self, blocks: Sequence[Block], dealt: Sequence[Sequence[int]]) -> None:
        ends = np.cumsum([len(block.clients) for block in blocks]).tolist()
        ranges = [range(end - len(block.clients), end) for end, block in zip(ends, blocks, strict=True)]
        job = _pickled(self._job, self._memory.layout)
        where = json.dumps({"path": sys.path, "folder": _folder()}).encode()
        for place, mine in enumerate(dealt):
            process = _SERVER.fork([self._memory.descriptor])
            self._processes.append(process)
            for message in (where, job, pickle.dumps((place, [ranges[block] for block in mine]))):
                self._send(process, message)
        self._answers("before the first round")

    @property
    def private(self) -> np.ndarray:
        """(n, p) private parameters of the clients after the last round; a copy."""
        return np.asarray(self._memory.arrays["private"][self._places])

    @property
    def personal(self) -> np.ndarray:
        """(n, P) personal copies of the clients after the last round, (n, 0) without Ditto; a copy."""
        return np.asarray(self._memory.arrays["personal"][self._places])

    @property
    def process_ids(self) -> list[int]:
        """The processes that step."""
        return [process.pid for process in self._processes]

    def round(self, number: int, parameters: np.ndarray) -> PoolRound:
        """All clients' steps from the (P,) float32 parameters.

        Raises:
            TrainingFailed: a process ended, or no client's update was accepted.
            FedsovError: what a process raised, such as ConfigurationError for a learning rate of this round.
        """
        arrays = self._memory.arrays
        arrays["incoming"][:] = parameters
        for process in self._processes:
            self._send(process, pickle.dumps(number))
        answers = self._answers(f"in round {number}")
        refused = self._by_client(answers, "refused")
        mean = moved_by(parameters, arrays["totals"], self._scale(number, refused, answers))
        if self._job.averages:
            arrays["mean_state"][:] += (arrays["state_changes"].sum(axis=0) * STEP).astype(np.float32)
        updates = arrays["updates"][self._places] if self._keeps_updates else None
        return PoolRound(mean, refused, self._by_client(answers, "metrics"), updates)

    def _by_client(self, answers: Sequence[Mapping[str, Any]], name: str) -> dict[int, Any]:
        values = {self._order[place]: value for answer in answers for place, value in answer[name].items()}
        return dict(sorted(values.items()))

    def _scale(self, number: int, refused: Mapping[int, str], answers: Sequence[Mapping[str, Any]]) -> float:
        """What the sum of accepted updates, by their shares of all weights, is multiplied by."""
        job = self._job
        accepted = [place for place, client in enumerate(self._order) if client not in refused]
        if not accepted:
            raise TrainingFailed(f"round {number}: every update was refused; the first: {next(iter(refused.values()))}")
        scale = float(job.weights.sum()) / float(job.weights[accepted].sum())
        if job.half is not None and job.half.scale is not None:
            effective = {place: steps for answer in answers for place, steps in answer["effective"].items()}
            scale *= job.half.scale(job.weights[accepted], np.array([effective[place] for place in accepted]))
        return scale

    def _send(self, process: ForkedProcess, message: bytes) -> None:
        with suppress(OSError):  # a process that ended is named when it is asked for its answer
            process.connection.send_bytes(message)

    def _answers(self, when: str) -> list[dict[str, Any]]:
        """What each process answers, whichever is first."""
        waiting, answers = list(self._processes), list[dict[str, Any]]()
        while waiting:
            ready = wait([process.connection for process in waiting])
            for process in [process for process in waiting if process.connection in ready]:
                waiting.remove(process)
                answers.append(self._answer(process, when))
        return answers

    def _answer(self, process: ForkedProcess, when: str) -> dict[str, Any]:
        try:
            error, answer = pickle.loads(process.connection.recv_bytes())
        except (EOFError, OSError):
            self._processes.remove(process)
            raise TrainingFailed(
                f"worker process {process.pid} ended {when}, {_SERVER.end(process)}; look for a lack of memory"
            ) from None
        if error is not None:
            raise error
        return dict(answer)

    def _end(self) -> None:
        while self._processes:
            _SERVER.end(self._processes.pop())
        self._memory.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()


def warm_up() -> None:
    """Starts what the processes of pools are forked from, in the background; the first pool does so otherwise."""
    with suppress(OSError):  # named when a pool needs it
        _SERVER.start()


def _folder() -> str:
    """Where this process is; empty where that folder was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def loads_of(job: ClientPoolJob) -> list[Load]:
    """What a round of each client costs; of steps whose rows are drawn or given, about so much."""
    sizes = [len(y) for _, y in job.rows]
    if job.noise:
        batches = [drawn.expected_batch(size) for drawn, size in zip(job.noise, sizes, strict=True)]
        widths = [evened(math.ceil(batch + 3 * math.sqrt(batch))) for batch in batches]
        return [Load(drawn.steps, width) for drawn, width in zip(job.noise, widths, strict=True)]
    steps = job.training.steps
    rows = steps.rows
    return [Load(steps.epochs * math.ceil(size / rows), width_of(size, rows)) for size in sizes]


def _pickled(job: ClientPoolJob, layout: Layout) -> bytes:
    """A job without its rows, with the network that it names where that is registered in this process alone.

    Raises:
        ConfigurationError: something in it cannot be pickled, also not by its code.
    """
    import cloudpickle

    sizes = [len(y) for _, y in job.rows]
    try:
        return bytes(cloudpickle.dumps((registered(job.training.network.name), replace(job, rows=()), sizes, layout)))
    except Exception as error:  # boundary: whatever a caller's own functions and networks hold
        raise ConfigurationError(
            f"network {job.training.network.name!r}, or a function of this training, cannot be sent to worker "
            f"processes: {error}; leave out what it holds beside numbers, arrays and modules, such as a lock, a file "
            "or a generator"
        ) from error
