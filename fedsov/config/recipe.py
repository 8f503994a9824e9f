"""What a run's configuration says of the training itself: the network, the steps of each occasion, the schedule.

The group `model` and `federation.schedule` as plain values become a `Recipe` and a `Schedule`; every value is checked,
and what is wrong is named by its key. The loss follows from the target: there is one for each task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fedsov.algorithms.local_steps import LARGEST, LEAST, READS, LocalSteps, Recipe, Schedule
from fedsov.checks import whole
from fedsov.config.sections import only
from fedsov.errors import ConfigurationError
from fedsov.model.network import NetworkSpec, is_layered, names
from fedsov.model.parameters import trained
from fedsov.model.targets import TargetRule

STEPS = ("from_scratch", "round", "fine_tune")


def recipe_of(plain: Mapping[str, Any], *, seed: int, target: TargetRule) -> Recipe:
    """The recipe of the group `model`, for this target. Raises ConfigurationError, naming the key."""
    for width in plain["hidden"]:
        whole("model.hidden", width, at_least=1)
    outputs = len(target.classes) or 1
    network = NetworkSpec(str(plain["name"]), tuple(int(width) for width in plain["hidden"]), outputs)
    steps = {occasion: _steps(occasion, plain.get(occasion, {}), seed, target) for occasion in STEPS}
    if (first := plain.get("private_only_steps")) is not None:  # checked alike; `personalization_of` takes it up
        _steps("private_only_steps", first, seed, target)
    frozen = tuple(map(str, plain.get("frozen", ())))
    if is_layered(network):  # of another the names are known when it is built
        trained(names(network), frozen)
    return Recipe(network=network, frozen=frozen, **steps)


def _steps(occasion: str, plain: Mapping[str, Any], seed: int, target: TargetRule) -> LocalSteps:
    group = f"model.{occasion}"
    given = only(group, plain, [*LocalSteps.__dataclass_fields__])
    loss, weights = given.pop("loss", target.task), given.pop("class_weights", [])
    if loss != target.task:
        raise ConfigurationError(
            f"{group}.loss is {loss!r}, and the loss of dataset.task={target.task} is {target.task}"
        )
    expected = 0 if target.scale else len(target.classes) or 2
    if not isinstance(weights, list) or len(weights) not in (0, expected) or not all(map(_is_weight, weights)):
        allowed = f"[] or {expected} numbers above 0" if expected else "[]: numbers have no classes"
        raise ConfigurationError(f"{group}.class_weights must be {allowed}, got {weights!r}")
    try:
        return LocalSteps(**{"seed": seed, **given, "loss": loss, "class_weights": tuple(map(float, weights))})
    except ConfigurationError as error:
        raise ConfigurationError(f"{group}.{error}") from None


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and LEAST <= value <= LARGEST


def schedule_of(plain: Any) -> Schedule:
    """A schedule by its name, or with its numbers; others are refused. Raises ConfigurationError."""
    given = plain if isinstance(plain, Mapping) else {"name": plain}
    name = Schedule(str(given.get("name"))).name
    numbers = only("federation.schedule", given, ("name", *READS[name], "warmup"))
    return Schedule(**{**numbers, "name": name})


def check_rates(schedule: Schedule, steps: LocalSteps, rounds: int) -> None:
    """Raises ConfigurationError where a round would have no learning rate; its first and last are the extremes."""
    for number in (1, rounds):
        rate = steps.learning_rate * schedule.rate(number, rounds)
        try:
            replace(steps, learning_rate=rate)
        except ConfigurationError as problem:
            raise ConfigurationError(f"federation.schedule in round {number} of {rounds}: {problem}") from None
