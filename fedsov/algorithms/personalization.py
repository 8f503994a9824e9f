"""Personalization: what every client keeps for itself while a global model is trained.

Two independent means, both for clients that differ:

- *Private parameters* never leave. Each round the client joins its own to the shared ones that came in, trains all of
  them, and answers with the shared ones alone. With the head private this is FedPer (`algorithms.fedper`); FedRep
  trains the two parts in turn (`algorithms.fedrep`), and Pillutla et al. 2022 (https://arxiv.org/abs/2204.03809)
  compare both ways and call the first one FedSim. A private intercept is the smallest case: the base rate of each
  region is its own. FedBN (Li et al. 2021, https://arxiv.org/abs/2102.07623) keeps the batch normalisation at home,
  which shifts and scales what layers are given by region; a network without one has that shift in its biases,
  ``first.bias`` or ``bias``. They go with any algorithm.
- A *personal copy* of the whole network is trained beside the global model (`fedsov.algorithms.ditto`).

What a client keeps begins as the global model began: of the run's seed, without a look at a row.

>>> PrivateParameters(("head",)).at(0.5).private_only_steps is None, Personalization().keeps_state
(True, False)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.checks import flag, instance, store
from fedsov.checks import names as text_names
from fedsov.errors import ConfigurationError
from fedsov.model.network import NetworkSpec, Parameters
from fedsov.model.parameters import private_names, shared


@dataclass(frozen=True, slots=True)
class PrivateParameters:
    """Which parameters stay with their client, and how they are trained.

    Attributes:
        names: words that `fedsov.model.parameters.private_names` understands.
        private_only_steps: steps of the private parameters alone, before each round's steps of all (FedRep's turns);
            None for no such steps. A region of few rows, or of one class, needs them: its intercept has far to go.
        alternates: whether the private ones rest while the shared ones step (FedRep).
    """

    names: tuple[str, ...] = ()
    private_only_steps: LocalSteps | None = None
    alternates: bool = False

    def __post_init__(self) -> None:
        steps = self.private_only_steps
        store(
            self,
            names=text_names("private", self.names),
            private_only_steps=instance("private_only_steps", steps, LocalSteps | None, "a LocalSteps, or None"),
            alternates=flag("alternates", self.alternates),
        )

    def at(self, factor: float) -> PrivateParameters:
        """The same in a round whose schedule multiplies learning rates by this."""
        return replace(self, private_only_steps=self.private_only_steps and self.private_only_steps.at(factor))


@dataclass(frozen=True, slots=True)
class Personalization:
    """What every client keeps to itself.

    Attributes:
        private: parameters that never leave.
        ditto_lambda: the pull of a personal copy to the global model; None for no copy.
    """

    private: PrivateParameters = field(default_factory=PrivateParameters)
    ditto_lambda: float | None = None

    @property
    def keeps_state(self) -> bool:
        """True where a client keeps anything from round to round."""
        return bool(self.private.names) or self.ditto_lambda is not None

    @property
    def steps_alone(self) -> bool:
        """True where private parameters take steps that the shared ones do not take, or the other way round."""
        return self.private.private_only_steps is not None or self.private.alternates

    def names(self, spec: NetworkSpec, inputs: int | None = None) -> frozenset[str]:
        """The private parameters' names. Raises ConfigurationError; see `fedsov.model.parameters.private_names`."""
        return private_names(spec, self.private.names, inputs)

    def shared(self, parameters: Parameters, spec: NetworkSpec) -> Parameters:
        """What of a network's parameters may be sent."""
        return shared(parameters, self.names(spec))


def private_only(private: PrivateParameters, update: LocalSteps) -> Personalization:
    """These private parameters and nothing else.

    Args:
        update: a round's steps.

    Raises:
        ConfigurationError: steps of private parameters where none are private, or by another loss.
    """
    steps = private.private_only_steps
    if steps is not None and (not private.names or steps.loss != update.loss):
        raise ConfigurationError(
            "model.private_only_steps trains private parameters alone, by the loss of the other steps; model.private "
            f"names {', '.join(private.names) or 'none'}, and the losses are {steps.loss} and {update.loss}"
        )
    return Personalization(private)
