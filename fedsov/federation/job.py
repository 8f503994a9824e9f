"""What virtual clients are to do: their rows, the network, the steps, and what of it differs by client and round."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fedsov.model.network import NetworkSpec, shapes
from fedsov.privacy.mechanism import RecordMechanism, noise_generator
from fedsov.training.compression import Compression, trained
from fedsov.training.engine import Rows
from fedsov.training.steps import LocalSteps, generator, poisson, shuffled

Order = Callable[[int, int, int], Sequence[np.ndarray]]
"""(seed, client, round) to the rows of each of the client's steps, counted from 0 among its own."""

Correction = Literal["none", "fednova", "scaffold"]


@dataclass(frozen=True, slots=True)
class Job:
    """What a cohort is to do.

    Attributes:
        rows: of each client.
        weights: (n,) each above 0: how much each update counts.
        rate: what the learning rate is multiplied by in a round.
        order: the batches of a client's round; by default its rows are shuffled, or drawn for noise.
        noise: for each client its records' bound (the same for all), noise and chance to be drawn, all for one round.
        bound: the longest update that is accepted.
        measures: whether each round tells the loss (and AUC) of the incoming model on each client's rows.
        private: names of parameters that stay with their client (`fedsov.training.personal`).
        first: steps of the private parameters alone, before each round's steps of all.
        alternates: whether the private ones rest while the shared ones step (FedRep).
        ditto_lambda: the pull of each client's personal copy to the model that came in (Ditto); None for no copies.
        correction: ``none``; ``fednova``: updates are normalised by the steps that they took (Wang et al. 2020,
            https://arxiv.org/abs/2007.07481); ``scaffold``: clients are held on the common course by control variates
            (Karimireddy et al. 2020, https://arxiv.org/abs/1910.06378, option II), one set of P a client.
        compression: of what each client sends up; what that keeps back stays with the client.
        frozen: names of parameters that stay as they came in; they are not sent up.
    """

    rows: Sequence[Rows]
    weights: np.ndarray
    spec: NetworkSpec
    steps: LocalSteps
    seed: int = 0
    rate: Callable[[int], float] = lambda _: 1.0
    order: Order | None = None
    noise: Sequence[RecordMechanism] = ()
    bound: float = math.inf
    measures: bool = True
    private: frozenset[str] = frozenset()
    first: LocalSteps | None = None
    alternates: bool = False
    ditto_lambda: float | None = None
    correction: Correction = "none"
    compression: Compression = field(default_factory=Compression)
    frozen: frozenset[str] = frozenset()

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return int(np.shape(self.rows[0][0])[1])

    def steps_of(self, round: int) -> LocalSteps:
        """The steps of a round. Raises ConfigurationError where its rate makes no learning rate."""
        return self.steps.at(self.rate(round))

    def first_of(self, round: int) -> LocalSteps | None:
        """The steps of the private parameters alone in a round, None for none. Raises as `steps_of`."""
        return self.first and self.first.at(self.rate(round))

    def own(self) -> np.ndarray:
        """(p,) places of the private parameters among the P."""
        return self._places(self.private)

    def sent(self) -> np.ndarray:
        """(s,) places of what is sent up: shared and trained.

        Raises ConfigurationError for a frozen name that is no shared parameter, or where all are frozen.
        """
        return self._places(
            trained([name for name in shapes(self.spec, self.inputs) if name not in self.private], self.frozen)
        )

    def _places(self, names: Collection[str]) -> np.ndarray:
        shaped = shapes(self.spec, self.inputs)
        flags = [np.full(math.prod(shape), name in names) for name, shape in shaped.items()]
        return np.flatnonzero(np.concatenate(flags))

    def batches(self, client: int, round: int) -> Sequence[np.ndarray]:
        """The rows of each step."""
        if self.order is None and self.noise:
            count, drawn = len(self.rows[client][1]), self.noise[client]
            return poisson(count, drawn.sampling_rate, drawn.steps, noise_generator())
        return self.ordinary(client, round)

    def ordinary(self, client: int, round: int) -> Sequence[np.ndarray]:
        """The rows of each step where none are drawn for noise: no step is empty, or longer than a batch."""
        if self.order is not None:
            return self.order(self.seed, client, round)
        return shuffled(len(self.rows[client][1]), self.steps, generator(self.seed, client, round))
