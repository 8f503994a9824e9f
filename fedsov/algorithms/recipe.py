"""What a region's training depends on besides its rows: the network, and the steps of each occasion.

>>> model = {"name": "logistic", "hidden": [], "round": {"epochs": 5}}
>>> Recipe.from_settings(model, seed=0, task="binary", outputs=1).round.epochs
5
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.checks import prefixed, require, section, several, text, texts, whole
from fedsov.errors import ConfigurationError, unknown
from fedsov.model.architectures import ARCHITECTURES
from fedsov.model.network import NETWORKS, NetworkSpec, is_known, is_layered, names, registered
from fedsov.model.own_network import INSTALLED
from fedsov.model.parameters import trained

NETWORK = NetworkSpec("mlp", (16,))
FROM_SCRATCH = LocalSteps(learning_rate=0.01, batch=32, epochs=20)
ROUND = LocalSteps()
FINE_TUNE = LocalSteps(learning_rate=0.01, batch=32, epochs=10, proximal_mu=0.3)
OCCASIONS = ("from_scratch", "round", "fine_tune")
"""The fields of a `Recipe` that are steps."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a region's training depends on besides its rows: the network, and the steps of each occasion.

    The defaults were searched on the demo's five regions, by validation rows only.

    Attributes:
        network: the network's specification.
        from_scratch: training from nothing, on own rows (and synthetic ones beside them).
        round: one round of federated training.
        fine_tune: fitting a received model to own rows.
        frozen: names of parameters that federated training leaves as they are; they are not sent up.
    """

    network: NetworkSpec = NETWORK
    from_scratch: LocalSteps = FROM_SCRATCH
    round: LocalSteps = ROUND
    fine_tune: LocalSteps = FINE_TUNE
    frozen: tuple[str, ...] = ()

    @staticmethod
    def from_settings(plain: Any, *, seed: int, task: str, outputs: int, beside: Collection[str] = ()) -> Recipe:
        """The recipe of the group `model`: keys are these fields, and ``name`` and ``hidden`` of the network.

        Args:
            seed: of the order of the rows.
            task: what is learned, which is the name of its loss.
            outputs: of the network.
            beside: further keys of the group, which something else reads.

        Raises:
            ConfigurationError: a key that nobody reads or that is not set, or a value that cannot be.
        """
        model = section("model", plain, Recipe, without=("network",), beside=("name", "hidden", *beside))
        own = {key: value for key, value in model.items() if key in Recipe.__slots__}
        steps = LocalSteps(seed=seed, loss=task)
        network = _network(model, outputs)
        if "frozen" in own:
            own["frozen"] = texts("model.frozen", own["frozen"])
            if is_layered(network):  # of another the names are known when it is built
                trained(names(network), own["frozen"])
        for occasion in OCCASIONS:
            own[occasion] = LocalSteps.from_settings(
                f"model.{occasion}", own.get(occasion, {}), default=steps, outputs=outputs
            )
        return Recipe(**{**own, "network": network})


def _network(model: Mapping[str, Any], outputs: int) -> NetworkSpec:
    """The network that a group `model` names. Raises ConfigurationError."""
    name = text("model.name", require("model", model, "name"), "the name of a network")
    widths = several(
        "model.hidden",
        require("model", model, "hidden"),
        "a list as [A, B]",
        lambda part, width: whole(part, width, at_least=1),
    )
    if not is_known(name):
        line = unknown("network", name, [*NETWORKS, *ARCHITECTURES])
        raise ConfigurationError(
            f"model.name={name}: {line}. A run takes your own from an installed package (entry point {INSTALLED}); "
            "fedsov.register names it in this process only, for fedsov.federate"
        )
    registered(name)  # one that cannot be imported is named before anything begins
    with prefixed(f"model.name={name}: "):
        return NetworkSpec(name, widths, outputs)
