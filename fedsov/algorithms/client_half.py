"""The client's half of an algorithm: two pure functions over (K, P) arrays, and the values that they exchange.

`begin` says what is added to each client's gradients in a round. `end` turns what the client's parameters moved by into
the update that counts, and gives the state that the client begins its next round with. A region of a run is K = 1, a
block of virtual clients K = 64; `fedsov.training.client_round` calls both in the same way.

>>> half = ClientHalf(
...     begin=lambda state, incoming: GradientTerms(drift=-state["h"]),
...     end=lambda state, update, taken: (update, {"h": state["h"] - 0.1 * update}),
...     keeps=("h",),
... )
>>> update, state = half.end({"h": np.zeros((1, 2))}, np.ones((1, 2)), StepsTaken(np.array([3.0]), 0.1))
>>> state["h"]
array([[-0.1, -0.1]])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedsov.privacy.mechanism import Clipping

State = Mapping[str, np.ndarray]
"""By name (K, P) arrays that stay with K clients from round to round; zeros at first."""


@dataclass(frozen=True, slots=True)
class GradientTerms:
    """What acts on each client's gradients beside its rows.

    Attributes:
        clipping: bounds each record's gradient and adds noise.
        anchor: (P,) or (K, P); the proximal term pulls towards it, by default towards where each client starts.
        drift: (P,) or (K, P), added to every gradient (SCAFFOLD, Karimireddy et al. 2020).
        anchor_weight: of the proximal term, in place of the steps' own `proximal_mu`.
        seeds: (K,) of what a network draws itself in these steps (dropout), from 0 to below 2^63.
    """

    clipping: Clipping | None = None
    anchor: np.ndarray | None = None
    drift: np.ndarray | None = None
    anchor_weight: float | None = None
    seeds: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class StepsTaken:
    """How K clients stepped in a round: (K,) effective steps (`effective_steps`), and the learning rate of all."""

    effective: np.ndarray
    rate: float


@dataclass(frozen=True, slots=True)
class StepCounts:
    """How every client steps in a round: learning rate, momentum, rows of a step, passes over the rows."""

    rate: float
    momentum: float
    batch: int
    epochs: int

    def taken(self, rows: int) -> int:
        """The steps that so many rows make."""
        return self.epochs * -(-rows // self.batch)

    def effective(self, rows: int) -> float:
        """The effective steps of so many rows; see `effective_steps`."""
        return float(effective_steps(np.array(self.taken(rows)), self.momentum))


def effective_steps(taken: np.ndarray, momentum: float) -> np.ndarray:
    """One-norms of the weights that an update's gradients have after these many steps; 1 where none was taken.

    Without momentum it is the number of steps (Wang et al. 2020, https://arxiv.org/abs/2007.07481, section 4).
    """
    if momentum:
        slowed = momentum * (1.0 - momentum**taken) / (1.0 - momentum)
        return np.asarray(np.maximum((taken - slowed) / (1.0 - momentum), 1.0))
    return np.asarray(np.maximum(taken, 1), dtype=np.float64)


Begin = Callable[[State, np.ndarray], GradientTerms]
"""(state, incoming (P,) or (K, P)) to the terms of the round's gradients."""
End = Callable[[State, np.ndarray, StepsTaken], tuple[np.ndarray, State]]
"""(state, (K, P) how far each client moved, steps taken) to the (K, P) updates that count, and the next state."""
Scale = Callable[[np.ndarray, np.ndarray], float]
"""((K,) weights, (K,) effective steps) to what the mean update is multiplied by."""


def no_terms(state: State, incoming: np.ndarray) -> GradientTerms:
    """`begin` of an algorithm that leaves gradients as they are."""
    del state, incoming
    return GradientTerms()


@dataclass(frozen=True, slots=True)
class ClientHalf:
    """What an algorithm does to a client's round.

    Attributes:
        begin, end: as `Begin` and `End`.
        keeps: the names of the arrays of its state.
        averages: of these one or none: its mean over all clients is in the state too, under ``mean/NAME``, (P,).
        at_hub: whether the hub keeps the state of every client and calls `end` on the updates that it accepts, so that
            a region sends no more than under FedAvg; what `begin` gives as drift is sent to the region with the model.
        scale: what the mean of the updates is multiplied by, where `end` changes them at the hub.
    """

    begin: Begin
    end: End
    keeps: tuple[str, ...] = ()
    averages: str = ""
    at_hub: bool = False
    scale: Scale | None = None

    @property
    def mean_name(self) -> str:
        """What the mean is called in the state."""
        return f"mean/{self.averages}"
