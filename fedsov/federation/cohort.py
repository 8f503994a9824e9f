"""Many virtual clients in a few processes: one round of local steps for all of them, and the sum of what they learned.

The clients are dealt into blocks that are stepped as one stack (`fedsov.training.closed_form`), the blocks to as many
processes as there are cores. A process is a fork of this one, so that the rows are never sent; parameters go out and
sums come back through memory that all share: it grows with the model and the processes, not with the clients. Sums are
of whole numbers (`STEP`), so that they are the same bits in whichever order and by whichever process they were added.
A client whose update is not finite, or longer than the bound, is refused and named.

    with Cohort(job, parameters) as cohort:
        found = cohort.round(1, parameters)
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from types import TracebackType

import numpy as np

from fedsov.algorithms.order_free_sum import STEP, moved_by
from fedsov.errors import TrainingFailed
from fedsov.simulation.worker import ClientPoolJob, SharedArrays, Worker

_STACK, _BLOCKS, _FLOATS = 64, 16, 2**23


@dataclass(frozen=True, slots=True)
class Found:
    """What a round found.

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


def blocks_of(clients: int, parameters: int) -> list[range]:
    """The clients of each block: stacks of what one core does well, and two blocks or more from four clients on."""
    size = min(_STACK, max(1, _FLOATS // parameters), max(2, -(-clients // _BLOCKS)))
    return [range(start, min(start + size, clients)) for start in range(0, clients, size)]


def _shared(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """An array of zeros that forks see too."""
    size = max(1, math.prod(shape) * np.dtype(dtype).itemsize)
    return np.frombuffer(mmap.mmap(-1, size), dtype=dtype, count=math.prod(shape)).reshape(shape)


class Cohort(AbstractContextManager["Cohort"]):
    """The clients of a job and their processes, for the length of a block."""

    def __init__(
        self, job: ClientPoolJob, parameters: np.ndarray, *, processes: int | None = None, keeps_updates: bool = False
    ) -> None:
        """Forks the processes.

        Args:
            parameters: (P,) float32 first ones; of each client's `private`, (n, p), all begin with them.
            processes: at most so many, this one among them; by default the cores of this machine.
            keeps_updates: each round gives every client's parameters too, for robust means.
        """
        import torch

        torch.set_num_threads(1)
        self._job, self._size = job, job.layout.size
        blocks = blocks_of(len(job.rows), self._size)
        count = max(1, min(processes or len(os.sched_getaffinity(0)), len(blocks)))
        self._incoming = _shared((self._size,), np.float32)
        self._sums = _shared((count, self._size), np.int64)
        averaged = self._size if job.averages else 0
        self._mean_state = _shared((averaged,), np.float32)
        self._state_changes = _shared((count, averaged), np.int64)
        self._updates = _shared((len(job.rows), self._size), np.float32) if keeps_updates else None
        self.private = _shared((len(job.rows), len(job.layout.private)), np.float32)
        self.private[:] = parameters[job.layout.private]
        self.personal = _shared((len(job.rows), job.copied), np.float32)
        self.personal[:] = parameters[: job.copied]
        self._lines: list[tuple[int, Connection]] = []
        for place in range(1, count):
            self._lines.append(self._forked(place, blocks[place::count]))
        self._own = self._part(0, blocks[0::count])

    def _part(self, place: int, blocks: Sequence[range]) -> Worker:
        sums, change, several = (
            self._sums[place],
            self._state_changes[place],
            (self._updates, self.private, self.personal),
        )
        return Worker(self._job, blocks, SharedArrays(self._incoming, sums, *several, self._mean_state, change))

    def _forked(self, place: int, blocks: Sequence[range]) -> tuple[int, Connection]:
        ours, theirs = Pipe()
        process = os.fork()
        if process:
            theirs.close()
            return process, ours
        code = 1
        try:
            ours.close()
            for _, line in self._lines:  # those of the forks before
                line.close()
            self._part(place, blocks).serve(theirs)
            code = 0
        finally:
            os._exit(code)

    def round(self, number: int, parameters: np.ndarray) -> Found:
        """All clients' steps from the (P,) float32 parameters.

        Raises:
            TrainingFailed: a process ended, or no client's update was accepted.
        """
        self._incoming[:] = parameters
        for _, line in self._lines:
            with suppress(OSError):  # told when it is asked for its answer
                line.send_bytes(json.dumps({"round": number}).encode())
        told = [self._own.round(number)]
        for _, line in self._lines:
            try:
                told.append(json.loads(line.recv_bytes()))
            except (EOFError, OSError) as error:
                raise TrainingFailed("a process of virtual clients ended; look for a lack of memory") from error
        if failed := next((one["error"] for one in told if "error" in one), None):
            raise TrainingFailed(str(failed))
        refused = {int(client): str(why) for one in told for client, why in one["refused"].items()}
        weight = float(self._job.weights.sum()) - sum(float(self._job.weights[client]) for client in refused)
        if weight <= 0:
            raise TrainingFailed(f"round {number}: every update was refused; the first: {next(iter(refused.values()))}")
        scale = float(self._job.weights.sum()) / weight
        if self._job.half is not None and self._job.half.scale is not None:
            effective = {int(client): steps for one in told for client, steps in one["effective"].items()}
            accepted = [client for client in range(len(self._job.rows)) if client not in refused]
            steps = np.array([effective[client] for client in accepted])
            scale *= self._job.half.scale(self._job.weights[accepted], steps)
        mean = moved_by(parameters, self._sums, scale)
        if self._job.averages:
            self._mean_state += (self._state_changes.sum(axis=0) * STEP).astype(np.float32)
        metrics = {int(client): found for one in told for client, found in one["metrics"].items()}
        return Found(
            mean,
            dict(sorted(refused.items())),
            dict(sorted(metrics.items())),
            None if self._updates is None else self._updates.copy(),
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, line in self._lines:
            line.close()
            with suppress(ChildProcessError):
                os.waitpid(process, 0)
