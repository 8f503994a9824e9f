"""One process's share of virtual clients: their steps in a round, and the sum of what they learned.

Its clients are in blocks, each stepped as one stack. A sum is of whole numbers, each an update's number times the
client's share, counted in `STEP`: the same bits in whichever order they are added. What is read and what is summed is
memory that all processes share (`Memory`); private parameters and personal copies are in it too, while what SCAFFOLD
and compression remember of a client stays with the process that steps it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from fedsov.errors import FedsovError
from fedsov.federation.job import Job
from fedsov.model import corrections
from fedsov.model.losses import loss_named, weights_of
from fedsov.model.metrics import auc
from fedsov.model.network import build, load, shapes
from fedsov.privacy.mechanism import noise_generator
from fedsov.training import engine
from fedsov.training.closed_form import ClientBatch, Clipping
from fedsov.training.compression import chance, packed, unpacked
from fedsov.training.engine import Pull
from fedsov.training.steps import LocalSteps, shuffled

STEP = 2.0**-40
"""What sums are counted in: an update's number is rounded to it, and may be up to `LARGEST`."""
LARGEST = 2.0**20
COLUMNS = 2**14
"""Numbers of a piece that is worked on while it is in a core's cache."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process shares with the others: what it reads, and its own sums.

    Attributes:
        incoming: (P,) parameters that the round starts from.
        total: (P,) sum of its clients' updates, in `STEP`.
        updates: (n, P) parameters of all clients, or None.
        kept: (n, p) private parameters of all clients.
        copies: (n, P) personal copies of all clients; (n, 0) without Ditto.
        control: (P,) the common control variate; none without SCAFFOLD, as for `turn`.
        turn: (P,) sum of its clients' changes of their own, in `STEP`.
    """

    incoming: np.ndarray
    total: np.ndarray
    updates: np.ndarray | None
    kept: np.ndarray
    copies: np.ndarray
    control: np.ndarray
    turn: np.ndarray


