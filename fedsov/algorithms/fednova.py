"""FedNova: who took more steps does not pull harder.

FedNova (Wang et al. 2020, https://arxiv.org/abs/2007.07481, section 4) divides each update by the one-norm of the
weights that its gradients have in it (its effective steps: with plain steps their number; with momentum more), and
multiplies their mean by the mean of the effective steps. What each region took of steps follows from its rows and the
steps that all were told, so that the hub does this by itself, and a region says no more than under FedAvg.

>>> update, _ = end({}, np.array([[3.0], [4.0]]), StepsTaken(np.array([3.0, 2.0]), rate=0.1))
>>> update.ravel(), scale(np.array([1.0, 1.0]), np.array([3.0, 2.0]))
(array([1., 2.]), 2.5)
"""

from __future__ import annotations

import numpy as np

from fedsov.algorithms.client_half import ClientHalf, State, StepsTaken, no_terms


def end(state: State, update: np.ndarray, taken: StepsTaken) -> tuple[np.ndarray, State]:
    """Each (K, P) update for one effective step."""
    return update / np.asarray(taken.effective[:, None], dtype=update.dtype), state


def scale(weights: np.ndarray, effective: np.ndarray) -> float:
    """The mean effective steps by weight: how far the mean of normalised updates is followed."""
    return float(weights @ effective / weights.sum())


CLIENT = ClientHalf(no_terms, end, at_hub=True, scale=scale)
