"""The likelihood ratio attack: is a row's score more like those of models that saw it, or of models that did not?

Carlini et al. 2022 (https://arxiv.org/abs/2112.03570), algorithm 1 (online) and its offline form. Shadow models are
trained as the attacked one on random halves of the same rows. A row's score is the logit of the probability that a
model gives to its true outcome, which is about normal over models; two normals are fitted to a row's scores under
models that saw it and models that did not. With fewer than 64 models of a kind a variance of its own would be mostly
noise: one variance is then shared by all rows (their section VI-B).

Here everything is numpy; `fedsov.attacks.shadow_models` trains the models.
"""

from __future__ import annotations

import numpy as np

OWN_VARIANCE = 64
"""Models of a kind from which on a row has a variance of its own."""
_LEAST = 1e-6  # of a standard deviation: where all models agree to the bit, any difference is evidence enough


def right_logits(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) of the probability p of the true outcome.

    Args:
        logits: (..., N) of an outcome of 1.
        y: (N,) of 0 and 1.
    """
    return np.where(np.asarray(y) > 0.5, logits, -np.asarray(logits, np.float64))


def online(target: np.ndarray, shadows: np.ndarray, members: np.ndarray) -> np.ndarray:
    """(N,) log likelihood ratios: how much more likely the target's scores are, had it seen the row.

    Args:
        target: (N,) scores of the attacked model, as `right_logits`.
        shadows: (K, N) scores of the shadow models.
        members: (K, N) bool, which shadow model saw which row; each row is seen and unseen by 2 models or more.

    Raises:
        ValueError: a row has fewer models of a kind than 2.
    """
    mean_in, spread_in = _normal(shadows, members)
    mean_out, spread_out = _normal(shadows, ~members)
    ratios: np.ndarray = _log_density(target, mean_in, spread_in) - _log_density(target, mean_out, spread_out)
    return ratios


def offline(target: np.ndarray, shadows: np.ndarray, members: np.ndarray) -> np.ndarray:
    """(N,) standard scores of the target among models that did not see the row; no model need have seen it.

    Equal in order to the paper's 1 - P(score of such a model > the target's). Arguments as of `online`.
    """
    mean, spread = _normal(shadows, ~members)
    scores: np.ndarray = (np.asarray(target, np.float64) - mean) / spread
    return scores


def _normal(scores: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) mean and standard deviation over the chosen models of each row."""
    counts = chosen.sum(axis=0)
    if counts.min(initial=2) < 2:
        raise ValueError(f"expected 2 shadow models or more that saw each row, and as many that did not; got {counts}")
    mean = np.where(chosen, scores, 0.0).sum(axis=0) / counts
    squares = np.where(chosen, np.square(scores - mean), 0.0).sum(axis=0)
    own = squares / (counts - 1)
    shared = squares.sum() / (counts - 1).sum()
    return mean, np.maximum(np.sqrt(np.where(counts >= OWN_VARIANCE, own, shared)), _LEAST)


def _log_density(x: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Of a normal distribution, less the constant log sqrt(2 pi)."""
    density: np.ndarray = -np.square((np.asarray(x, np.float64) - mean) / spread) / 2.0 - np.log(spread)
    return density
