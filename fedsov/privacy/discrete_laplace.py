"""Whole numbers of discrete Laplace noise, drawn without floating point.

P(X = k) is proportional to exp(-|k| / scale). Added to a count that one person changes by 1 at most, it gives epsilon =
1 / scale, exactly: no bit of a float tells anything. Canonne, Kamath and Steinke, NeurIPS 2020, algorithm 2
(https://arxiv.org/abs/2004.00010), after von Neumann's draws of exp(-x).

>>> from random import Random
>>> [discrete_laplace(Fraction(2), Random(seed).randrange) for seed in range(5)]
[-1, -2, 0, 0, -2]
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from fractions import Fraction

from fedsov.errors import ConfigurationError

Below = Callable[[int], int]
"""An even draw of the whole numbers from 0 to one less than this."""


def discrete_laplace(scale: Fraction, below: Below = secrets.randbelow) -> int:
    """A number of noise of this scale, from the system's secret randomness. Raises ConfigurationError for no scale."""
    if scale <= 0:
        raise ConfigurationError(f"the scale of noise must be above 0, got {scale}")
    top, bottom = scale.numerator, scale.denominator
    while True:
        part = below(top)
        if not _happens_exp(Fraction(part, top), below):
            continue
        wholes = 0
        while _happens_exp(Fraction(1), below):
            wholes += 1
        size, is_negative = (part + top * wholes) // bottom, bool(below(2))
        if size or not is_negative:
            return -size if is_negative else size


def _happens_exp(minus: Fraction, below: Below) -> bool:
    """True with the chance exp(-minus), for 0 to 1."""
    turn = 1
    while below(minus.denominator * turn) < minus.numerator:
        turn += 1
    return turn % 2 == 1
