"""What a run asks of privacy: `privacy=record`, checked on construction; None stands for `privacy=none`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from fedsov.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class RecordPrivacy:
    """Record-level privacy of one run, and the lifetime budget it draws on.

    Attributes:
        epsilon: of this run by itself, in each region; None for all that is left of the lifetime budget.
        delta: None for 1 / rows².
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
        for name in ("epsilon", "clip", "lifetime_epsilon", "batch", "statistics_noise", "median_epsilon"):
            value = getattr(self, name)
            if not (value is None and name == "epsilon") and not _above_zero(value):
                raise ConfigurationError(f"privacy.{name} must be a number above 0, got {value!r}")
        if not isinstance(self.batch, int):
            raise ConfigurationError(f"privacy.batch must be a whole number of records, got {self.batch!r}")
        if self.delta is not None and not (_above_zero(self.delta) and self.delta < 1.0):
            raise ConfigurationError(f"privacy.delta must be in (0, 1), or null for 1 / rows²; got {self.delta!r}")
        if self.epsilon is not None and self.epsilon > self.lifetime_epsilon:
            raise ConfigurationError(
                f"privacy.epsilon is {self.epsilon:g}, above privacy.lifetime_epsilon={self.lifetime_epsilon:g}"
            )
        for column, (low, high) in self.bounds.items():
            if not -math.inf < low < high < math.inf:
                raise ConfigurationError(f"dataset.bounds.{column} must be [LOW, HIGH] with LOW < HIGH")

    def accumulating(self, batches: int) -> RecordPrivacy:
        """The same with steps of so many batches: each record's chance to be in a step is that many times as high."""
        return replace(self, batch=self.batch * batches)

    def delta_for(self, rows: int) -> float:
        """The delta of a region with so many records (at least 2 are counted)."""
        return self.delta if self.delta is not None else 1.0 / max(rows, 2) ** 2

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
        bounds = {str(column): _bounds(column, pair) for column, pair in value["bounds"].items()}
        levels = {str(column): tuple(map(str, some)) for column, some in value["levels"].items()}
        return RecordPrivacy(**{**value, "bounds": bounds, "levels": levels})

    @staticmethod
    def from_settings(privacy: Mapping[str, Any], dataset: Mapping[str, Any]) -> RecordPrivacy | None:
        """What the groups `privacy` and `dataset` of a configuration ask for; None where no privacy is.

        Raises ConfigurationError for a key that is missing, or that would be ignored.
        """
        settings = {key: value for key, value in privacy.items() if key not in ("mechanism", "secure_aggregation")}
        wanted = [part.name for part in fields(RecordPrivacy) if part.name not in ("bounds", "levels")]
        if privacy["mechanism"] == "none":
            for key in settings:
                raise ConfigurationError(f"privacy.{key} would be ignored: no noise is added; choose privacy=record")
            return None
        for key in (key for key in wanted if key not in settings):
            raise ConfigurationError(f"privacy.{key} is not set; choose privacy=record")
        schema = {key: dataset.get(key) or {} for key in ("bounds", "levels")}
        if dataset["target_above_region_median"] and dataset["target"] not in schema["bounds"]:
            raise ConfigurationError(
                f"a private median needs bounds that are known beforehand: set dataset.bounds.{dataset['target']}"
                "=[LOW,HIGH], or dataset.target_positive instead of dataset.target_above_region_median"
            )
        return RecordPrivacy.from_json({**settings, **schema})


def _above_zero(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 < value < math.inf


def _bounds(column: Any, pair: Any) -> tuple[float, float]:
    numbers = isinstance(pair, list | tuple) and len(pair) == 2
    if not numbers or not all(isinstance(end, int | float) and not isinstance(end, bool) for end in pair):
        raise ConfigurationError(f"dataset.bounds.{column} must be [LOW, HIGH], got {pair!r}")
    return float(pair[0]), float(pair[1])
