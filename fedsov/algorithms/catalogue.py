"""Every aggregation algorithm by name: one row each, with its options, its halves, and what it needs.

An algorithm of Flower's is a row and nothing else. One with a half of its own is a module of this package and a row
that names it. What can be had together follows from the needs in the rows, and is decided in one place,
`check_compatible`.

Sources: FedAvg, McMahan et al. 2017 (https://arxiv.org/abs/1602.05629); FedProx, Li et al. 2020 (arXiv 1812.06127);
FedAvgM, Hsu et al. 2019 (arXiv 1909.06335); FedAdagrad, FedAdam and FedYogi, Reddi et al. 2021 (arXiv 2003.00295);
FedMedian and FedTrimmedAvg, Yin et al. 2018 (arXiv 1803.01498); Krum and MultiKrum, Blanchard et al. 2017 (arXiv
1703.02757); Bulyan, El Mhamdi et al. 2018 (arXiv 1802.07927); the others in their modules.

>>> Algorithm("fedprox", {"proximal_mu": 0.1}).spec.strategy
'FedProx'
>>> [name for name, spec in ALGORITHMS.items() if spec.client]
['scaffold', 'fednova']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

import numpy as np

from fedsov.algorithms import ditto, fednova, fedper, fedrep, scaffold
from fedsov.algorithms.client_half import ClientHalf, State
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.personalization import Personalization, PrivateParameters, private_only
from fedsov.checks import FLOAT32_MOST, choice, real, refused, section, store, whole
from fedsov.errors import ConfigurationError

MEANS = ("FedAvg", "FedProx")
"""Flower's strategies whose next model is the weighted mean of the updates."""


class Need(Enum):
    """What an algorithm relies on, beside updates; the words end a sentence that begins with its name."""

    SINGLE_UPDATES = "looks at each region's update by itself"
    EXACT_STEP_COUNTS = "counts each region's steps by its rows"
    UNCOMPRESSED_UPDATES = "reads gradients out of changes"
    PLAIN_GRADIENTS = "takes an update for a sum of gradients"


OptionRule = Callable[[str, Any], float | int]
"""A check of `fedsov.checks`: the option's name and value to the number, or ConfigurationError."""
NOT_NEGATIVE: OptionRule = partial(real, at_least=0.0, at_most=FLOAT32_MOST)
WHOLE_FROM_0: OptionRule = partial(whole, at_least=0)
WHOLE_FROM_1: OptionRule = partial(whole, at_least=1)
BELOW_1: OptionRule = partial(real, at_least=0.0, below=1.0)
DIVISOR: OptionRule = partial(real, at_least=1e-12, at_most=FLOAT32_MOST)
"""Of what steps are divided by, where nothing has moved yet."""

Options = Mapping[str, float]
ServerHalf = Callable[[Options, State, np.ndarray, np.ndarray], tuple[np.ndarray, State]]
"""(options, state, (P,) model that went down, (P,) mean of the updated ones) to the next model and the next state.

The hub keeps the state, (P,) arrays by name; nothing at first.
"""
Personalize = Callable[[Options, PrivateParameters, LocalSteps], Personalization]
"""(options, private parameters that were asked for, a round's steps) to what clients keep to themselves."""


@dataclass(frozen=True, slots=True)
class AlgorithmSpec:
    """One row.

    Attributes:
        strategy: the name of Flower's strategy, or the hub's half as a function of the mean (`ServerHalf`).
        options: what it may be told, and Flower's strategy is told.
        client_options: what clients are told, and not the strategy.
        client: what it does to a client's round; or a function of the options that says it.
        personalize: what clients keep to themselves.
        needs: what it relies on.
    """

    strategy: str | ServerHalf = "FedAvg"
    options: Mapping[str, OptionRule] = field(default_factory=dict)
    client_options: Mapping[str, OptionRule] = field(default_factory=dict)
    client: ClientHalf | Callable[[Options], ClientHalf] | None = None
    personalize: Personalize | None = None
    needs: frozenset[Need] = frozenset()

    @property
    def next_is_mean(self) -> bool:
        """True where the next model is the mean of the updates, and no strategy has to be asked."""
        return self.strategy in MEANS


