"""What regions keep to themselves while a joint model is trained: private parameters, a copy. State in, state out.

    fedper   the head is private (Arivazhagan et al. 2019, https://arxiv.org/abs/1912.00818)
    fedrep   and trained first and alone, then the rest alone (Collins et al. 2021, https://arxiv.org/abs/2102.07078)
    ditto    a copy of the whole network under a pull to the joint model (Li et al. 2021,
             https://arxiv.org/abs/2012.04221)

Other private parameters go with any algorithm (`fedsov.training.personal.Private`). What a region keeps begins as the
joint model began: of the run's seed, without a look at a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fedsov.errors import ConfigurationError
from fedsov.model.network import NetworkSpec, Parameters, initial
from fedsov.model.network import names as parameter_names
from fedsov.training import personal
from fedsov.training.compression import trained
from fedsov.training.own_state import Arrays, part, replaced
from fedsov.training.personal import Private
from fedsov.training.steps import LocalSteps, Recipe

PRIVATE, PERSONAL = "private/", "personal/"
"""What the names of a region's own arrays begin with."""
HEAD_EPOCHS = 10
"""FedRep's passes of the head alone, as in the paper's experiments."""
DITTO_LAMBDA = 0.1


@dataclass(frozen=True, slots=True)
class Apart:
    """What every region keeps to itself.

    Attributes:
        private: parameters that never leave.
        ditto_lambda: the pull of a personal copy to the joint model; None for no copy.
    """

    private: Private = field(default_factory=Private)
    ditto_lambda: float | None = None

    @property
    def remembers(self) -> bool:
        """True where a region keeps anything from round to round."""
        return bool(self.private.names) or self.ditto_lambda is not None

    def names(self, spec: NetworkSpec) -> frozenset[str]:
        """The private parameters' names. Raises ConfigurationError; see `personal.private_names`."""
        return personal.private_names(spec, self.private.names)

    def shared(self, parameters: Parameters, spec: NetworkSpec) -> Parameters:
        """What of a network's parameters may be sent."""
        return personal.shared(parameters, self.names(spec)) if self.private.names else parameters

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Apart:
        """What the fields as plain values say (`dataclasses.asdict`)."""
        said, first = value["private"], value["private"]["first"]
        steps = LocalSteps(**{**first, "class_weights": tuple(first["class_weights"])}) if first else None
        return Apart(Private(tuple(said["names"]), steps, said["alternates"]), value["ditto_lambda"])


def chosen(algorithm: str, options: Mapping[str, float], private: Private, update: LocalSteps) -> Apart:
    """What regions keep apart under an algorithm.

    Args:
        options: `head_epochs` of fedrep, `ditto_lambda` of ditto.
        private: what else was asked for; it is all that the others keep.
        update: a round's steps; the head's own are the same with another number of epochs.

    Raises:
        ConfigurationError: head_epochs is no whole number of 1 or more; or steps of private parameters where none are,
            or by another loss.
    """
    if algorithm in ("fedper", "fedrep") and not private.names:
        private = replace(private, names=("head",))
    if private.first is not None and (not private.names or private.first.loss != update.loss):
        raise ConfigurationError(
            "model.private_first trains private parameters alone, by the loss of the other steps; model.private names "
            f"{', '.join(private.names) or 'none'}, and the losses are {private.first.loss} and {update.loss}"
        )
    if algorithm == "fedrep":
        private = replace(private, first=private.first or _of_head(options, update), alternates=True)
    return Apart(private, float(options.get("ditto_lambda", DITTO_LAMBDA)) if algorithm == "ditto" else None)


def _of_head(options: Mapping[str, float], update: LocalSteps) -> LocalSteps:
    """FedRep's steps of the head alone. Raises ConfigurationError."""
    epochs = options.get("head_epochs", HEAD_EPOCHS)
    if epochs < 1 or epochs != int(epochs):
        raise ConfigurationError(f"algorithm.options.head_epochs must be a whole number of 1 or more, got {epochs}")
    return replace(update, epochs=int(epochs))


def from_settings(plain: Mapping[str, Any], algorithm: str, options: Mapping[str, float], recipe: Recipe) -> Apart:
    """What regions keep apart as the settings of a model name it (`private`, `private_first`), or the algorithm.

    Raises:
        ConfigurationError: what the network has not, or steps for private parameters where none are.
    """
    names, first = plain.get("private") or [], plain.get("private_first")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"model.private must be a list as [intercept], got {names!r}")
    unsaid = _of_head(options, recipe.update) if algorithm == "fedrep" else recipe.update
    steps = None if first is None else replace(unsaid, **first)
    found = chosen(algorithm, options, Private(tuple(names), steps), recipe.update)
    if found.private.names:
        private = found.names(recipe.network)
        trained([name for name in parameter_names(recipe.network) if name not in private], recipe.frozen)
    return found


def check_noisy(apart: Apart) -> None:
    """Raises ConfigurationError where what leaves under noise would be trained beside what was trained without."""
    if apart.private.first is not None or apart.private.alternates:
        raise ConfigurationError(
            "private parameters that step alone do so without noise, and what leaves would be trained beside them; "
            "choose model.private_first=null and fedper in the place of fedrep, or privacy=none"
        )


def begun(apart: Apart, kept: Arrays, *, spec: NetworkSpec, inputs: int, seed: int) -> Parameters:
    """The private parameters that a round begins with: those kept, or in the first the seed's."""
    names = apart.names(spec) if apart.private.names else frozenset()
    if not names:
        return {}
    found = part(kept, PRIVATE)
    return found if found else personal.own(initial(spec, inputs, seed), names)


def copied(kept: Arrays, joint: Parameters) -> Parameters:
    """The personal copy that a round begins with: the one kept, or in the first the joint model itself."""
    return part(kept, PERSONAL) or joint


def after(kept: Arrays, private: Parameters, copy: Parameters | None) -> dict[str, np.ndarray]:
    """What a region keeps after a round: its private parameters and its copy anew, and what else it had."""
    found = replaced(kept, PRIVATE, private)
    return found if copy is None else replaced(found, PERSONAL, copy)
