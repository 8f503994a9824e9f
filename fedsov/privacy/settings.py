"""What a run asks of privacy: `privacy=record`, checked on construction; None stands for `privacy=none`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from fedsov.checks import (
    FLOAT32_LEAST,
    FLOAT32_MOST,
    choice,
    flag,
    only,
    real,
    require,
    store,
    whole,
)
from fedsov.errors import ConfigurationError
from fedsov.model.declared_values import SCHEMA_SETTINGS, read_bounds, read_levels

LEAST_NOISE, MOST_NOISE = 0.5, 1e6
"""Of statistics: with less, they alone cost an epsilon above 10; with more, they say nothing."""
LEAST_DELTA = 1e-30
"""No delta is less: the accountant's distributions have no such tail."""
MOST_EPSILON = 20.0
"""Of a run and of a lifetime: with more, one record may make an outcome e^20 times as likely: no protection."""
MOST_DELTA = 0.1
"""No delta is as much: a region answers about 10 records or more, and its delta lies below 1 / records."""
MOST_MEDIAN_EPSILON = 100.0


@dataclass(frozen=True, slots=True)
class RecordPrivacy:
    """Record-level privacy of one run, and the lifetime budget it draws on.

    Attributes:
        epsilon: of this run by itself, in each region; None for all that is left of the lifetime budget.
        delta: None for 1 / rows²; below 1 / rows in every region.
        clip: the most L2 norm of one record's gradient.
        lifetime_epsilon: of all releases of a region together.
        batch: expected records in a step.
        statistics_noise: noise multiplier of the one Gaussian release of feature statistics.
        median_epsilon: of the region's median, where the target asks for one.
        bounds: column to the least and the greatest value it can have, known without looking at the rows.
        levels: column to all its levels, known without looking at the rows.

    Raises:
        ConfigurationError: a number that is impossible, named as in the configuration.
    """

    epsilon: float | None
    delta: float | None
    clip: float
    lifetime_epsilon: float
    batch: int
    statistics_noise: float
    median_epsilon: float
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        store(
            self,
            epsilon=None
            if self.epsilon is None
            else real("privacy.epsilon", self.epsilon, above=0.0, at_most=MOST_EPSILON),
            delta=None
            if self.delta is None
            else real("privacy.delta", self.delta, at_least=LEAST_DELTA, below=MOST_DELTA, remedy="null is 1 / rows²"),
            clip=real("privacy.clip", self.clip, at_least=FLOAT32_LEAST, at_most=FLOAT32_MOST),
            lifetime_epsilon=real("privacy.lifetime_epsilon", self.lifetime_epsilon, above=0.0, at_most=MOST_EPSILON),
            batch=whole("privacy.batch", self.batch, at_least=1),
            statistics_noise=real(
                "privacy.statistics_noise", self.statistics_noise, at_least=LEAST_NOISE, at_most=MOST_NOISE
            ),
            median_epsilon=real("privacy.median_epsilon", self.median_epsilon, above=0.0, at_most=MOST_MEDIAN_EPSILON),
            bounds=read_bounds(self.bounds),
            levels=read_levels(self.levels),
        )
        if self.epsilon is not None and self.epsilon > self.lifetime_epsilon:
            raise ConfigurationError(
                f"privacy.epsilon is {self.epsilon:g}, above privacy.lifetime_epsilon={self.lifetime_epsilon:g}"
            )

    def accumulating(self, batches: int) -> RecordPrivacy:
        """The same with steps of so many batches: each record's chance to be in a step is that many times as high."""
        return replace(self, batch=self.batch * batches)

    def delta_for(self, rows: int) -> float:
        """The delta of a region with so many records (at least 2 are counted).

        Raises ConfigurationError for a delta of 1 / rows or more: releasing a random record in full would keep it.
        """
        least = max(rows, 2)
        if self.delta is None:
            return 1.0 / least**2
        if self.delta * least >= 1.0:
            raise ConfigurationError(
                f"privacy.delta is {self.delta:g}, and with {rows:,} rows it must be below 1 / rows = {1 / least:.3g}; "
                "privacy.delta=null is 1 / rows²"
            )
        return self.delta

    def sampling_rate(self, rows: int) -> float:
        """Each record's chance to be in a step, where so many rows are trained on."""
        return min(1.0, self.batch / max(rows, 1))

    def steps(self, rows: int, epochs: int) -> int:
        """Steps of one round: as many as see each row `epochs` times on average, at least one."""
        return max(1, round(epochs / self.sampling_rate(rows)))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RecordPrivacy:
        """The inverse of `to_json`."""
        return RecordPrivacy(**value)

    @staticmethod
    def from_settings(privacy: Any, dataset: Mapping[str, Any]) -> RecordPrivacy | None:
        """What the groups `privacy` and `dataset` of a configuration ask for; None where no privacy is.

        Raises ConfigurationError for a key that is missing, or that would be ignored.
        """
        wanted = [part.name for part in fields(RecordPrivacy) if part.name not in SCHEMA_SETTINGS]
        given = only("privacy", privacy, (*MECHANISM_SETTINGS, *wanted))
        mechanism = choice("privacy.mechanism", require("privacy", given, "mechanism"), ("none", "record"))
        flag("privacy.secure_aggregation", require("privacy", given, "secure_aggregation"))
        settings = {key: value for key, value in given.items() if key in wanted}
        bounds, levels = read_bounds(dataset.get("bounds", {})), read_levels(dataset.get("levels", {}))
        if mechanism == "none":
            for key in settings:
                raise ConfigurationError(f"privacy.{key} would be ignored: no noise is added; choose privacy=record")
            return None
        for key in (key for key in wanted if key not in settings):
            raise ConfigurationError(f"privacy.{key} is not set; choose privacy=record")
        if dataset.get("target_above_region_median") and str(dataset["target"]) not in bounds:
            raise ConfigurationError(
                f"a private median needs bounds that are known beforehand: set dataset.bounds.{dataset['target']}"
                "=[LOW,HIGH], or dataset.target_positive instead of dataset.target_above_region_median"
            )
        return RecordPrivacy.from_json({**settings, "bounds": bounds, "levels": levels})


MECHANISM_SETTINGS = ("mechanism", "secure_aggregation")
"""The keys of the group `privacy` that go with any privacy; `RecordPrivacy` has the others."""
