"""What a region's owner lets a hub know of the use of its endpoint: the group ``metrics`` of region.yaml.

    metrics:
      share: false             whether anything of it leaves; no hub can ask for it
      people: 10               who stand behind a number that leaves, at least; never fewer than 10
      minutes: 60              how long a window is that is told of once, and never again
      epsilon: null            of noise in each report; null for exact numbers, rounded down to tens
      lifetime_epsilon: null   of all reports together; needed beside epsilon

Under noise, windows of a day last longest: each costs its epsilon, and where the lifetime is spent nothing leaves.

>>> UseSettings.from_settings({"share": True, "people": 20}).people
20
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fedsov.checks import flag, prefixed, real, section, store, whole
from fedsov.errors import ConfigurationError
from fedsov.protocol.use_report import LEAST, MOST_MINUTES

MOST_EPSILON = 10.0
"""Of one report; more is no protection."""
_DAY = 1440


@dataclass(frozen=True, slots=True)
class UseSettings:
    """The group ``metrics``; the attributes are described above. Raises ConfigurationError for what cannot be."""

    share: bool = False
    people: int = LEAST
    minutes: int = 60
    epsilon: float | None = None
    lifetime_epsilon: float | None = None

    def __post_init__(self) -> None:
        store(
            self,
            share=flag("share", self.share),
            people=whole("people", self.people, at_least=LEAST),
            minutes=whole("minutes", self.minutes, at_least=1, at_most=MOST_MINUTES),
        )
        if _DAY % self.minutes:
            raise ConfigurationError(f"minutes must divide a day of {_DAY} minutes, and {self.minutes} do not; try 60")
        if self.epsilon is None:
            return
        store(self, epsilon=real("epsilon", self.epsilon, above=0.0, at_most=MOST_EPSILON))
        if self.lifetime_epsilon is None:
            raise ConfigurationError("lifetime_epsilon must be set beside epsilon: what all reports together may cost")
        store(self, lifetime_epsilon=real("lifetime_epsilon", self.lifetime_epsilon, at_least=self.epsilon))

    @staticmethod
    def from_settings(plain: Any) -> UseSettings:
        """The settings of plain values. Raises ConfigurationError, naming the key."""
        given = section("metrics", plain, UseSettings)
        with prefixed("metrics."):
            return UseSettings(**given)

    @property
    def seconds(self) -> int:
        """Of a window; 0 where nothing leaves, and so nothing is counted."""
        return 60 * self.minutes if self.share else 0
