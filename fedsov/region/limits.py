"""What a region answers at most: the group ``limits`` of its region.yaml, and the check of a training against it.

    limits:
      rounds: 1000           of one training
      questions: 10000       about people, in a year: of all data sets, versions and runs together
      steps: 1000000         of one round
      learning_rate: 10.0    of a round's steps, times the schedule's greatest factor
      least_people: 10       that a number of an answer stands for; fewer are not described
      dominance: 0.5         the greatest share of one person in a count or a sum
      weights: 100.0         that a unit of a model adds up to, in absolute values, and that its layers multiply to
      class_weights: 100.0   the greatest one as a multiple of the least

Questions are counted for the region, and for no version or name of a data set: whoever asks a region with new rows, or
the same people under another name, goes on where the count stands. An answer counts for a year after it left, by the
time of the region's ledger. Questions about example rows do not count. As many as people are
scored average the rounding of scores out for one of them (docs/decisions/0027): set it to what trainings need.

>>> from fedsov.algorithms.local_steps import LocalSteps
>>> from fedsov.model.network import NetworkSpec
>>> Limits(rounds=5).check("DE", TrainingSpec(NetworkSpec(), LocalSteps(), rounds=6))
Traceback (most recent call last):
fedsov.errors.LimitExceeded: 6 rounds are more than the 5 of region DE; `fedsov region set DE limits.rounds=6` allows it
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from fedsov.algorithms.local_steps import LARGEST, LEAST, LocalSteps
from fedsov.algorithms.recipe import Recipe
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.checks import prefixed, real, section, store, whole
from fedsov.errors import LimitExceeded
from fedsov.model.column_statistics import MINIMUM_COUNT

QUESTION_DAYS = 365
"""For how long an answer counts towards ``questions``."""
MOST_FORGOTTEN = 0.1
"""The greatest share of what it learned that a step over people's rows forgets: learning_rate * (weight_decay +
proximal_mu). At 1 an update is the last step alone; at a tenth or less, some ten steps or more weigh in it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a region's owner sets; the defaults are far above what a training needs.

    Attributes:
        rounds: of one training, at least 1.
        questions: answers about people within `QUESTION_DAYS`, at least 1.
        steps: of one round, and of private_only_steps, from_scratch and fine_tune each, at least 1.
        learning_rate: of the same, above 0.
        least_people: that a number of an answer stands for, `MINIMUM_COUNT` or more.
        dominance: the greatest share of one person in a count or a sum, above 0 and at most 1, which is no rule.
        weights: what a unit of a model adds up to that is trained on people's rows without noise, and what the norms of
            its layers multiply to (`fedsov.model.steepness`), above 0.
        class_weights: the ratio of the greatest to the least class weight there, 1 or more; 1 is none.

    Raises:
        ConfigurationError: a number outside these bounds, named as in region.yaml.
    """

    rounds: int = 1000
    questions: int = 10_000
    steps: int = 1_000_000
    learning_rate: float = 10.0
    least_people: int = MINIMUM_COUNT
    dominance: float = 0.5
    weights: float = 100.0
    class_weights: float = 100.0

    def __post_init__(self) -> None:
        store(
            self,
            rounds=whole("rounds", self.rounds, at_least=1),
            questions=whole("questions", self.questions, at_least=1),
            steps=whole("steps", self.steps, at_least=1),
            learning_rate=real("learning_rate", self.learning_rate, at_least=LEAST, at_most=LARGEST),
            least_people=whole("least_people", self.least_people, at_least=MINIMUM_COUNT),
            dominance=real("dominance", self.dominance, above=0.0, at_most=1.0),
            weights=real("weights", self.weights, at_least=LEAST, at_most=LARGEST),
            class_weights=real("class_weights", self.class_weights, at_least=1.0, at_most=LARGEST),
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

    def check(self, region: str, training: TrainingSpec, *, rows: int = 0, people: bool = False) -> None:
        """Raises LimitExceeded for a training with more rounds, a greater learning rate, or more steps on so many rows.

        On people's rows, not hidden by noise, also for class weights further apart, for steps of fewer rows than
        `least_people`, and for steps that forget more than `MOST_FORGOTTEN`. The message names the region, the
        limit and what would mend it.
        """
        self._within(region, "rounds", training.rounds, "{:,} rounds are more than the {:,}")
        factor = max(training.rate(number) for number in range(1, training.rounds + 1))
        only = training.personalization.private.private_only_steps
        for group, steps in {"model.round": training.steps, "model.private_only_steps": only}.items():
            if steps is not None:
                rate = steps.learning_rate * factor
                self._check_occasion(region, group, replace(steps, learning_rate=rate), rows=rows, people=people)
                if people:
                    self._check_steps(region, group, steps, rate)

    def check_at_home(self, region: str, recipe: Recipe, *, rows: int = 0, people: bool = False) -> None:
        """Raises LimitExceeded as `check`, for the steps that a region's own model is made by on so many rows."""
        for occasion in ("from_scratch", "fine_tune"):
            self._check_occasion(region, f"model.{occasion}", getattr(recipe, occasion), rows=rows, people=people)

    def _check_occasion(self, region: str, group: str, steps: LocalSteps, *, rows: int, people: bool) -> None:
        suffix = " a round" if group == "model.round" else f" of {group}"
        words = f"a learning rate{suffix.replace(' a round', '')} of {{:g}} is greater than the {{:g}}"
        self._within(region, "learning_rate", steps.learning_rate, words)
        taken = steps.epochs * max(1, math.ceil(rows / steps.rows))
        self._within(region, "steps", taken, f"{{:,}} steps{suffix} are more than the {{:,}}")
        if people:
            given = (1.0, *steps.class_weights)
            words = "the greatest class weight is {:g} times the least, more than the {:g}"
            self._within(region, "class_weights", max(given) / min(given), words)

    def _check_steps(self, region: str, group: str, steps: LocalSteps, rate: float) -> None:
        if steps.rows < self.least_people:
            batch = math.ceil(self.least_people / steps.accumulate)
            raise LimitExceeded(
                f"a step takes {group}.batch={steps.batch} times accumulate={steps.accumulate} rows, fewer than the "
                f"{self.least_people} people that region {region} answers about (limits.least_people); "
                f"set {group}.batch={batch} or more"
            )
        forgotten = rate * (steps.weight_decay + steps.proximal_mu)
        if forgotten > MOST_FORGOTTEN:
            fits = 0.9 * steps.learning_rate * MOST_FORGOTTEN / forgotten
            raise LimitExceeded(
                f"a step forgets {forgotten:.3g} of what was learned, so that an update tells region {region}'s last "
                f"rows; over people's rows learning_rate * (weight_decay + proximal_mu) is at most {MOST_FORGOTTEN}; "
                f"set {group}.learning_rate={fits:.2g}, or lower {group}.weight_decay or FedProx's proximal_mu"
            )

    def check_steepness(self, region: str, steepness: float, what: str) -> None:
        """Raises LimitExceeded for a model, or a drift, whose units add up to more; `what` came."""
        self._within(region, "weights", steepness, f"a unit of {what} adds up to {{:g}}, more than the {{:g}}")

    def check_composed(self, region: str, composed: float, what: str) -> None:
        """Raises LimitExceeded for layers that move by more one after another; `what` came."""
        words = f"{what} moves by up to {{:.3g}} where its inputs move by one spread, more than the {{:g}}"
        self._within(region, "weights", composed, words)

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
