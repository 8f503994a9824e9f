"""How a client steps, and in which order it sees its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fedsov.errors import ConfigurationError
from fedsov.model.losses import loss_named
from fedsov.model.network import NetworkSpec

NETWORK = NetworkSpec("mlp", (16,))
LEAST, LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
"""Of what steps are reckoned in, float32: to it a lesser rate or weight is as good as 0, and a larger one infinite."""


@dataclass(frozen=True, slots=True)
class LocalSteps:
    """Stochastic gradient descent with momentum, minimising the mean loss of a batch.

    Attributes:
        learning_rate: above 0 and finite, in float32 (`LEAST` to `LARGEST`).
        momentum: in [0, 1).
        batch: rows of a batch, at least 1; under a noise mechanism the mechanism says what is in a step.
        epochs: passes over the rows, 0 or more.
        weight_decay: L2 penalty on weights (not on biases), 0 or more.
        proximal_mu: pull towards the parameters that came in (FedProx, Li et al. 2020), 0 or more.
        seed: of the order of the rows.
        loss: what is minimised, one of `fedsov.model.losses.LOSSES`.
        class_weights: see `fedsov.model.losses.weights_of`; none: every row weighs 1.
        accumulate: batches that make a step together, at least 1: the step is that of one batch of all their rows, so
            gradients are averaged by rows, and an epoch's last step has the rows that are left. Memory grows with it by
            the numbers of the rows alone: a step's rows are gathered and passed on some thousands at a time
            (`stacked.CHUNK`, `general.ROWS`), and the sum is the whole batch's up to rounding (1e-12 in float64).
    """

    learning_rate: float = 0.02
    momentum: float = 0.9
    batch: int = 16
    epochs: int = 2
    weight_decay: float = 0.01
    proximal_mu: float = 0.0
    seed: int = 0
    loss: str = "binary"
    class_weights: tuple[float, ...] = ()
    accumulate: int = 1

    @property
    def rows(self) -> int:
        """The rows of a step."""
        return self.batch * self.accumulate

    def at(self, factor: float) -> LocalSteps:
        """The same in a round whose schedule multiplies the learning rate by this. Raises ConfigurationError."""
        return replace(self, learning_rate=self.learning_rate * factor)

    def __post_init__(self) -> None:
        allowed = {
            "learning_rate": ("above 0 and finite in float32", LEAST <= self.learning_rate <= LARGEST),
            "momentum": ("in [0, 1)", 0.0 <= self.momentum < 1.0),
            "batch": ("of 1 or more", self.batch >= 1),
            "epochs": ("of 0 or more", self.epochs >= 0),
            "weight_decay": ("of 0 or more, finite in float32", 0.0 <= self.weight_decay <= LARGEST),
            "proximal_mu": ("of 0 or more, finite in float32", 0.0 <= self.proximal_mu <= LARGEST),
            "accumulate": ("of 1 or more", self.accumulate >= 1),
            "seed": ("of 0 or more, below 2^63", 0 <= self.seed < 2**63),
        }
        for name, (bounds, holds) in allowed.items():
            if not holds:
                raise ConfigurationError(f"expected a {name} {bounds}, got {getattr(self, name)}")
        loss_named(self.loss)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a region's training depends on besides its rows: the network, and the steps of each occasion.

    The defaults were searched on the demo's five regions, by validation rows only.

    Attributes:
        network: the network's specification.
        alone: training from nothing, on own rows (and synthetic ones beside them).
        update: one round of federated training.
        tune: fitting a received model to own rows.
        frozen: names of parameters that federated training leaves as they are; they are not sent up.
    """

    network: NetworkSpec = NETWORK
    alone: LocalSteps = LocalSteps(learning_rate=0.01, batch=32, epochs=20)
    update: LocalSteps = LocalSteps()
    tune: LocalSteps = LocalSteps(learning_rate=0.01, batch=32, epochs=10, proximal_mu=0.3)
    frozen: tuple[str, ...] = ()


def generator(seed: int, client: int, round: int) -> np.random.Generator:
    """The generator of a client's order in a round: a counter-based one keyed by all three, so that none overlap."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, client << 32 | round], dtype=np.uint64)))


def in_order(order: np.ndarray, batch: int) -> list[np.ndarray]:
    """(N,) row numbers as batches; the last may be shorter."""
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def shuffled(rows: int, steps: LocalSteps, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows of each step: every epoch a new order, cut into steps of one batch, or of those it accumulates."""
    return [one for _ in range(steps.epochs) for one in in_order(rng.permutation(rows), steps.rows)]


def poisson(rows: int, rate: float, steps: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows of each step, every row in each with probability `rate` on its own; a step may have none.

    A number drawn from the binomial distribution, then as many rows without replacement: the same distribution as
    a coin for each row, without tossing it.
    """
    drawn = rng.binomial(rows, rate, steps)
    return [rng.choice(rows, size=count, replace=False, shuffle=False) for count in drawn.tolist()]
