"""What events cost together, and how much noise the next one needs.

Events are composed as privacy loss distributions (Koskela et al. 2020, https://arxiv.org/abs/1906.03049; Doroshenko et
al. 2022, https://arxiv.org/abs/2207.04380) by Google's dp-accounting. Its discretisation rounds up: every epsilon here
is an upper bound, too high by some thousandths. The grid is chosen from the events, so that few wide steps stay fast
and many small ones stay tight.

    spent = epsilon(events, delta=1e-9)
    mechanism = calibrated(events, 3.0, 1e-9, sampling_rate=0.05, steps=400, clip=1.0)
    assert epsilon([*events, mechanism.event], 1e-9) <= 3.0

dp-accounting (and scipy with it) is imported at the first question, not before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any

from fedsov.errors import BudgetExceeded, ConfigurationError
from fedsov.privacy.events import NEIGHBOURS, UNIT, Event
from fedsov.privacy.mechanism import RecordMechanism

GRIDS = (1e-3, 5e-4, 2e-4, 1e-4, 5e-5)
GRIDS_PER_STEP = 8.0
"""Grid points within the spread of one step's privacy loss; with fewer, rounding up shows."""
TOLERANCE = 1e-3
"""Relative, of calibrated noise; it is rounded up by as much."""
LEAST_NOISE, MOST_NOISE = 0.1, 1e4
"""No search goes beyond: below, an epsilon says nothing any more; above, nothing is learned."""
LEAST_ACCOUNTED, MOST_ACCOUNTED, MOST_STATED = 0.05, 1e10, 500.0
"""What distributions are made of. Less noise, or a greater epsilon, costs an infinite epsilon, and more noise what this
one costs: upper bounds, both."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """(epsilon, delta)-differential privacy of one record, and the events it was accounted from."""

    epsilon: float
    delta: float
    unit: str
    neighbours: str
    events: tuple[Event, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        events = [event.to_json() for event in self.events]
        return {
            "epsilon": self.epsilon,
            "delta": self.delta,
            "unit": self.unit,
            "neighbours": self.neighbours,
            "events": events,
        }


def epsilon(events: Iterable[Event], delta: float) -> float:
    """The epsilon of all events together at this delta, an upper bound; inf where delta cannot be kept.

    Raises:
        ConfigurationError: a delta outside (0, 1).
    """
    return _epsilon(_merged(events), _delta(delta))


def guarantee(events: Iterable[Event], delta: float) -> Guarantee:
    """What all events together guarantee at this delta; see `epsilon`."""
    accounted = tuple(events)
    return Guarantee(epsilon(accounted, delta), delta, UNIT, NEIGHBOURS, accounted)


def calibrated(
    spent_events: Iterable[Event], epsilon: float, delta: float, *, sampling_rate: float, steps: int, clip: float
) -> RecordMechanism:
    """The mechanism with the least noise such that everything spent and all its steps stay within epsilon.

    The search is over the composition, so it finds far less noise than what a difference of epsilons would allow.

    Raises:
        ConfigurationError: an epsilon or delta that is none.
        BudgetExceeded: what is spent leaves no room, whatever the noise.
    """
    spent = tuple(spent_events)
    first = RecordMechanism(clip, 1.0, sampling_rate, steps)
    start = _likely_noise(epsilon, _delta(delta), sampling_rate**2 * steps)
    noise = least(lambda noise: [*spent, replace(first, noise_multiplier=noise).event], epsilon, delta, start=start)
    return replace(first, noise_multiplier=noise)


def least(events_of: Callable[[float], Sequence[Event]], epsilon: float, delta: float, *, start: float = 1.0) -> float:
    """The least number (to a thousandth, rounded up) for which the events stay within epsilon at delta.

    Args:
        events_of: the events for a number above 0, the cheaper the greater it is (a noise multiplier, or a factor).
        start: where to begin looking.

    Raises:
        ConfigurationError: an epsilon or delta that is none.
        BudgetExceeded: no number is great enough.
    """
    from scipy.optimize import brentq

    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0.0 < epsilon < math.inf:
        raise ConfigurationError(f"expected an epsilon above 0, got {epsilon!r}")
    excesses: dict[float, float] = {}

    def excess(log_number: float) -> float:
        if log_number not in excesses:
            cost = _epsilon(_merged(events_of(math.exp(log_number))), _delta(delta))
            excesses[log_number] = math.log(max(cost, 1e-12) / epsilon) if cost < math.inf else 50.0
        return excesses[log_number]

    if excess(math.log(MOST_NOISE)) > 0.0:
        raise BudgetExceeded(f"no amount of noise keeps this within epsilon {epsilon:.4g} at delta {delta:.3g}")
    low, high = _bracket(excess, math.log(start))
    log_least = brentq(excess, low, high, xtol=TOLERANCE / 2) if low < high else high
    while excess(log_least) > 0.0:
        log_least += TOLERANCE / 2
    return math.exp(log_least)


def _bracket(excess: Callable[[float], float], start: float) -> tuple[float, float]:
    """Logarithms of two numbers, too small and great enough; equal ones where the smallest is great enough."""
    step, place = 0.1, start
    if excess(start) > 0.0:
        while excess(place) > 0.0:
            low, place, step = place, place + step, 2 * step
        return low, place
    while excess(place) <= 0.0 and place > math.log(LEAST_NOISE):
        high, place, step = place, place - step, 2 * step
    return (place, high) if excess(place) > 0.0 else (place, place)


def _likely_noise(epsilon: float, delta: float, exposure: float) -> float:
    """About the noise that `exposure` = rate² × steps needs, by the central limit (Bu et al. 2020, corollary 5)."""
    tail = math.sqrt(2.0 * math.log(1.0 / delta))
    mu = math.sqrt(tail**2 + 2.0 * epsilon) - tail if 0.0 < epsilon < math.inf else 1.0
    share = math.log1p(mu * mu / exposure)
    return min(MOST_NOISE, max(LEAST_NOISE, 1.0 / math.sqrt(share))) if share > 0.0 else MOST_NOISE


def _delta(delta: float) -> float:
    if isinstance(delta, bool) or not isinstance(delta, int | float) or not 0.0 < delta < 1.0:
        raise ConfigurationError(f"expected 0 < delta < 1, got {delta!r}; try 1 / rows²")
    return float(delta)


def _merged(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events, equal ones taken together: their steps add up."""
    counts: dict[Event, int] = {}
    for event in events:
        single = replace(event, steps=1)
        counts[single] = counts.get(single, 0) + event.steps
    return tuple(replace(single, steps=steps) for single, steps in counts.items())


