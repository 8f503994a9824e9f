"""How a client steps: the steps' settings, their learning rate in each round, and the order in which rows are seen.

A schedule multiplies the learning rate, as a pure function of the round's number:

    constant   1
    cosine     half a cosine from 1 in the first round to `least` in the last (Loshchilov & Hutter 2017,
               https://arxiv.org/abs/1608.03983)
    step       1, multiplied by `by` after every `every` rounds

With `warmup` the rate first rises in as many rounds, in equal steps from 0 (Goyal et al. 2017,
https://arxiv.org/abs/1706.02677), and the schedule takes the rounds after them. A factor is never 0: a round at rate 0
would be counted, and paid for from a privacy budget, and train nothing.

Chance comes from one generator, keyed by (seed, client, round), in a run and in `fedsov.federate` alike; so nothing has
to be remembered between rounds, and a resumed training goes on as if it had not been interrupted.

>>> [round(Schedule("cosine", least=0.2, warmup=1).rate(number, 4), 3) for number in (1, 2, 3, 4)]
[0.5, 1.0, 0.6, 0.2]
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from numbers import Integral
from typing import Any

import numpy as np

from fedsov.checks import (
    FLOAT32_LEAST,
    FLOAT32_MOST,
    SEEDS,
    choice,
    only,
    prefixed,
    real,
    section,
    several,
    shown,
    store,
    whole,
)
from fedsov.errors import ConfigurationError
from fedsov.model.losses import LOSSES

LEAST, LARGEST = FLOAT32_LEAST, FLOAT32_MOST
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
        seed: of the order of the rows where a model is trained alone, and where private parameters take steps alone. In
            other steps of a federated training it is ignored: they follow `TrainingSpec.seed`, and ``federate(seed=)``.
        loss: what is minimised, one of `fedsov.model.losses.LOSSES`.
        class_weights: see `fedsov.model.losses.weights_of`; none: every row weighs 1.
        accumulate: batches that make a step together, at least 1: the step is that of one batch of all their rows, so
            gradients are averaged by rows, and an epoch's last step has the rows that are left. Memory grows with it by
            the numbers of the rows alone: a step's rows are gathered and passed on some thousands at a time
            (`step_batches.CHUNK`, `autograd.ROWS`), and the sum is the whole batch's up to rounding (1e-12 in float64).

    Raises:
        ConfigurationError: a number outside these bounds, of another kind, or no such loss; it names the setting.
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
        """The same in a round whose schedule multiplies the learning rate by this.

        Raises:
            ConfigurationError: a factor that is no number above 0, or a product that is none in float32.
        """
        return replace(
            self, learning_rate=self.learning_rate * real("the factor of a round's learning_rate", factor, above=0.0)
        )

    def __post_init__(self) -> None:
        weights = several(
            "class_weights",
            self.class_weights,
            "a list of numbers above 0",
            lambda name, value: real(name, value, at_least=LEAST, at_most=LARGEST),
        )
        store(
            self,
            learning_rate=real("learning_rate", self.learning_rate, at_least=LEAST, at_most=LARGEST),
            momentum=real("momentum", self.momentum, at_least=0.0, below=1.0),
            batch=whole("batch", self.batch, at_least=1),
            epochs=whole("epochs", self.epochs, at_least=0),
            weight_decay=real("weight_decay", self.weight_decay, at_least=0.0, at_most=LARGEST),
            proximal_mu=real("proximal_mu", self.proximal_mu, at_least=0.0, at_most=LARGEST),
            accumulate=whole("accumulate", self.accumulate, at_least=1),
            seed=whole("seed", self.seed, at_least=0, at_most=SEEDS),
            loss=choice("loss", self.loss, LOSSES),
            class_weights=weights,
        )

    @staticmethod
    def from_settings(group: str, plain: Any, *, default: LocalSteps, outputs: int = 1) -> LocalSteps:
        """The steps of a group of settings as ``model.round``, whose keys are these fields.

        Args:
            default: what the group does not say; the loss is that of the target, and no other is possible.
            outputs: of the network, which say how many classes can be weighed.

        Raises:
            ConfigurationError: a key that nobody reads, or a value that cannot be.
        """
        steps = section(group, plain, LocalSteps)
        task = default.loss
        if steps.get("loss", task) != task:
            raise ConfigurationError(
                f"{group}.loss is {shown(steps['loss'])}, and the loss of dataset.task={task} is {task}"
            )
        if "class_weights" in steps:
            expected = 0 if task == "regression" else max(outputs, 2)
            steps["class_weights"] = _class_weights(f"{group}.class_weights", steps["class_weights"], expected)
        with prefixed(f"{group}."):
            return replace(default, **steps)


def _class_weights(name: str, weights: Any, classes: int) -> tuple[float, ...]:
    """None, or as many weights as there are classes."""
    allowed = f"[] or {classes} numbers above 0" if classes else "[]: numbers have no classes"
    refusal = ConfigurationError(f"{name} must be {allowed}, got {shown(weights)}")
    if not isinstance(weights, list) or len(weights) not in (0, classes):
        raise refusal
    try:
        return tuple(real(name, weight, at_least=LEAST, at_most=LARGEST) for weight in weights)
    except ConfigurationError:
        raise refusal from None


class Stream(IntEnum):
    """What a client's generator of a round is drawn for; streams never overlap."""

    ORDER = 0
    COMPRESSION = 1
    PRIVATE_ONLY_STEPS = 2
    DROPOUT = 3


