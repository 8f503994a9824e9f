"""What the learning rate of the regions' steps is multiplied by in a round: a pure function of the round's number.

    constant   1
    cosine     half a cosine from 1 in the first round to `least` in the last (Loshchilov & Hutter 2017,
               https://arxiv.org/abs/1608.03983)
    step       1, multiplied by `by` after every `every` rounds

With `warmup` the rate first rises in as many rounds, in equal steps from 0 (Goyal et al. 2017,
https://arxiv.org/abs/1706.02677), and the schedule takes the rounds after them. A factor is never 0: a round at rate 0
would be counted, and paid for from a privacy budget, and train nothing. Nothing is remembered, so a training that is
resumed goes on as if it had not been killed.

>>> [round(Schedule("cosine", least=0.2, warmup=1).rate(number, 4), 3) for number in (1, 2, 3, 4)]
[0.5, 1.0, 0.6, 0.2]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fedsov.errors import ConfigurationError

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
        if self.name not in READS:
            raise ConfigurationError(f"no schedule {self.name!r}; choose one of {', '.join(READS)}")
        allowed = {
            "least": ("in (0, 1]", _is_number(self.least) and 0.0 < self.least <= 1.0),
            "every": ("a whole number of 1 or more", type(self.every) is int and self.every >= 1),
            "by": ("above 0", _is_number(self.by) and 0.0 < self.by < math.inf),
            "warmup": ("a whole number of 0 or more", type(self.warmup) is int and self.warmup >= 0),
        }
        for name, (bounds, holds) in allowed.items():
            if not holds:
                raise ConfigurationError(f"a schedule's {name} must be {bounds}, got {getattr(self, name)!r}")

    def rate(self, round: int, rounds: int) -> float:
        """The factor in a round, from 1, of so many. A warm-up longer than the training is all there is.

        Above 0 and finite, unless steps went beyond all numbers, which `fedsov.config.recipe.check_rates` refuses.
        """
        if round <= self.warmup:
            return round / (self.warmup + 1)
        place, last = round - self.warmup - 1, rounds - self.warmup - 1
        if self.name == "cosine":
            return self.least + (1.0 - self.least) * (1.0 + math.cos(math.pi * place / max(last, 1))) / 2.0
        return self._fallen(place // self.every) if self.name == "step" else 1.0

    def _fallen(self, times: int) -> float:
        try:
            return float(self.by**times)
        except OverflowError:
            return math.inf


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


CONSTANT = Schedule()
"""The rate as it is, in every round."""
