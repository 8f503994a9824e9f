"""Discrete Laplace noise: its chances are those of its formula."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest

from fedsov.errors import ConfigurationError
from fedsov.privacy.discrete_laplace import discrete_laplace


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(2), Fraction(7, 3)])
def test_each_number_comes_as_often_as_its_chance(scale: Fraction) -> None:
    below, many = Random(11).randrange, 20_000
    drawn = [discrete_laplace(scale, below) for _ in range(many)]
    decay = math.exp(-1 / scale)
    for number in range(-4, 5):
        chance = (1 - decay) / (1 + decay) * decay ** abs(number)
        assert abs(drawn.count(number) / many - chance) < 4 * math.sqrt(chance * (1 - chance) / many)


def test_a_scale_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        discrete_laplace(Fraction(0))