class Part:
    """The blocks of one process."""

    def __init__(self, job: Job, blocks: Sequence[range], memory: Memory) -> None:
        self._job, self._memory, self._private = job, memory, job.own()
        self._blocks = [(block, _held(job, block)) for block in blocks]
        self._shares = job.weights / job.weights.sum()
        self._controls = {block: np.zeros((len(block), len(memory.control)), np.float32) for block in blocks}
        self._sent = job.sent() if job.compression.name != "none" else np.empty(0, dtype=int)
        late = len(self._sent) if job.compression.remembers else 0
        self._late = {block: np.zeros((len(block), late), np.float32) for block in blocks}

    def serve(self, line: Connection) -> None:
        """Answers until the other end closes. Problems that name themselves are told; others end the process."""
        with closing(line), suppress(EOFError):
            while True:
                asked = json.loads(line.recv_bytes())
                try:
                    told = self.round(asked["round"])
                except FedsovError as error:
                    told = {"error": str(error)}
                line.send_bytes(json.dumps(told).encode())

    def round(self, number: int) -> dict[str, Any]:
        """Adds up what these clients learned; who was refused, the metrics, how far FedNova says that each went."""
        self._memory.total[:] = 0
        self._memory.turn[:] = 0
        told: dict[str, Any] = {"refused": {}, "metrics": {}, "lengths": {}}
        steps = self._job.steps_of(number)
        for block, rows in self._blocks:
            begun = np.tile(self._memory.incoming, (len(block), 1))
            begun[:, self._private] = self._memory.kept[block.start : block.stop]
            if self._job.measures:
                told["metrics"] |= _measured(self._job, block, rows, begun)
            batches = [self._job.batches(client, number) for client in block]
            pull = _pull(self._job, block, rows)
            if self._job.correction == "scaffold":
                pull = replace(pull, drift=_tensor(self._memory.control - self._controls[block]))
            copies = self._beside(block, rows, begun, steps, number)
            stepped = _stepped(self._job, number, rows, begun, batches, pull)
            taken = np.array([len(one) for one in batches])
            late = self._compressed(block, stepped, number)
            stepped[~np.isfinite(copies).all(axis=1)] = np.nan  # as in a run: whose copy went astray sends nothing
            refused = self._settle(block, stepped, taken, told["lengths"], rate=steps.learning_rate)
            good = np.array([client not in refused for client in block])
            self._late[block][good] = late[good]
            self._memory.copies[block.start : block.stop][good] = copies[good]
            told["refused"] |= refused
        return told

    def _beside(self, block: range, rows: ClientBatch, begun: np.ndarray, steps: LocalSteps, number: int) -> np.ndarray:
        """(K, P) personal copies after a round's steps under a pull to the models that they begin with (Ditto).

        Noise is for what leaves; copies stay, and have none, nor rows drawn for it.
        """
        job, copies = self._job, self._memory.copies[block.start : block.stop].copy()
        if job.ditto_lambda is None:
            return copies
        pulled, pull = replace(steps, proximal_mu=job.ditto_lambda), Pull(anchor=_tensor(begun.copy()))
        batches = [job.ordinary(client, number) for client in block]
        engine.advance(_tensor(copies), rows, batches, pulled, spec=job.spec, frozen=job.frozen, pull=pull)
        return copies

    def _compressed(self, block: range, stepped: np.ndarray, number: int) -> np.ndarray:
        """Puts what arrives in the place of the (K, P) that was trained; what each client now keeps back.

        What is not finite, or as good as that, is left for `_refused` to find.
        """
        how, places, late = self._job.compression, self._sent, self._late[block].copy()
        incoming = self._memory.incoming[places]
        for row, client in enumerate(block if len(places) else ()):
            with np.errstate(over="ignore", invalid="ignore"):
                change = stepped[row, places] - incoming
            if np.abs(change).max() < LARGEST:
                rng = chance(self._job.seed, client=client, round=number)
                found = packed(change, how, rng=rng, residual=late[row])
                stepped[row, places] = incoming + unpacked(found.arrays, len(places), how)
                late[row] = found.residual
        return late

    def _settle(
        self, block: range, stepped: np.ndarray, taken: np.ndarray, lengths: dict[int, float], *, rate: float
    ) -> dict[int, str]:
        """Adds a block's updates; the clients that are refused. `stepped` is used up, `lengths` gains the block's."""
        memory, mine, private = self._memory, slice(block.start, block.stop), self._private
        own, kept = stepped[:, private], memory.kept[mine]
        stepped[:, private] = memory.incoming[private]  # what is private is not summed
        if memory.updates is not None:
            memory.updates[mine] = stepped
        moved = np.subtract(stepped, memory.incoming, out=stepped)
        refused = _refused(block, moved, own - kept, self._job.bound)
        good = np.array([client not in refused for client in block])
        kept[good] = own[good]
        moved[~good] = 0
        if memory.updates is not None:
            memory.updates[mine][~good] = 0
        shares = np.where(good, self._shares[mine], 0.0)
        far = corrections.lengths(taken, self._job.steps.momentum)
        if self._job.correction == "fednova":
            lengths |= dict(zip(block, far.tolist(), strict=True))
            shares = corrections.normalised(shares, far)
        if self._job.correction == "scaffold":
            turn = corrections.turn(memory.control, moved, far[:, None], rate)
            self._controls[block][good] += turn[good]
            _count(turn, np.where(good, 1.0 / len(self._job.rows), 0.0), memory.turn)
        _count(moved, shares, memory.total)
        return refused


def _tensor(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values)


def _held(job: Job, block: range) -> ClientBatch:
    return engine.held([job.rows[client] for client in block], job.steps, job.spec)


def _weighed(rows: ClientBatch, steps: LocalSteps) -> ClientBatch:
    """The same rows, counted as these steps count their classes."""
    weights = weights_of(rows.targets.numpy(), steps.class_weights, steps.loss)
    return replace(rows, weights=None if weights is None else _tensor(np.asarray(weights, dtype=np.float32)))


