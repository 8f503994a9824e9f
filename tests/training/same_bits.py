"""What is the same bits on one processor, and what up to rounding; run in a process of its own, under any settings.

    $ MKL_CBWR=COMPATIBLE python -m tests.training.same_bits      # prints a digest of all that was trained

The numbers' own digests differ between processors and settings; that two processes under the same ones agree is for the
caller to compare. Every other claim is looked at here, and what does not hold ends the process with its name.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

import fedsov
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.model.embeddings import Embedding
from fedsov.model.network import NetworkSpec, initial
from fedsov.training.engine import train_one
from tests.training.clients import GAPPED, STEPS, coded, orders, run

ROUNDING = 1e-6
TABLES = (Embedding(1, 7, 3), Embedding(3, 2, 4))
NETWORKS = [
    NetworkSpec(),
    NetworkSpec(embeddings=TABLES),
    NetworkSpec("mlp", (8, 4)),
    NetworkSpec("mlp", (150, 120), embeddings=TABLES),
    GAPPED,
]
OTHERS = [NetworkSpec("cnn", (2,)), NetworkSpec("ft_transformer", (4, 1))]
SIZES = (40, 5, 333, 64, 1)
SUBSETS: Sequence[Sequence[int]] = ([0], [4, 0, 2], [3, 2])


def bits(*arrays: np.ndarray) -> str:
    """A digest of the arrays' bytes."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def stacked(spec: NetworkSpec) -> str:
    """Equal stacks give equal bits; stacked with others, a client's parameters differ by rounding."""
    rows, steps = [coded(size, place) for place, size in enumerate(SIZES)], replace(STEPS, batch=64)
    batches = orders(rows, steps)
    together = run(spec, steps, rows, batches, dtype=np.float32)
    again = run(spec, steps, [(X.copy(), y) for X, y in rows], batches, dtype=np.float32)
    if not np.array_equal(together, again):
        sys.exit(f"{spec}: two equal stacks differ")
    for chosen in SUBSETS:
        apart = run(spec, steps, [rows[k] for k in chosen], [batches[k] for k in chosen], dtype=np.float32)
        if np.abs(apart - together[chosen]).max() > ROUNDING:
            sys.exit(f"{spec}: clients {chosen} differ by more than rounding where they are stacked without the others")
    return bits(together)


def federated(spec: NetworkSpec) -> str:
    """A training over virtual clients is the same bits with one process and with two."""
    rng = np.random.default_rng(0)
    clients = [(rng.normal(size=(size, 4)), rng.integers(0, 2, size)) for size in (70, 9, 31, 64, 5, 40)]
    steps, each = LocalSteps(batch=16), list[np.ndarray]()
    for processes in (1, 2):
        fitted = fedsov.federate(spec, clients, rounds=2, steps=steps, work=fedsov.Work(processes=processes))
        each.append(np.concatenate([array.ravel() for array in fitted.parameters.values()]))
    if not np.array_equal(*each):
        sys.exit(f"{spec}: another number of processes gives other bits")
    return bits(each[0])


def alone(spec: NetworkSpec) -> str:
    """A region's own steps are the same bits each time."""
    X, y = coded(64, 3)
    first = initial(spec, 4, 0)
    trained = [train_one(first, X, y, LocalSteps(seed=5), spec=spec) for _ in range(2)]
    if any(not np.array_equal(trained[0][name], trained[1][name]) for name in first):
        sys.exit(f"{spec}: the same steps of one region differ")
    return bits(*trained[0].values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    digests = [stacked(spec) for spec in NETWORKS] + [alone(spec) for spec in (*NETWORKS, *OTHERS)]
    digests += [federated(spec) for spec in (NETWORKS[2], OTHERS[0])]
    print(hashlib.sha256("".join(digests).encode()).hexdigest())
