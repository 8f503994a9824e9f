"""Gradient steps that are differentially private for each record, in closed form.

For a stack of linear layers with ReLU between them, a record's gradient in a layer is the outer product of the layer's
input a and the loss's derivative d at its output, so its squared norm is (|a|² + 1) |d|² (weights and bias; Goodfellow
2015, https://arxiv.org/abs/1510.01799). Norms cost no more than a step, and no record's gradient is ever formed.

Clip, noise, sampling and steps are taken from the `RecordMechanism` that is accounted, and from nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fedsov.errors import TrainingFailed
from fedsov.model.network import NetworkSpec, Parameters, check
from fedsov.privacy.mechanism import RecordMechanism, clip_factors
from fedsov.training.local import LocalSteps


def private_steps(
    arrays: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    steps: LocalSteps,
    mechanism: RecordMechanism,
    *,
    spec: NetworkSpec,
    rng: np.random.Generator,
) -> Parameters:
    """The parameters after all steps of the mechanism; `arrays` itself is not changed.

    Each step draws a Poisson sample (possibly empty), sums clipped gradients of the logistic loss, adds noise, divides
    by the expected batch and descends with momentum (Abadi et al. 2016, algorithm 1). Weight decay and the proximal
    term know no record, and are added after the noise.

    Args:
        arrays: parameters of the network `spec` with D inputs.
        X, y: (N, D) inputs and (N,) outcomes of 0 and 1.
        steps: learning rate, momentum, decay and proximal term; its batch and epochs are the mechanism's affair.
        rng: draws samples and noise; `fedsov.privacy.mechanism.noise_generator()`.

    Raises:
        TrainingFailed: no rows, parameters of another network, or a number that is not finite.
    """
    if not len(y):
        raise TrainingFailed("a region has no rows to train on; give it rows, or leave it out")
    check(spec, X.shape[1], arrays)
    inputs, outcomes = np.asarray(X, np.float64), np.asarray(y, np.float64)
    start = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    weights, speeds = dict(start), {name: np.zeros_like(array) for name, array in start.items()}
    expected = mechanism.expected_batch(len(y))
    for _ in range(mechanism.steps):
        drawn = rng.random(len(y)) < mechanism.sampling_rate
        summed = clipped_sum(weights, inputs[drawn], outcomes[drawn], clip=mechanism.clip)
        for name, total in summed.items():
            gradient = (total + rng.normal(0.0, mechanism.stddev, total.shape)) / expected
            if weights[name].ndim > 1:
                gradient = gradient + steps.weight_decay * weights[name]
            gradient = gradient + steps.proximal_mu * (weights[name] - start[name])
            speeds[name] = steps.momentum * speeds[name] + gradient
        weights = {name: weight - steps.learning_rate * speeds[name] for name, weight in weights.items()}
    trained = {name: weight.astype(np.float32) for name, weight in weights.items()}
    check(spec, X.shape[1], trained)
    return trained


def clipped_sum(arrays: Mapping[str, np.ndarray], X: np.ndarray, y: np.ndarray, *, clip: float) -> Parameters:
    """The sum over records of each record's gradient, scaled to an L2 norm of at most `clip`; zeros for no records.

    Args:
        arrays: weights and biases by name, in the order of the layers (`fedsov.model.network.shapes`).
        X, y: (B, D) and (B,) float64, B of 0 or more.

    Raises:
        TrainingFailed: a gradient's norm is not finite.
    """
    names = sorted({name.partition(".")[0] for name in arrays}, key=int)
    weights, biases = [arrays[f"{name}.weight"] for name in names], [arrays[f"{name}.bias"] for name in names]
    inputs, signals = _passes(weights, biases, X, y)
    squared = sum(
        (np.square(a).sum(axis=1) + 1.0) * np.square(d).sum(axis=1) for a, d in zip(inputs, signals, strict=True)
    )
    factors = clip_factors(np.sqrt(squared), clip)[:, None]
    found: Parameters = {}
    for name, a, d in zip(names, inputs, signals, strict=True):
        scaled = factors * d
        found[f"{name}.weight"], found[f"{name}.bias"] = scaled.T @ a, scaled.sum(axis=0)
    return found


def _passes(
    weights: Sequence[np.ndarray], biases: Sequence[np.ndarray], X: np.ndarray, y: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Each layer's (B, in) input, and the (B, out) derivative of each record's logistic loss at its output."""
    inputs = [X]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        inputs.append(np.maximum(inputs[-1] @ weight.T + bias, 0.0))
    logits = inputs[-1] @ weights[-1].T + biases[-1]
    signals = [0.5 * (1.0 + np.tanh(0.5 * logits)) - y[:, None]]
    for weight, a in zip(reversed(weights[1:]), reversed(inputs[1:]), strict=True):
        signals.append((signals[-1] @ weight) * (a > 0.0))
    return inputs, signals[::-1]
