"""Many virtual clients in a few processes: one round of local steps for all of them, and the sum of what they learned.

The clients are dealt into blocks that are stepped as one stack (`fedsov.training.stacked`), the blocks to as many
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
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, Pipe
from types import TracebackType
from typing import Any

import numpy as np

from fedsov.errors import FedsovError, TrainingFailed
from fedsov.federation.job import Job
from fedsov.model import corrections
from fedsov.model.network import build, load, shapes
from fedsov.privacy.mechanism import noise_generator
from fedsov.training import engine
from fedsov.training.compression import chance, packed, unpacked
from fedsov.training.engine import Clipping, Held, Pull
from fedsov.training.losses import loss_named, weights_of
from fedsov.training.measure import auc
from fedsov.training.steps import LocalSteps, shuffled

STEP = 2.0**-40
"""What sums are counted in: an update's number is rounded to it, and may be up to `LARGEST`."""
LARGEST = 2.0**20
_STACK, _BLOCKS, _FLOATS, _COLUMNS = 64, 16, 2**23, 2**14


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
        self, job: Job, parameters: np.ndarray, *, processes: int | None = None, keeps_updates: bool = False
    ) -> None:
        """Forks the processes.

        Args:
            parameters: (P,) float32 first ones; of each client's `kept`, (n, p), the private ones begin with them.
            processes: at most so many, this one among them; by default the cores of this machine.
            keeps_updates: each round gives every client's parameters too, for robust means.
        """
        import torch

        torch.set_num_threads(1)
        self._job, self._size = job, sum(map(math.prod, shapes(job.spec, job.inputs).values()))
        blocks = blocks_of(len(job.rows), self._size)
        count = max(1, min(processes or len(os.sched_getaffinity(0)), len(blocks)))
        self._incoming = _shared((self._size,), np.float32)
        self._sums = _shared((count, self._size), np.int64)
        controls = job.correction == "scaffold"
        self._control = _shared((self._size if controls else 0,), np.float32)
        self._turns = _shared((count, self._size if controls else 0), np.int64)
        self._updates = _shared((len(job.rows), self._size), np.float32) if keeps_updates else None
        self.kept = _shared((len(job.rows), len(job.own())), np.float32)
        self.kept[:] = parameters[job.own()]
        self.copies = _shared((len(job.rows), 0 if job.ditto_lambda is None else self._size), np.float32)
        self.copies[:] = parameters[: self.copies.shape[1]]
        self._lines: list[tuple[int, Connection]] = []
        for place in range(1, count):
            self._lines.append(self._forked(place, blocks[place::count]))
        self._own = self._part(0, blocks[0::count])

    def _part(self, place: int, blocks: Sequence[range]) -> _Part:
        sums, turn, several = self._sums[place], self._turns[place], (self._updates, self.kept, self.copies)
        return _Part(self._job, blocks, _Memory(self._incoming, sums, *several, self._control, turn))

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
        if self._job.correction == "fednova":
            lengths = {int(client): length for one in told for client, length in one["lengths"].items()}
            kept = [client for client in range(len(self._job.rows)) if client not in refused]
            scale *= corrections.reach(self._job.weights[kept], np.array([lengths[client] for client in kept]))
        mean = np.empty_like(self._incoming)
        for start in range(0, self._size, _COLUMNS):  # pieces that stay in the cache
            part = slice(start, start + _COLUMNS)
            total = sum(self._sums[1:, part], start=self._sums[0, part])  # whole numbers: in any order the same
            moved = total.astype(np.float64)
            moved *= STEP * scale
            mean[part] = moved + parameters[part]
        if self._job.correction == "scaffold":
            self._control += (self._turns.sum(axis=0) * STEP).astype(np.float32)
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


@dataclass(frozen=True, slots=True)
class _Memory:
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


class _Part:
    """One process's blocks."""

    def __init__(self, job: Job, blocks: Sequence[range], memory: _Memory) -> None:
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

    def _beside(self, block: range, rows: Held, begun: np.ndarray, steps: LocalSteps, number: int) -> np.ndarray:
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


def _held(job: Job, block: range) -> Held:
    return engine.held([job.rows[client] for client in block], job.steps, job.spec)


def _weighed(rows: Held, steps: LocalSteps) -> Held:
    """The same rows, counted as these steps count their classes."""
    weights = weights_of(rows.targets.numpy(), steps.class_weights, steps.loss)
    return replace(rows, weights=None if weights is None else _tensor(np.asarray(weights, dtype=np.float32)))


def _stepped(
    job: Job, number: int, rows: Held, begun: np.ndarray, batches: Sequence[Sequence[np.ndarray]], pull: Pull
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


def _pull(job: Job, block: range, rows: Held) -> Pull:
    """The noise of a block's clients."""
    if not job.noise:
        return Pull()
    mine = [job.noise[client] for client in block]
    expected = [one.expected_batch(int(size)) for one, size in zip(mine, rows.sizes, strict=True)]
    return Pull(Clipping(mine[0].clip, [one.stddev for one in mine], expected, [noise_generator() for _ in mine]))


def _count(moved: np.ndarray, shares: np.ndarray, total: np.ndarray) -> None:
    """Adds (K, P) updates, each times its share, to the (P,) sums of whole `STEP`s, in place. All are finite."""
    counted = shares[:, None] / STEP
    high = max(1, _COLUMNS // moved.shape[1])  # pieces that stay in the cache
    for first in range(0, len(moved), high):
        for start in range(0, moved.shape[1], _COLUMNS):
            piece = slice(first, first + high), slice(start, start + _COLUMNS)
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


def _measured(job: Job, block: range, rows: Held, begun: np.ndarray) -> dict[int, dict[str, float]]:
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
