"""Differentially private gradient steps as one value: clip, noise, sampling, steps, and the event they amount to.

Noise that is set in one place and accounted in another will disagree one day. `RecordMechanism` holds the numbers
once: training takes them from it, the budget takes `event` from it. A training step is, with the sum over a true
Poisson sample (each record for itself, with chance `sampling_rate`; an empty sample is a step too):

    (sum of gradients, each scaled to a norm of at most clip  +  N(0, (noise_multiplier × clip)²))
        / expected_batch(rows)

Divided by the expected batch and not by the drawn one, whose size is private. Unit: one record; neighbours: sets of
which one has one record more (Abadi et al. 2016, https://arxiv.org/abs/1607.00133). A person with k records is
protected k times less. The number of rows is taken as known, as is usual: rate and delta follow from it.

Not promised: noise is added in float32, in which steps are reckoned (Mironov 2012,
https://doi.org/10.1145/2382196.2382264 shows what the low bits of such noise can tell). That of statistics is rounded
to a grid (`fedsov.privacy.private_statistics`). Importing this module imports neither torch nor an accountant.

>>> mechanism = RecordMechanism(clip=1.0, noise_multiplier=2.0, sampling_rate=0.01, steps=50)
>>> mechanism.event.noise_multiplier, mechanism.expected_batch(3000)
(2.0, 30.0)
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fedsov.checks import FLOAT32_LEAST, FLOAT32_MOST, real, store, whole
from fedsov.errors import ConfigurationError
from fedsov.privacy.events import Event

SEED_BITS = 256
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordMechanism:
    """Sampled Gaussian steps under a bound on each record's gradient.

    Attributes:
        clip: the most L2 norm that one record's gradient may have, above 0; 1.0 is a good start.
        noise_multiplier: standard deviation of the noise in units of `clip`, above 0.
        sampling_rate: each record's chance to be in a step, in (0, 1].
        steps: how many steps, 1 or more.
        rows: the records that a step's sum is divided as if there were, whose exact number the noise would tell;
            None for as many as there are.

    Raises:
        ConfigurationError: a number outside these bounds, or a clip or noise that float32, in which steps are reckoned,
            does not hold.
    """

    clip: float
    noise_multiplier: float
    sampling_rate: float
    steps: int
    rows: int | None = None

    def __post_init__(self) -> None:
        store(
            self,
            clip=real("clip", self.clip, at_least=FLOAT32_LEAST, at_most=FLOAT32_MOST, remedy="1.0 is a good start"),
            noise_multiplier=real("noise_multiplier", self.noise_multiplier, above=0.0),
            sampling_rate=real("sampling_rate", self.sampling_rate, above=0.0, at_most=1.0),
            steps=whole("steps", self.steps, at_least=1),
            rows=None if self.rows is None else whole("rows", self.rows, at_least=1),
        )
        real("noise_multiplier times clip", self.stddev, at_least=FLOAT32_LEAST, at_most=FLOAT32_MOST)

    @property
    def event(self) -> Event:
        """What all the steps cost together, for the accountant."""
        return Event(
            "sampled_gaussian",
            noise_multiplier=self.noise_multiplier,
            sampling_rate=self.sampling_rate,
            steps=self.steps,
            sampler="poisson",
        )

    @property
    def stddev(self) -> float:
        """Standard deviation of the noise that is added to a step's sum of clipped gradients."""
        return self.noise_multiplier * self.clip

    def expected_batch(self, rows: int) -> float:
        """Records in a step on average: what its noisy sum is divided by. Raises ConfigurationError for no rows."""
        if rows < 1:
            raise ConfigurationError(f"private steps need 1 row or more, got {rows}")
        return self.sampling_rate * (rows if self.rows is None else self.rows)

    def for_steps(self, steps: int) -> RecordMechanism:
        """The same mechanism for a part of its steps. Raises ConfigurationError for more than it has."""
        if steps > self.steps:
            raise ConfigurationError(f"this mechanism was accounted for {self.steps} steps, not {steps}")
        return replace(self, steps=steps)


@dataclass(frozen=True, slots=True)
class Clipping:
    """A bound on each record's gradient; for each client the noise's standard deviation, its batch, and a generator."""

    clip: float
    noise: Sequence[float]
    expected: Sequence[float]
    generators: Sequence[np.random.Generator]


def noise_generator() -> np.random.Generator:
    """A generator of samples and noise, seeded anew from the system's secret randomness at each use."""
    return _seeded(secrets.randbits(SEED_BITS))


def generators_of(seed: int) -> Callable[[], np.random.Generator]:
    """Generators of samples and noise, one after the other, that follow from a secret seed: kept, it draws the same."""
    sequence = np.random.SeedSequence(seed)
    return lambda: np.random.Generator(np.random.PCG64DXSM(sequence.spawn(1)[0]))


def unsafe_noise_generator(seed: int) -> np.random.Generator:
    """A generator whose noise anybody who knows the seed can subtract: no privacy. For tests and comparisons."""
    _LOG.warning("noise is drawn from the seed %d: whoever knows it can subtract it, nothing is private", seed)
    return _seeded(seed)


def _seeded(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seed)))
