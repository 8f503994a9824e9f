"""What a region answers at most: the group ``limits`` of its region.yaml, and the check of a training against it.

    limits:
      rounds: 1000           of one training
      questions: 10000       about people, in a year: of all data sets, versions and runs together
      steps: 1000000         of one round
      learning_rate: 10.0    of a round's steps, times the schedule's greatest factor
      least_people: 10       that a number of an answer stands for; fewer are not described
      dominance: 0.5         the greatest share of one person in a count or a sum

Questions are counted for the region, and for no version or name of a data set: whoever asks a region with new rows, or
the same people under another name, goes on where the count stands. An answer counts for a year after it left, by the
time of the region's ledger. Questions about example rows do not count.

>>> from fedsov.algorithms.local_steps import LocalSteps
>>> from fedsov.model.network import NetworkSpec
>>> Limits(rounds=5).check("DE", TrainingSpec(NetworkSpec(), LocalSteps(), rounds=6))
Traceback (most recent call last):
fedsov.errors.LimitExceeded: 6 rounds are more than the 5 of region DE; `fedsov region set DE limits.rounds=6` allows it
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from fedsov.algorithms.local_steps import LARGEST, LEAST
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.checks import prefixed, real, section, store, whole
from fedsov.errors import LimitExceeded
from fedsov.model.column_statistics import MINIMUM_COUNT

QUESTION_DAYS = 365
"""For how long an answer counts towards ``questions``."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a region's owner sets; the defaults are far above what a training needs.

    Attributes:
        rounds: of one training, at least 1.
        questions: answers about people within `QUESTION_DAYS`, at least 1.
        steps: of one round, at least 1.
        learning_rate: of a round's steps, above 0.
        least_people: that a number of an answer stands for, `MINIMUM_COUNT` or more.
        dominance: the greatest share of one person in a count or a sum, above 0 and at most 1, which is no rule.

    Raises:
        ConfigurationError: a number outside these bounds, named as in region.yaml.
    """

    rounds: int = 1000
    questions: int = 10_000
    steps: int = 1_000_000
    learning_rate: float = 10.0
    least_people: int = MINIMUM_COUNT
    dominance: float = 0.5

    def __post_init__(self) -> None:
        store(
            self,
            rounds=whole("rounds", self.rounds, at_least=1),
            questions=whole("questions", self.questions, at_least=1),
            steps=whole("steps", self.steps, at_least=1),
            learning_rate=real("learning_rate", self.learning_rate, at_least=LEAST, at_most=LARGEST),
            least_people=whole("least_people", self.least_people, at_least=MINIMUM_COUNT),
            dominance=real("dominance", self.dominance, above=0.0, at_most=1.0),
        )

    @staticmethod
    def from_settings(plain: Any) -> Limits:
        """The group ``limits``, whose keys are these fields; {} for the defaults. Raises ConfigurationError."""
        limits = section("limits", plain, Limits)
        with prefixed("limits."):
            return Limits(**limits)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_settings` gives equal limits."""
        return asdict(self)

    def check(self, region: str, training: TrainingSpec, *, rows: int = 0) -> None:
        """Raises LimitExceeded for a training with more rounds, a greater learning rate, or more steps on so many rows.

        The message names the region, the limit and the command that would change it.
        """
        self._within(region, "rounds", training.rounds, "{:,} rounds are more than the {:,}")
        rate = training.steps.learning_rate * max(training.rate(number) for number in range(1, training.rounds + 1))
        self._within(region, "learning_rate", rate, "a learning rate of {:g} is greater than the {:g}")
        steps = training.steps.epochs * math.ceil(rows / training.steps.rows)
        self._within(region, "steps", steps, "{:,} steps a round are more than the {:,}")

    def check_questions(self, region: str, asked: int) -> None:
        """Raises LimitExceeded for the answer after the last that is allowed about people in a year."""
        words = "{:,} questions about people in a year are more than the {:,}"
        self._within(region, "questions", asked, words, enough=2 * asked)  # a job asks several after this one

    def _within(self, region: str, name: str, value: float, words: str, *, enough: float | None = None) -> None:
        most = getattr(self, name)
        if value > most:
            raise LimitExceeded(
                f"{words.format(value, most)} of region {region}; "
                f"`fedsov region set {region} limits.{name}={enough or value}` allows it"
            )
