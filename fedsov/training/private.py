"""Gradient steps that are differentially private for each record.

Clip, noise, sampling and steps are taken from the `RecordMechanism` that is accounted, and from nowhere else; the
arithmetic is the engine's (`fedsov.training.engine`), in closed form where the network has one.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps, poisson
from fedsov.errors import TrainingFailed
from fedsov.model.network import NetworkSpec, Parameters, check
from fedsov.privacy.mechanism import Clipping, RecordMechanism
from fedsov.training import engine


def private_steps(
    arrays: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    steps: LocalSteps,
    mechanism: RecordMechanism,
    *,
    spec: NetworkSpec,
    rng: np.random.Generator,
    frozen: Collection[str] = (),
) -> Parameters:
    """The parameters after all steps of the mechanism; `arrays` itself is not changed.

    Each step draws a Poisson sample (possibly empty), sums clipped gradients of the loss, adds noise, divides by the
    expected batch and descends with momentum (Abadi et al. 2016, algorithm 1). Weight decay and the proximal term know
    no record, and are added after the noise.

    Args:
        arrays: parameters of the network `spec` with D inputs.
        X, y: (N, D) inputs and outcomes as the loss has them.
        steps: learning rate, momentum, decay, proximal term and loss; its batch and epochs are the mechanism's affair.
        rng: draws samples and noise; `fedsov.privacy.mechanism.noise_generator()`.
        frozen: names of parameters that stay as they are; the bound and the noise are of the others.

    Raises:
        TrainingFailed: no rows, parameters of another network, or a number that is not finite.
    """
    if not len(y):
        raise TrainingFailed("a region has no rows to train on; give it rows, or leave it out")
    check(spec, X.shape[1], arrays)
    samples = poisson(len(y), mechanism.sampling_rate, mechanism.steps, rng)
    clipping = Clipping(mechanism.clip, [mechanism.stddev], [mechanism.expected_batch(len(y))], [rng])
    terms = GradientTerms(clipping)
    trained = engine.train_one(arrays, X, y, steps, spec=spec, frozen=frozen, terms=terms, batches=samples)
    check(spec, X.shape[1], trained)
    return trained