def _stepped(
    job: Job, number: int, rows: ClientBatch, begun: np.ndarray, batches: Sequence[Sequence[np.ndarray]], pull: Pull
) -> np.ndarray:
    """(K, P) parameters of a block's clients after their steps, in place of those that they begin with."""
    parameters, steps, first = _tensor(begun), job.steps_of(number), job.first_of(number)
    if first is not None and job.private:
        alone = [shuffled(int(size), first, np.random.default_rng(first.seed)) for size in rows.sizes]
        shared = shapes(job.spec, job.inputs).keys() - job.private
        weighed = rows if first.class_weights == job.steps.class_weights else _weighed(rows, first)
        engine.advance(parameters, weighed, alone, first, spec=job.spec, frozen=shared)
    frozen = job.frozen | job.private if job.alternates else job.frozen
    engine.advance(parameters, rows, batches, steps, spec=job.spec, frozen=frozen, pull=pull)
    return begun


def _pull(job: Job, block: range, rows: ClientBatch) -> Pull:
    """The noise of a block's clients."""
    if not job.noise:
        return Pull()
    mine = [job.noise[client] for client in block]
    expected = [one.expected_batch(int(size)) for one, size in zip(mine, rows.sizes, strict=True)]
    return Pull(Clipping(mine[0].clip, [one.stddev for one in mine], expected, [noise_generator() for _ in mine]))


def _count(moved: np.ndarray, shares: np.ndarray, total: np.ndarray) -> None:
    """Adds (K, P) updates, each times its share, to the (P,) sums of whole `STEP`s, in place. All are finite."""
    counted = shares[:, None] / STEP
    high = max(1, COLUMNS // moved.shape[1])  # pieces that stay in the cache
    for first in range(0, len(moved), high):
        for start in range(0, moved.shape[1], COLUMNS):
            piece = slice(first, first + high), slice(start, start + COLUMNS)
            part = moved[piece].astype(np.float64)
            part *= counted[piece[0]]
            whole = np.rint(part, out=part).astype(np.int64)
            total[piece[1]] += whole[0] if len(whole) == 1 else whole.sum(axis=0)


def _refused(block: range, moved: np.ndarray, own: np.ndarray, bound: float) -> dict[int, str]:
    """The clients whose updates (K, P) are not finite, too large to be added, or longer than the bound.

    How far what is private moved, (K, p) `own`, is no part of an update and in no bound, but must be finite too.
    """
    found = {}
    with np.errstate(over="ignore", invalid="ignore"):
        squares = [float(row @ row) for row in moved]
        norms = [math.sqrt(square) if math.isfinite(square) else math.inf for square in squares]
    for client, row, norm, stayed in zip(block, moved, norms, own, strict=True):
        is_large = norm >= LARGEST / 2 and np.abs(row).max() >= LARGEST
        if not math.isfinite(norm) or is_large or not np.abs(stayed).max(initial=0.0) < LARGEST:
            found[client] = "its update is not finite, or as good as that; lower the learning rate"
        elif norm > bound:
            found[client] = f"its update is {norm:.3g} long; at most {bound:.3g} is accepted"
    return found


def _measured(job: Job, block: range, rows: ClientBatch, begun: np.ndarray) -> dict[int, dict[str, float]]:
    """The mean loss and AUC on each client's rows of the model that it begins with."""
    import torch

    shaped, module, found = shapes(job.spec, job.inputs), build(job.spec, job.inputs), dict[int, dict[str, float]]()
    for client, start, size, parameters in zip(block, rows.starts, rows.sizes, begun, strict=True):
        mine = slice(start, start + size)
        load(module, engine.named(parameters, shaped))
        with torch.inference_mode():
            logits = module(rows.X[mine])
            losses = loss_named(job.steps.loss).parts(logits, rows.targets[mine])
        found[client] = {"loss": float(losses.mean())}
        if job.steps.loss == "binary":
            score = auc(rows.targets[mine, 0].numpy(), logits[:, 0].numpy())
            found[client]["auc"] = float("nan") if score is None else score
    return found