def _epsilon(events: Sequence[Event], delta: float) -> float:
    if not events:
        return 0.0
    if any(map(_is_beyond, events)):
        return math.inf
    grid = _grid(events)
    losses = [_loss(event, grid) for event in events]
    return float(reduce(lambda total, loss: total.compose(loss), losses).get_epsilon_for_delta(delta))


def _is_beyond(event: Event) -> bool:
    """Whether an event loses so much that its distribution would not fit in memory; inf is an upper bound of it."""
    if event.kind == "stated":
        return event.epsilon > MOST_STATED
    steps = event.steps if event.sampling_rate == 1.0 else 1
    return event.noise_multiplier / math.sqrt(steps) < LEAST_ACCOUNTED


def _grid(events: Sequence[Event]) -> float:
    """The distance of the distributions' points: fine enough for the event whose step loses least.

    A sampled step's loss has a standard deviation of about rate / noise (Dong et al. 2019, theorem 11 and its limit).
    """
    spreads = [event.sampling_rate / event.noise_multiplier for event in events if event.kind == "sampled_gaussian"]
    wanted = min(spreads, default=1.0) / GRIDS_PER_STEP
    return next((grid for grid in GRIDS if grid <= wanted), GRIDS[-1])


@lru_cache(maxsize=32)
def _loss(event: Event, grid: float) -> Any:
    """The privacy loss distribution of an event, all its steps included."""
    from dp_accounting.pld import common, privacy_loss_distribution

    noise = min(event.noise_multiplier, MOST_ACCOUNTED)
    if event.kind == "stated":
        bound = common.DifferentialPrivacyParameters(event.epsilon, event.delta)
        step = privacy_loss_distribution.from_privacy_parameters(bound, value_discretization_interval=grid)
    elif event.kind == "laplace":
        step = privacy_loss_distribution.from_laplace_mechanism(noise, value_discretization_interval=grid)
    elif event.sampling_rate == 1.0:  # Gaussian steps compose to one with less noise, exactly
        together = noise / math.sqrt(event.steps)
        return privacy_loss_distribution.from_gaussian_mechanism(together, value_discretization_interval=grid)
    else:
        step = privacy_loss_distribution.from_gaussian_mechanism(
            noise, value_discretization_interval=grid, sampling_prob=event.sampling_rate
        )
    return step.self_compose(event.steps) if event.steps > 1 else step
