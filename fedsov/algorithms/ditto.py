"""Ditto: every client trains a copy of the network for itself, under a pull to the global model.

The copy minimises the mean loss plus lambda / 2 |copy - global|^2 (Li et al. 2021, algorithm 1,
https://arxiv.org/abs/2012.04221), in the same order of rows as the global model. It is in no update; the hub's half is
FedAvg's.

>>> terms(np.ones(2), 0.5).anchor_weight
0.5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.personalization import Personalization, PrivateParameters, private_only

DITTO_LAMBDA = 0.1


def personalization(options: Mapping[str, float], private: PrivateParameters, update: LocalSteps) -> Personalization:
    """A copy of the network, and the private parameters that were asked for.

    Args:
        options: `ditto_lambda`.

    Raises ConfigurationError as `private_only`.
    """
    weight = float(options.get("ditto_lambda", DITTO_LAMBDA))
    return replace(private_only(private, update), ditto_lambda=weight)


def terms(incoming: np.ndarray, ditto_lambda: float) -> GradientTerms:
    """What acts on the steps of copies: the pull to the (K, P) models that came in.

    Noise is for what leaves; copies stay, and have none.
    """
    return GradientTerms(anchor=incoming, anchor_weight=ditto_lambda)