SINGLE = frozenset({Need.SINGLE_UPDATES})
GRADIENTS = SINGLE | {Need.EXACT_STEP_COUNTS, Need.UNCOMPRESSED_UPDATES, Need.PLAIN_GRADIENTS}
"""Who reads a client's gradients out of its update needs all of it, by itself, and nothing else in it."""
RATES: Mapping[str, OptionRule] = {"eta": NOT_NEGATIVE, "eta_l": NOT_NEGATIVE, "tau": DIVISOR}
ADAPTIVE: Mapping[str, OptionRule] = {**RATES, "beta_1": BELOW_1, "beta_2": BELOW_1}

ALGORITHMS: dict[str, AlgorithmSpec] = {
    "fedavg": AlgorithmSpec(),
    "fedprox": AlgorithmSpec("FedProx", {"proximal_mu": NOT_NEGATIVE}),
    "fedavgm": AlgorithmSpec("FedAvgM", {"server_learning_rate": NOT_NEGATIVE, "server_momentum": BELOW_1}),
    "fedadagrad": AlgorithmSpec("FedAdagrad", RATES),
    "fedadam": AlgorithmSpec("FedAdam", ADAPTIVE),
    "fedyogi": AlgorithmSpec("FedYogi", ADAPTIVE),
    "fedmedian": AlgorithmSpec("FedMedian", needs=SINGLE),
    "fedtrimmedavg": AlgorithmSpec("FedTrimmedAvg", {"beta": partial(real, at_least=0.0, below=0.5)}, needs=SINGLE),
    "krum": AlgorithmSpec("Krum", {"num_malicious_nodes": WHOLE_FROM_0}, needs=SINGLE),
    "multikrum": AlgorithmSpec(
        "MultiKrum", {"num_malicious_nodes": WHOLE_FROM_0, "num_nodes_to_select": WHOLE_FROM_1}, needs=SINGLE
    ),
    "bulyan": AlgorithmSpec("Bulyan", {"num_malicious_nodes": WHOLE_FROM_0}, needs=SINGLE),
    "fedper": AlgorithmSpec(personalize=fedper.personalization),
    "fedrep": AlgorithmSpec(client_options={"head_epochs": WHOLE_FROM_1}, personalize=fedrep.personalization),
    "ditto": AlgorithmSpec(client_options={"ditto_lambda": NOT_NEGATIVE}, personalize=ditto.personalization),
    "scaffold": AlgorithmSpec(client=scaffold.CLIENT, needs=GRADIENTS),
    "fednova": AlgorithmSpec(client=fednova.CLIENT, needs=GRADIENTS),
}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An aggregation algorithm and its options, named as Flower names them (``proximal_mu``, ``eta``, ...).

    Raises:
        ConfigurationError: no such algorithm or option, or a number that the option does not take.
    """

    name: str = "fedavg"
    options: Mapping[str, float | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        choice("algorithm", self.name, ALGORITHMS)
        if not isinstance(self.options, Mapping):
            raise refused("algorithm.options", "a mapping as {NAME: NUMBER}", self.options)
        rules = {**self.spec.options, **self.spec.client_options}
        for option in self.options:
            if option not in rules:
                listed = f"its options are {', '.join(rules)}" if rules else "it has none"
                raise ConfigurationError(f"algorithm.options.{option} is no option of {self.name}; {listed}")
        checked = {name: rules[name](f"algorithm.options.{name}", value) for name, value in self.options.items()}
        store(self, options=checked)

    @staticmethod
    def from_settings(plain: Any) -> Algorithm:
        """What the group `algorithm` says. Raises ConfigurationError, naming the key."""
        given = section("algorithm", plain, Algorithm)
        if "name" in given:
            choice("algorithm.name", given["name"], ALGORITHMS)
        return Algorithm(**given)

    @property
    def spec(self) -> AlgorithmSpec:
        """Its row."""
        return ALGORITHMS[self.name]

    @property
    def half(self) -> ClientHalf | None:
        """What it does to a client's round; None where that is any round."""
        client = self.spec.client
        return client if client is None or isinstance(client, ClientHalf) else client(self.options)

    @property
    def strategy_options(self) -> dict[str, float | int]:
        """The options that Flower's strategy is told."""
        return {name: value for name, value in self.options.items() if name in self.spec.options}

    def personalization(self, private: PrivateParameters, update: LocalSteps) -> Personalization:
        """What clients keep to themselves. Raises ConfigurationError as `private_only`."""
        personalize = self.spec.personalize
        return personalize(self.options, private, update) if personalize else private_only(private, update)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a training has around its algorithm.

    Attributes:
        noise: records' gradients are bounded and noise is added (privacy=record).
        counted: the steps under noise are known all the same, as where clients are arrays of one process.
        secure_sum: the hub learns the sum of updates alone.
        compression: how updates are sent.
        proximal_mu: the pull of each client's steps to where they begin.
    """

    noise: bool = False
    counted: bool = False
    secure_sum: bool = False
    compression: Compression = field(default_factory=Compression)
    proximal_mu: float = 0.0


def check_compatible(algorithm: Algorithm, personalization: Personalization, around: Surroundings) -> None:
    """Compares what an algorithm needs with what a training provides.

    Raises:
        ConfigurationError: they exclude each other; the message names the settings that mend it.
    """
    needs = algorithm.spec.needs
    if around.noise and not around.counted and Need.EXACT_STEP_COUNTS in needs:
        _refuse(algorithm, Need.EXACT_STEP_COUNTS, "privacy=record draws other steps", "privacy=none")
    if around.noise and personalization.steps_alone:
        raise ConfigurationError(
            "private parameters that step alone do so without noise, and what leaves would be trained beside them; "
            "choose model.private_only_steps=null and fedper in place of fedrep, or privacy=none"
        )
    if around.compression.name != "none" and around.secure_sum:
        raise ConfigurationError(
            f"compression={around.compression.name} and secure_aggregation exclude each other: the words of a secure "
            "sum are masked one by one; choose federation.compression=none"
        )
    if around.compression.name != "none" and Need.UNCOMPRESSED_UPDATES in needs:
        raise ConfigurationError(
            f"compression={around.compression.name} is not for algorithm={algorithm.name}, which "
            f"{Need.UNCOMPRESSED_UPDATES.value}; choose federation.compression=none"
        )
    if around.secure_sum and Need.SINGLE_UPDATES in needs:
        _refuse(
            algorithm,
            Need.SINGLE_UPDATES,
            "privacy.secure_aggregation shows the hub their sum alone",
            "privacy.secure_aggregation=false",
        )
    if around.proximal_mu and Need.PLAIN_GRADIENTS in needs:
        raise ConfigurationError(
            f"algorithm={algorithm.name} {Need.PLAIN_GRADIENTS.value}, and model.round.proximal_mu pulls steps "
            "otherwise; set it to 0, or choose algorithm=fedprox"
        )


def _refuse(algorithm: Algorithm, need: Need, why: str, other: str) -> None:
    """Raises ConfigurationError, naming the algorithms that do not have the need."""
    fitting = (
        name
        for name, spec in ALGORITHMS.items()
        if need not in spec.needs and not (need is Need.EXACT_STEP_COUNTS and _steps_alone(spec))
    )
    raise ConfigurationError(
        f"algorithm={algorithm.name} {need.value}, and {why}; choose one of {', '.join(fitting)}, or {other}"
    )


def _steps_alone(spec: AlgorithmSpec) -> bool:
    """True where private parameters step alone by default (FedRep's head), which noise excludes too."""
    return spec.personalize is not None and spec.personalize({}, PrivateParameters(), LocalSteps()).steps_alone
