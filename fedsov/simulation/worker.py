"""One process's share of virtual clients: their steps in a round, and the sum of what they learned.

Its clients are in blocks, each stepped as one stack by `fedsov.training.client_round`. Sums are the
same bits in whichever order they are made (`fedsov.algorithms.order_free_sum`). What is read and what is summed is
memory that all processes share (`SharedArrays`); private parameters and personal copies are in it too, while what
compression and an algorithm's half keep of a client stays with the process that steps it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from fedsov.algorithms.client_half import ClientHalf
from fedsov.algorithms.order_free_sum import add_updates
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.training.client_round import ClientRound, RoundResult, client_round, measured_on
from fedsov.training.client_state import ClientState, Layout
from fedsov.training.engine import Rows, held
from fedsov.training.step_batches import ClientBatch

Order = Callable[[int, int, int], Sequence[np.ndarray]]
"""(seed, client's place, round) to the rows of each of the client's steps, counted from 0 among its own."""


@dataclass(frozen=True)
class ClientPoolJob:
    """What a pool of processes is to do.

    Attributes:
        rows: (N, D) inputs and outcomes of each client.
        weights: (n,) each above 0: how much each update counts.
        training: how they train.
        numbers: (n,) what keys each client's chance (`local_steps.client_number`).
        order: the batches of a client's round; by default its rows are shuffled, or drawn for noise.
        noise: for each client its records' bound (the same for all), noise and chance to be drawn, all for one round.
        measures: whether each round tells the loss (and AUC) of the incoming model on each client's rows.
        places: (n,) by which `order` knows the clients; by default their places among the rows.
    """

    rows: Sequence[Rows]
    weights: np.ndarray
    training: TrainingSpec
    numbers: Sequence[int]
    order: Order | None = None
    noise: Sequence[RecordMechanism] = ()
    measures: bool = True
    places: Sequence[int] = ()

    def arranged(self, places: Sequence[int]) -> ClientPoolJob:
        """The same clients in the order of these (n,) places; each keeps its number, hence its batches and chance."""
        return replace(
            self,
            rows=[self.rows[place] for place in places],
            weights=self.weights[list(places)],
            numbers=[self.numbers[place] for place in places],
            noise=[self.noise[place] for place in places] if self.noise else (),
            places=[self.places[place] if self.places else place for place in places],
        )

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return int(np.shape(self.rows[0][0])[1])

    @cached_property
    def layout(self) -> Layout:
        """Where private and sent parameters lie."""
        return Layout.of(self.training, self.inputs)

    @property
    def half(self) -> ClientHalf | None:
        """The algorithm's client half."""
        return self.training.algorithm.half

    @property
    def averages(self) -> str:
        """The name of the clients' state whose mean comes to each; empty for none."""
        return self.half.averages if self.half else ""

    @property
    def copied(self) -> int:
        """The parameters of a client's personal copy; 0 without one."""
        return 0 if self.training.personalization.ditto_lambda is None else self.layout.size

    def course(self, clients: range, number: int) -> ClientRound:
        """What a block of clients does in a round."""
        known = [self.places[client] if self.places else client for client in clients]
        order, noise = self.order, [self.noise[client] for client in clients] if self.noise else None
        return ClientRound(
            self.training,
            number,
            [self.numbers[client] for client in clients],
            batches=None if order is None else lambda place: order(self.training.seed, known[place], number),
            noise=None if noise is None else lambda: noise,
            ends_hub_half=True,
        )


@dataclass(frozen=True, slots=True)
class SharedArrays:
    """What a process shares with the others: what it reads, and its own sums.

    Attributes:
        incoming: (P,) parameters that the round starts from.
        total: (P,) sum of its clients' updates, in `STEP`.
        updates: (n, P) parameters of all clients, or None.
        private: (n, p) private parameters of all clients.
        personal: (n, P) personal copies of all clients; (n, 0) without Ditto.
        mean_state: (P,) the mean over all clients of the state that the algorithm averages (SCAFFOLD's control); (0,)
            where there is none, as for `state_change`.
        state_change: (P,) sum of the changes of its clients' own, in `STEP`, over the number of clients.
    """

    incoming: np.ndarray
    total: np.ndarray
    updates: np.ndarray | None
    private: np.ndarray
    personal: np.ndarray
    mean_state: np.ndarray
    state_change: np.ndarray


class Worker:
    """The blocks of one process."""

    def __init__(self, job: ClientPoolJob, blocks: Sequence[range], memory: SharedArrays) -> None:
        self._job, self._memory = job, memory
        self._blocks = [(block, _batch(job, block)) for block in blocks]
        self._shares = job.weights / job.weights.sum()
        nothing = np.zeros(job.layout.size, np.float32)
        self._states = {
            block: ClientState.first(job.training, job.layout, nothing, len(block)) for block in blocks
        }  # private parameters and copies are in the shared memory

    def round(self, number: int) -> dict[str, Any]:
        """Adds up what these clients learned; who was refused, the metrics, the effective steps where they count."""
        self._memory.total[:] = 0
        self._memory.state_change[:] = 0
        answer: dict[str, Any] = {"refused": {}, "metrics": {}, "effective": {}}
        for block, rows in self._blocks:
            result = client_round(
                self._memory.incoming, self._state(block), rows, self._job.layout, self._course(block, rows, number)
            )
            answer["refused"] |= {block[place]: why for place, why in result.refused.items()}
            answer["metrics"] |= {block[place]: told for place, told in result.metrics.items()}
            if self._job.half is not None and self._job.half.scale is not None:
                answer["effective"] |= dict(zip(block, result.effective.tolist(), strict=True))
            self._settle(block, result)
        return answer

    def _course(self, block: range, rows: ClientBatch, number: int) -> ClientRound:
        job = self._job
        measure = measured_on(rows, job.training, job.layout) if job.measures else None
        return replace(
            job.course(block, number), measure=measure, mean=self._memory.mean_state if job.averages else None
        )

    def _state(self, block: range) -> ClientState:
        own = slice(block.start, block.stop)
        return replace(self._states[block], private=self._memory.private[own], personal=self._memory.personal[own])

    def _settle(self, block: range, result: RoundResult) -> None:
        """Adds a block's updates, and keeps its clients' states. The result's updates are used up."""
        memory, own, averages = self._memory, slice(block.start, block.stop), self._job.averages
        if memory.updates is not None:
            memory.updates[own] = np.where(result.accepted[:, None], result.trained, 0)
        if averages:
            change = result.state.algorithm[averages] - self._states[block].algorithm[averages]
            add_updates(change, np.full(len(block), 1.0 / len(self._job.rows)), memory.state_change)
        memory.private[own], memory.personal[own] = result.state.private, result.state.personal
        self._states[block] = result.state
        add_updates(result.updates, np.where(result.accepted, self._shares[own], 0.0), memory.total)


def _batch(job: ClientPoolJob, block: range) -> ClientBatch:
    return held([job.rows[client] for client in block], job.training.steps, job.training.network)
