"""Many models trained alike on parts of the same rows: what attacks on a model are made with.

All models are clients of one stack (`fedsov.training.engine`): a (K, P) tensor steps at once in closed form, and the
rows are held once for all. So 64 shadow models of some thousand rows take seconds, and they take the very steps,
clipping, sampling and noise of the training that is attacked.

Every model begins at the same parameters: in a federation the hub sends them, so an attacker there knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps, poisson, shuffled
from fedsov.errors import TrainingFailed
from fedsov.model.network import NetworkSpec, Parameters, initial, shapes
from fedsov.model.parameters import flat, named
from fedsov.privacy.mechanism import Clipping, RecordMechanism, noise_generator
from fedsov.training.engine import advance, held, predict
from fedsov.training.step_batches import ClientBatch


@dataclass(frozen=True, slots=True)
class AttackedTraining:
    """The training that is attacked.

    Attributes:
        network: layered, of one output.
        steps: plain ones; with a mechanism its batch and epochs are not used.
        mechanism: clips, samples and adds noise; None for plain steps.
        generators: makes the generator of a model's samples and noise, where there is a mechanism; the default cannot
            be repeated, on purpose.
    """

    network: NetworkSpec = field(default_factory=NetworkSpec)
    steps: LocalSteps = field(default_factory=LocalSteps)
    mechanism: RecordMechanism | None = None
    generators: Callable[[], np.random.Generator] = noise_generator


def train_many(
    X: np.ndarray,
    y: np.ndarray,
    members: Sequence[np.ndarray],
    training: AttackedTraining,
    *,
    expected_rows: int,
    seed: int,
) -> np.ndarray:
    """(K, P) float32 parameters of K models.

    Args:
        X, y: (N, D) inputs and (N,) outcomes of 0 and 1.
        members: for each model, the places of the rows it is trained on.
        expected_rows: what a private step's expected batch is reckoned from; a constant, for with the number of
            members itself one record more would move the divisor too.
        seed: of the first parameters, and of each model's order of rows.

    Raises:
        TrainingFailed: a model has no rows, or parameters that are not finite.
    """
    import torch

    if any(not len(rows) for rows in members):
        raise TrainingFailed("a shadow model has no rows; give more rows")
    spec, pool = training.network, held([(X, y)], training.steps, training.network)
    start = flat(initial(spec, X.shape[1], seed), shapes(spec, X.shape[1]))
    parameters = torch.from_numpy(np.tile(start, (len(members), 1)))
    sizes = np.array([len(rows) for rows in members])
    rows = ClientBatch(pool.X, pool.targets, pool.weights, np.zeros(len(members), dtype=np.int64), sizes)
    clipping, batches = _steps(members, training, expected_rows=expected_rows, seed=seed)
    advance(parameters, rows, batches, training.steps, spec=spec, terms=GradientTerms(clipping))
    trained: np.ndarray = parameters.numpy()
    if not np.isfinite(trained).all():
        raise TrainingFailed("a shadow model's parameters are not finite; lower the learning rate")
    return trained


def _steps(
    members: Sequence[np.ndarray], training: AttackedTraining, *, expected_rows: int, seed: int
) -> tuple[Clipping | None, list[list[np.ndarray]]]:
    """How records are bounded, and for each model the places of the rows of each of its steps."""
    mechanism = training.mechanism
    if mechanism is None:
        orders = (np.random.default_rng([seed, number]) for number in range(len(members)))
        drawn = [shuffled(len(rows), training.steps, rng) for rows, rng in zip(members, orders, strict=True)]
        return None, _placed(members, drawn)
    generators = [training.generators() for _ in members]
    rate, steps = mechanism.sampling_rate, mechanism.steps
    drawn = [poisson(len(rows), rate, steps, rng) for rows, rng in zip(members, generators, strict=True)]
    expected = [mechanism.expected_batch(expected_rows)] * len(members)
    return Clipping(mechanism.clip, [mechanism.stddev] * len(members), expected, generators), _placed(members, drawn)


def _placed(members: Sequence[np.ndarray], drawn: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    return [[rows[chosen] for chosen in batches] for rows, batches in zip(members, drawn, strict=True)]


def parameters_of(row: np.ndarray, spec: NetworkSpec, inputs: int) -> Parameters:
    """One model's (P,) parameters by name."""
    return named(row, shapes(spec, inputs))


def logits_of(trained: np.ndarray, X: np.ndarray, spec: NetworkSpec) -> np.ndarray:
    """(K, N) logits of (N, D) inputs by (K, P) models."""
    inputs = np.asarray(X, np.float32)
    return np.stack([predict(parameters_of(row, spec, X.shape[1]), inputs, spec) for row in trained])


def halves(rows: int, models: int, rng: np.random.Generator) -> np.ndarray:
    """(models, rows) bool: each model's half of the rows; every second model has the other half of the one before it.

    So of an even number of models exactly half saw each row.
    """
    chosen = np.zeros((models, rows), dtype=bool)
    for model in range(0, models, 2):
        chosen[model, rng.permutation(rows)[: rows // 2]] = True
        if model + 1 < models:
            chosen[model + 1] = ~chosen[model]
    return chosen
