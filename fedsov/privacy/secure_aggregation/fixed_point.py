"""Weighted real numbers as whole numbers modulo 2^64, so that they can be summed under masks.

Masks are uniform only over a finite ring, so a region's values x are sent as the whole numbers ``w * rint(x * 2^f)``
beside their weight w, as words modulo 2^64 read as two's complement. A sum in the ring is the true sum of whole
numbers as long as that is a signed 64-bit number. With |x| at most C, weights from 1 to W and n regions::

    |sum of w * rint(x * 2^f)|  <=  n * W * ceil(C * 2^f)  <  2^63

so where the right inequality holds, which `FixedPoint` checks when it is made, no sum of up to n regions can overflow;
the sum of weights, at most n * W, is below that bound as well. ``ceil(C * 2^f) <= 2^53`` is asked for too: then float64
holds every rounded value exactly, and rounding to nearest is the only error of encoding.

Worst error: each rounded value is at most half a step (2^-f) from its real one, and the weighted mean of such errors
is not more. Dividing the sum adds two roundings of float64. So |decoded - true mean| <= 2^-(f+1) + 2^-52 * |mean|.
Rounding is to nearest and not stochastic: equal seeds give equal models, and the error is far below float32's own.

>>> fixed = FixedPoint.finest(clip=64.0, largest_weight=2**24, regions=4)
>>> fixed.fraction, fixed.worst_error < 1e-9
(30, True)
>>> words = fixed.encoded(np.array([0.5, -1.0]), 3) + fixed.encoded(np.array([1.0, 2.0]), 1)
>>> fixed.decoded(words)
(array([ 0.625, -0.25 ]), 4)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsov.errors import ConfigurationError, TrainingFailed

RingVector = np.ndarray[Any, np.dtype[np.uint64]]
"""A one-dimensional array of words modulo 2^64."""

LARGEST = 2**63
EXACT = 2**53
_CHUNK = 2**15  # values at a time, so that their steps stay in the processor's cache
COARSEST = 10
"""A step of at least 2^-10 would show in a model; `FixedPoint.finest` refuses it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the regions agree on before they sum: how far a value may be from 0, and the largest weight."""

    clip: float = 64.0
    largest_weight: int = 2**24

    def among(self, regions: int) -> FixedPoint:
        """The finest arithmetic for so many regions. Raises ConfigurationError as `FixedPoint.finest`."""
        return FixedPoint.finest(clip=self.clip, largest_weight=self.largest_weight, regions=regions)


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """How values become words; see the module for the inequality that it keeps.

    Attributes:
        clip: the largest magnitude a value may have (C); what is larger is refused, not cut.
        fraction: bits behind the point (f).
        largest_weight: the largest weight (W), such as rows of a region.
        regions: how many may be summed (n).

    Raises:
        ConfigurationError: a bound that is none, or bounds under which a sum could overflow.
    """

    clip: float
    fraction: int
    largest_weight: int
    regions: int

    def __post_init__(self) -> None:
        if not 0.0 < self.clip < math.inf or self.largest_weight < 1 or self.regions < 1 or self.fraction < 0:
            raise ConfigurationError(f"expected bounds above 0 and a fraction of 0 bits or more, got {self}")
        largest = _largest_value(self.clip, self.fraction)
        if self.regions * self.largest_weight * largest >= LARGEST or largest > EXACT:
            raise ConfigurationError(
                f"{self.regions} regions of weight up to {self.largest_weight:,} and values up to {self.clip:g} in "
                f"steps of 2^-{self.fraction} could overflow 64 bits; lower the clip, the weights or the fraction"
            )

    @staticmethod
    def finest(*, clip: float, largest_weight: int, regions: int) -> FixedPoint:
        """The one with the smallest step under these bounds.

        Raises ConfigurationError where they leave no step below 2^-10.
        """
        for fraction in range(53, COARSEST, -1):
            largest = _largest_value(clip, fraction) if 0.0 < clip < math.inf else 0
            if regions * largest_weight * largest < LARGEST and largest <= EXACT:
                return FixedPoint(clip, fraction, largest_weight, regions)
        raise ConfigurationError(
            f"{regions} regions of weight up to {largest_weight:,} and values up to {clip:g} leave no step below "
            f"2^-{COARSEST} in 64 bits; lower the clip or the largest weight"
        )

    @property
    def worst_error(self) -> float:
        """The largest error of a mean that encoding can cause, before the roundings of float64."""
        return math.ldexp(1.0, -self.fraction - 1)

    def encoded(self, values: np.ndarray, weight: int) -> RingVector:
        """(P,) values under a weight as (P + 1,) words, the last of them the weight.

        Raises TrainingFailed for a value that is not finite or beyond the clip, or a weight out of its bounds.
        """
        if not 1 <= weight <= self.largest_weight:
            raise TrainingFailed(f"a weight of {weight:,} is not in 1 to {self.largest_weight:,}, as was agreed")
        scale = math.ldexp(1.0, self.fraction)
        words = np.empty(len(values) + 1, dtype=np.int64)
        for start in range(0, len(values), _CHUNK):
            chunk, part = values[start : start + _CHUNK], words[start : min(start + _CHUNK, len(values))]
            if not max(chunk.max(), -chunk.min()) <= self.clip:  # false too where one is NaN
                raise TrainingFailed(
                    f"a value is not finite or moved by more than {self.clip:g} in one round; lower the learning rate"
                )
            scaled = np.multiply(chunk, scale, dtype=np.float64)
            np.copyto(part, np.rint(scaled, out=scaled), casting="unsafe")  # whole numbers within int64 by the bounds
            part *= weight
        words[-1] = weight
        return words.view(np.uint64)

    def decoded(self, total: RingVector) -> tuple[np.ndarray, int]:
        """The (P,) weighted mean, in float64, and the sum of weights of a sum of encoded words.

        Raises TrainingFailed where the sum of weights is none that the regions could have.
        """
        signed = total.view(np.int64)
        weight = int(signed[-1])
        if not 1 <= weight <= self.regions * self.largest_weight:
            raise TrainingFailed("the sum of the regions' weights is impossible: a mask was not taken off, or changed")
        mean = np.empty(len(signed) - 1)
        for start in range(0, len(mean), _CHUNK):
            part = mean[start : start + _CHUNK]
            np.divide(signed[start : start + len(part)], float(weight), out=part)
            part *= self.step  # a power of two: exact
        return mean, weight

    @property
    def step(self) -> float:
        """The distance between neighbouring values."""
        return math.ldexp(1.0, -self.fraction)


def summed(several: Sequence[RingVector]) -> RingVector:
    """The sum of one array of words or more, all of a length, modulo 2^64."""
    total = np.empty_like(several[0])
    for start in range(0, len(total), _CHUNK):
        part = total[start : start + _CHUNK]
        part[:] = several[0][start : start + _CHUNK]
        for other in several[1:]:
            part += other[start : start + _CHUNK]
    return total


def _largest_value(clip: float, fraction: int) -> int:
    """ceil(clip * 2^fraction), reckoned in whole numbers: no rounded value of magnitude up to the clip is larger."""
    numerator, denominator = clip.as_integer_ratio()
    return -((-numerator << fraction) // denominator)