def generator(seed: int, client: int, round_number: int, stream: Stream = Stream.ORDER) -> np.random.Generator:
    """The generator of a client in a round: a counter-based one keyed by all three, so that none overlap.

    Args:
        seed: from 0 to below 2^64.
        client, round_number: from 0 to below 2^32.
        stream: 2^128 draws further on for each.
    """
    philox = np.random.Philox(key=np.array([seed, client << 32 | round_number], dtype=np.uint64))
    return np.random.Generator(philox.advance(stream << 128) if stream else philox)


def client_number(client: str | int) -> int:
    """The number that keys a client's generators: its own where it has one, else 32 bits of a hash of its name.

    So a client's draws depend on its name, and not on who else takes part.
    """
    if isinstance(client, Integral) and 0 <= int(client) < 2**32:
        return int(client)
    return int.from_bytes(hashlib.blake2b(str(client).encode(), digest_size=4).digest(), "big")


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


READS: Mapping[str, tuple[str, ...]] = {"constant": (), "cosine": ("least",), "step": ("every", "by")}
"""Each schedule's own numbers; `warmup` goes with every one."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule and its numbers; those that it does not read change nothing.

    Attributes:
        name: one of `READS`.
        least: of a cosine, the factor of the last round, in (0, 1].
        every: of steps, the rounds between them, 1 or more.
        by: of steps, what each multiplies the rate by, above 0.
        warmup: rounds in which the rate rises before, 0 or more.

    Raises:
        ConfigurationError: another name, or a number outside these bounds.
    """

    name: str = "constant"
    least: float = 0.01
    every: int = 10
    by: float = 0.5
    warmup: int = 0

    def __post_init__(self) -> None:
        store(
            self,
            name=choice("schedule", self.name, READS),
            least=real("schedule.least", self.least, above=0.0, at_most=1.0),
            every=whole("schedule.every", self.every, at_least=1),
            by=real("schedule.by", self.by, above=0.0),
            warmup=whole("schedule.warmup", self.warmup, at_least=0),
        )

    def rate(self, number: int, rounds: int) -> float:
        """The factor in a round, from 1, of so many. A warm-up longer than the training is all there is.

        Above 0 and finite, unless steps went beyond all numbers, which `check` refuses.
        """
        if number <= self.warmup:
            return number / (self.warmup + 1)
        place, last = number - self.warmup - 1, rounds - self.warmup - 1
        if self.name == "cosine":
            return self.least + (1.0 - self.least) * (1.0 + math.cos(math.pi * place / max(last, 1))) / 2.0
        return self._fallen(place // self.every) if self.name == "step" else 1.0

    @staticmethod
    def from_settings(plain: Any) -> Schedule:
        """A schedule by its name, or with its numbers; those of another are refused. Raises ConfigurationError."""
        schedule = plain if isinstance(plain, Mapping) else {"name": plain}
        name = choice("federation.schedule", str(schedule.get("name")), READS)
        numbers = only("federation.schedule", schedule, ("name", *READS[name], "warmup"))
        with prefixed("federation."):
            return Schedule(**{**numbers, "name": name})

    def check(self, steps: LocalSteps, rounds: int) -> None:
        """Raises ConfigurationError where a round would have no learning rate; its first and last are the extremes."""
        for number in (1, rounds):
            rate = steps.learning_rate * self.rate(number, rounds)
            with prefixed(f"federation.schedule in round {number} of {rounds}: "):
                replace(steps, learning_rate=rate)

    def _fallen(self, times: int) -> float:
        try:
            return float(self.by**times)
        except OverflowError:
            return math.inf


CONSTANT = Schedule()
"""The rate as it is, in every round."""
