"""All that one run will release of a region's private rows, priced before the first of it is made.

A run under `privacy=record` releases: feature statistics (one Gaussian release, and a threshold for level names that
were not declared), the region's median where the target asks for one, and noisy gradient steps over all its rounds.
Nothing else: scores stay in the region. Row counts are told, in tens where they are of people's; they are taken as
known, as rate and delta are, and rate, steps and noise are those of the count that is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fedsov.privacy.accounting import calibrated, epsilon
from fedsov.privacy.budget import BudgetState, check
from fedsov.privacy.events import Event
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.privacy.settings import RecordPrivacy

THRESHOLD_SHARE = 0.05
"""Of delta, for naming levels that were not declared: the chance that a level of one record alone is named."""


@dataclass(frozen=True, slots=True)
class RunSize:
    """What a run is to learn from: records of the region, training rows, rounds and epochs of each, undeclared columns.

    All that is told of a run follows from these: rows may be rounded, and the mechanism is then that of so many.

    Attributes:
        thresholds: categorical columns whose levels are found in the rows.
        median: whether the target asks for the region's median.
    """

    rows: int
    train_rows: int
    rounds: int
    epochs: int
    thresholds: int
    median: bool


@dataclass(frozen=True, slots=True)
class RunCost:
    """What a run releases, priced: what is fixed, and the mechanism of the steps of all rounds."""

    fixed: tuple[Event, ...]
    mechanism: RecordMechanism
    rounds: int
    threshold_delta: float
    delta: float

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything, for the budget."""
        return (*self.fixed, self.mechanism.event)

    @property
    def round(self) -> RecordMechanism:
        """The mechanism of one round's steps."""
        return self.mechanism.for_steps(self.mechanism.steps // self.rounds)

    def report(self, state: BudgetState) -> dict[str, float | int]:
        """What the run guarantees by itself, how, and what was spent before: for ledgers and people."""
        return {
            "epsilon": epsilon(self.events, self.delta),
            "delta": self.delta,
            "clip": self.mechanism.clip,
            "noise_multiplier": self.mechanism.noise_multiplier,
            "sampling_rate": self.mechanism.sampling_rate,
            "steps": self.mechanism.steps,
            "spent_before": state.spent().epsilon,
            "spent_with": epsilon([*state.events, *self.events], self.delta),
            "lifetime_epsilon": state.lifetime.epsilon,
        }


def priced(settings: RecordPrivacy, state: BudgetState, size: RunSize, *, run: str) -> RunCost:
    """The cost of a run with the least noise that the run's epsilon and the lifetime budget allow.

    Raises:
        BudgetExceeded: the run's epsilon does not fit what is left, or nothing is left.
    """
    delta = state.lifetime.delta
    threshold_delta = THRESHOLD_SHARE * delta if size.thresholds else 0.0
    fixed = [Event("gaussian", settings.statistics_noise)]
    fixed += [Event("stated", delta=threshold_delta)] if size.thresholds else []
    fixed += [Event("stated", epsilon=settings.median_epsilon)] if size.median else []
    own = settings.epsilon is not None
    mechanism = calibrated(
        fixed if own else [*state.events, *fixed],
        settings.epsilon if settings.epsilon is not None else state.lifetime.epsilon,
        delta,
        sampling_rate=settings.sampling_rate(size.train_rows),
        steps=settings.steps(size.train_rows, size.epochs) * size.rounds,
        clip=settings.clip,
    )
    mechanism = replace(mechanism, rows=size.train_rows or None)
    cost = RunCost(tuple(fixed), mechanism, size.rounds, threshold_delta, delta)
    check(state, cost.events, purpose=f"training of run {run}")
    return cost
