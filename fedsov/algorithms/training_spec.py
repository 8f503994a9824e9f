"""One federated training as one value: what the hub, every region and `fedsov.federate` agree on.

>>> spec = TrainingSpec(NetworkSpec("mlp", (4,)), LocalSteps(learning_rate=0.1), schedule=Schedule("step", every=1))
>>> spec.steps_of(2).learning_rate
0.05
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fedsov.algorithms.catalogue import Algorithm, Surroundings, check_compatible
from fedsov.algorithms.client_half import StepCounts
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import CONSTANT, LocalSteps, Schedule
from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.algorithms.recipe import Recipe
from fedsov.checks import prefixed, shown
from fedsov.errors import ConfigurationError
from fedsov.model.network import NetworkSpec
from fedsov.model.network import names as parameter_names
from fedsov.model.parameters import trained

Rate = Callable[[int], float]
"""By round, from 1: what the learning rate is multiplied by."""


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """How a global model is trained.

    Attributes:
        network: what is trained.
        steps: of a client's round.
        algorithm: both halves of the aggregation.
        rounds: how many, at least 1; the schedule needs them.
        seed: of the first parameters, and of each client's chance in a round.
        schedule: what the learning rate is multiplied by in each round, or a function of the round that says it.
        personalization: what clients keep to themselves.
        compression: of the updates.
        frozen: names of shared parameters that stay as they began; they are not sent up.
        patience: rounds without a lesser mean loss after which the training ends; None: never.
        max_update_norm: the largest L2 norm of an update that is accepted.
    """

    network: NetworkSpec
    steps: LocalSteps
    algorithm: Algorithm = field(default_factory=Algorithm)
    rounds: int = 1
    seed: int = 0
    schedule: Schedule | Rate = CONSTANT
    personalization: Personalization = field(default_factory=Personalization)
    compression: Compression = field(default_factory=Compression)
    frozen: tuple[str, ...] = ()
    patience: int | None = None
    max_update_norm: float = math.inf

    @property
    def keeps_state(self) -> bool:
        """True where anything stays with a client from round to round."""
        half = self.algorithm.half
        kept_here = half is not None and bool(half.keeps) and not half.at_hub
        return self.personalization.keeps_state or self.compression.keeps_state or kept_here

    def rate(self, number: int) -> float:
        """What the learning rate is multiplied by in a round, from 1."""
        return self.schedule.rate(number, self.rounds) if isinstance(self.schedule, Schedule) else self.schedule(number)

    def steps_of(self, number: int) -> LocalSteps:
        """The steps of a round. Raises ConfigurationError where its rate makes no learning rate."""
        return self.steps.at(self.rate(number))

    def private_of(self, number: int) -> PrivateParameters:
        """The private parameters with their steps of a round. Raises as `steps_of`."""
        return self.personalization.private.at(self.rate(number))

    def step_counts(self, number: int) -> StepCounts:
        """How every client steps in a round, for algorithms that count steps."""
        steps = self.steps_of(number)
        return StepCounts(steps.learning_rate, steps.momentum, steps.rows, steps.epochs)

    def without_personalization(self) -> TrainingSpec:
        """The same with nothing kept by clients: the start model is to be whole for others."""
        return replace(self, personalization=Personalization(), patience=None)

    def check(self, *, noise: bool = False, counted: bool = False, secure_sum: bool = False) -> None:
        """Raises ConfigurationError where something excludes something else; see `check_compatible`."""
        around = Surroundings(noise, counted, secure_sum, self.compression, self.steps.proximal_mu)
        check_compatible(self.algorithm, self.personalization, around)


PRIVATE_SETTINGS = ("private", "private_only_steps")
"""The keys of the group `model` that `personalization_of` reads."""


def personalization_of(model: Mapping[str, Any], algorithm: Algorithm, recipe: Recipe) -> Personalization:
    """What clients keep as the settings of a model name it (`PRIVATE_SETTINGS`), or the algorithm.

    Raises:
        ConfigurationError: what the network has not, or steps for private parameters where none are.
    """
    names, changed = model.get("private", []), model.get("private_only_steps")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"model.private must be a list as [intercept], got {shown(names)}")
    private = PrivateParameters(tuple(names))
    if changed is not None:
        default = algorithm.personalization(private, recipe.round).private.private_only_steps or recipe.round
        steps = LocalSteps.from_settings(
            "model.private_only_steps", changed, default=default, outputs=recipe.network.outputs
        )
        private = replace(private, private_only_steps=steps)
    personalization = algorithm.personalization(private, recipe.round)
    if personalization.private.names:
        with prefixed("model.private: " if names else ""):
            stays = personalization.names(recipe.network)
        trained([name for name in parameter_names(recipe.network) if name not in stays], recipe.frozen)
    return personalization
