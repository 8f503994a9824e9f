"""A mixture of a region's models: the global one, copies of it tuned to own rows, and models trained alone.

They are weighted on rows that none of them was fitted to (`mixture`). Copies tuned under a proximal term are Ditto's
(Li et al. 2021, https://arxiv.org/abs/2012.04221). Two members are model interpolation (Mansour et al. 2020,
https://arxiv.org/abs/2002.10619); more are chosen greedily (Caruana et al. 2004, "Ensemble selection from libraries of
models", https://doi.org/10.1145/1015330.1015432).

Pure: values in, values out.

>>> greedy_weights([np.array([-1.0, 1.0]), np.array([1.0, -1.0])], np.array([0.0, 1.0]), picks=4)
(1.0, 0.0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import ConfigurationError
from fedsov.model.metrics import log_loss
from fedsov.model.network import NetworkSpec, Parameters
from fedsov.training.engine import predict, train_locally

PICKS = 20
"""Models that the greedy choice adds up; a weight is a multiple of 1 / PICKS."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """A weighted mean of models' logits.

    Attributes:
        members: parameters by how they came about ("global", "tuned 1", "alone 1"); those of weight 0 are left out.
        weights: of each member, above 0; together 1.
    """

    network: NetworkSpec
    members: Mapping[str, Parameters]
    weights: Mapping[str, float]

    def logits(self, X: np.ndarray) -> np.ndarray:
        """(N,) logits of (N, D) inputs."""
        inputs = np.asarray(X, dtype=np.float32)
        parts = [weight * predict(self.members[name], inputs, self.network) for name, weight in self.weights.items()]
        return np.asarray(np.sum(parts, axis=0))


def mixture(members: Mapping[str, Parameters], X: np.ndarray, y: np.ndarray, *, spec: NetworkSpec) -> Mixture:
    """The members' mean with the least log loss on these rows, found greedily; the first member where there are none.

    Args:
        members: parameters by name, all of the network `spec`.
        X, y: (N, D) inputs and (N,) outcomes that no member was fitted to.

    Raises:
        ConfigurationError: no member.
    """
    if not members:
        raise ConfigurationError("a mixture needs at least one model")
    if not len(y):
        first = next(iter(members))
        return Mixture(spec, {first: members[first]}, {first: 1.0})
    inputs = np.asarray(X, dtype=np.float32)
    weights = greedy_weights([predict(one, inputs, spec) for one in members.values()], y)
    chosen = {name: weight for name, weight in zip(members, weights, strict=True) if weight > 0}
    return Mixture(spec, {name: members[name] for name in chosen}, chosen)


def greedy_weights(logits: Sequence[np.ndarray], y: np.ndarray, *, picks: int = PICKS) -> tuple[float, ...]:
    """How often each model is picked when the mean's log loss decides each pick, with replacement, over `picks`.

    Greedy on few rows, the mean of many picks overfits less than the best weights would (Caruana et al. 2004, 2.2).

    Args:
        logits: (N,) of each model.
        y: (N,) outcomes of 0 and 1.
    """
    counts, total = [0] * len(logits), np.zeros(len(y))
    for pick in range(1, picks + 1):
        losses = [log_loss(y, (total + one) / pick) for one in logits]
        best = losses.index(min(losses))
        counts[best] += 1
        total = total + logits[best]
    return tuple(count / picks for count in counts)


def likelihood_weights(losses: Sequence[float], rows: int) -> tuple[float, ...]:
    """Each model's share in a mean of logits by how likely it made rows that it was not fitted to; together 1.

    Pseudo-Bayesian model averaging (Yao et al. 2018, section 3, https://doi.org/10.1214/17-BA1091), without its
    bootstrap: less certain than choosing the best where several are about as good.

    Args:
        losses: mean log loss (nats) of each model on those rows.
        rows: how many.
    """
    least = min(losses)
    likely = np.exp([rows * (least - loss) for loss in losses])
    return tuple((likely / likely.sum()).tolist())


def variants(
    global_model: Parameters,
    alone: Parameters | None,
    X: np.ndarray,
    y: np.ndarray,
    *,
    spec: NetworkSpec,
    tune: Sequence[LocalSteps] = (),
    train: Sequence[LocalSteps] = (),
) -> dict[str, Parameters]:
    """The global model as it is, tuned by each of `tune`, and the model `alone` trained by each of `train`.

    Args:
        global_model: the region's joined parameters after the last round.
        alone: first parameters of a model that owes nothing to others; None for none.
        X, y: (N, D) inputs and (N,) outcomes of the region's training rows.

    Raises:
        TrainingFailed: as `train_locally`.
    """
    found = {"global": global_model}
    for number, steps in enumerate(tune, 1):
        found[f"tuned {number}"] = train_locally(global_model, X, y, steps, spec=spec)
    for number, steps in enumerate(train if alone is not None else (), 1):
        found[f"alone {number}"] = train_locally(dict(alone or {}), X, y, steps, spec=spec)
    return found
