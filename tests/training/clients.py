"""Small clients for tests of steps: their rows, their batches, and their parameters after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from fedsov.algorithms.local_steps import LocalSteps, shuffled
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import TrainingFailed
from fedsov.model.embeddings import Embedding
from fedsov.model.network import NetworkSpec, Parameters, initial, shapes
from fedsov.model.parameters import flat, named
from fedsov.privacy.mechanism import Clipping, RecordMechanism, noise_generator, unsafe_noise_generator
from fedsov.training.client_round import ClientRound, client_round
from fedsov.training.client_state import ClientState, Layout
from fedsov.training.engine import Rows, advance, held

STEPS = LocalSteps(learning_rate=0.1, momentum=0.9, batch=8, epochs=2, weight_decay=0.01)
SIZES = (40, 5, 19, 40)
EMBEDDED = NetworkSpec("mlp", (6, 5), embeddings=(Embedding(1, 7, 3), Embedding(3, 2, 4)))
GAPPED = NetworkSpec("mlp", (1024, 20))
"""A network with a layer whose rows have gaps between them while it is trained."""


def task(loss: str, outputs: int, rows: int, seed: int) -> Rows:
    """Rows of 4 inputs, and outcomes as the loss has them."""
    rng = np.random.default_rng(seed)
    y = {
        "binary": rng.integers(0, 2, rows),
        "multiclass": rng.integers(0, outputs, rows),
        "multilabel": rng.integers(0, 2, (rows, outputs)),
        "regression": rng.normal(size=(rows, outputs)),
    }[loss]
    return rng.normal(size=(rows, 4)), y


def coded(size: int, seed: int) -> Rows:
    """Rows of which the inputs 1 and 3 are codes of few levels, so that many rows of a batch share one."""
    X, y = task("binary", 1, size, seed)
    rng = np.random.default_rng(seed)
    X[:, 1], X[:, 3] = rng.integers(0, 7, size), rng.integers(0, 2, size)
    return X, y


def run(
    spec: NetworkSpec,
    steps: LocalSteps,
    rows: Sequence[Rows],
    batches: Sequence[Sequence[np.ndarray]],
    *,
    dtype: type = np.float64,
    **how: Any,
) -> np.ndarray:
    """(K, P) parameters after the steps; all clients start alike."""
    start = flat(initial(spec, 4, 3), shapes(spec, 4), dtype)
    parameters = torch.from_numpy(np.tile(start, (len(rows), 1)))
    advance(parameters, held(rows, steps, spec, dtype), batches, steps, spec=spec, **how)
    trained: np.ndarray = parameters.numpy()
    return trained


def orders(rows: Sequence[Rows], steps: LocalSteps) -> list[list[np.ndarray]]:
    """Each client's rows by step, drawn from its place."""
    return [shuffled(len(y), steps, np.random.default_rng(place)) for place, (_, y) in enumerate(rows)]


def both(
    spec: NetworkSpec, steps: LocalSteps, rows: Sequence[Rows], batches: Sequence[Sequence[np.ndarray]], **how: Any
) -> Iterator[np.ndarray]:
    """What the closed form gives, and what autograd gives."""
    return (run(spec, steps, rows, batches, closed_form=form, **how) for form in (True, False))


def clipping(clip: float, noise: float, rows: Sequence[Rows], rate: float, seed: int = 0) -> Clipping:
    """The same bound and noise for every client, with a generator of its own."""
    generators = [np.random.default_rng((seed, place)) for place in range(len(rows))]
    return Clipping(clip, [noise] * len(rows), [rate * len(y) for _, y in rows], generators)


def one_round(
    parameters: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    steps: LocalSteps,
    *,
    spec: NetworkSpec,
    number: int = 1,
    noise: RecordMechanism | None = None,
    chance: Callable[[], np.random.Generator] = noise_generator,
) -> Parameters:
    """What a region's parameters are after one round by itself. Raises TrainingFailed where they are refused."""
    training = TrainingSpec(spec, steps, rounds=number)
    layout = Layout.of(training, X.shape[1])
    incoming = flat(parameters, layout.shaped)
    course = ClientRound(training, number, [0], noise=None if noise is None else lambda: [noise], chance=chance)
    state = ClientState.first(training, layout, incoming, 1)
    result = client_round(incoming, state, held([(X, y)], steps, spec), layout, course)
    if result.refused:
        raise TrainingFailed(result.refused[0])
    return named(result.trained[0], layout.shaped)


def noisy_round(
    parameters: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    steps: LocalSteps,
    mechanism: RecordMechanism,
    *,
    spec: NetworkSpec,
    seed: int = 0,
) -> Parameters:
    """The same with the steps of a mechanism, whose samples and noise one generator of this seed draws in turn."""
    rng = unsafe_noise_generator(seed)
    return one_round(parameters, X, y, steps, spec=spec, noise=mechanism, chance=lambda: rng)


def logistic_by_hand(
    X: np.ndarray, y: np.ndarray, batches: Sequence[Sequence[Sequence[np.ndarray]]], steps: LocalSteps
) -> np.ndarray:
    """(D + 1,) weights and bias after steps of one client, each the mean of its batches' gradients by rows."""
    start = initial(NetworkSpec("logistic"), 4, 3)
    w, v = np.concatenate([start["0.weight"].ravel(), start["0.bias"]]).astype(float), np.zeros(5)
    whole = np.hstack([X, np.ones((len(X), 1))])
    for together in batches:
        sums = [((1 / (1 + np.exp(-whole[rows] @ w)) - y[rows]) @ whole[rows], len(rows)) for rows in together]
        gradient = sum(part for part, _ in sums) / sum(count for _, count in sums)
        v = steps.momentum * v + gradient + steps.weight_decay * np.append(w[:4], 0.0)
        w = w - steps.learning_rate * v
    return w
