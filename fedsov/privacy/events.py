"""What a release of private rows cost, as the thing that happened and not as a number.

An epsilon forgets how it came about, and epsilons add up far too high: three trainings of epsilon 1.4 are together
2.4, not 4.2. So what is kept, for as long as the data, is the event: which noise, which sampling, how often.
`fedsov.privacy.accounting` replays any number of events and says what they cost together.

An event of a kind, sampler or neighbouring relation that is not in the tables below is refused, never guessed.

>>> event = Event("sampled_gaussian", noise_multiplier=1.1, sampling_rate=0.01, steps=100, sampler="poisson")
>>> Event.from_json(event.to_json()) == event
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fedsov.checks import choice, real, shown, store, whole
from fedsov.errors import ConfigurationError

SAMPLERS: Mapping[str, str] = {
    "gaussian": "none",
    "sampled_gaussian": "poisson",
    "laplace": "none",
    "stated": "none",
}
"""Each kind of event, and the one sampler that its accounting holds for."""
NEIGHBOURS = "add_or_remove_one"
"""The relation everything here is about: two sets of records of which one has one record more."""
UNIT = "record"
MOST_STEPS = 2**53
"""No event has more: a float holds the number of its steps exactly."""


@dataclass(frozen=True, slots=True)
class Event:
    """One mechanism, applied `steps` times to the same records.

    Attributes:
        kind: ``gaussian`` (noise of standard deviation noise_multiplier × L2 sensitivity), ``sampled_gaussian``
            (the same on a Poisson sample), ``laplace`` (noise of scale noise_multiplier × L1 sensitivity), or
            ``stated`` (known only by its epsilon and delta, each time).
        noise_multiplier: above 0; 0 where the kind is ``stated``.
        sampling_rate: each record's chance to be in a step, in (0, 1]; 1 for kinds that do not sample.
        steps: how often, 1 or more.
        sampler: ``poisson`` where each record is drawn for itself, ``none`` where all are used. Shuffled batches of
            fixed size are neither, and have no accounting here.
        neighbours: the neighbouring relation.
        epsilon, delta: of a ``stated`` event, each time; 0 for the other kinds.

    Raises:
        ConfigurationError: an unknown word, or a number that is impossible for the kind.
    """

    kind: str
    noise_multiplier: float = 0.0
    sampling_rate: float = 1.0
    steps: int = 1
    sampler: str = "none"
    neighbours: str = NEIGHBOURS
    epsilon: float = 0.0
    delta: float = 0.0

    def __post_init__(self) -> None:
        choice("the kind of an event", self.kind, SAMPLERS)
        if not isinstance(self.sampler, str) or self.sampler != SAMPLERS[self.kind]:
            raise ConfigurationError(
                f"a {self.kind} event has the sampler {SAMPLERS[self.kind]!r}, got {shown(self.sampler)}; "
                "no other way of sampling has an accounting here"
            )
        choice("the neighbours of an event", self.neighbours, (NEIGHBOURS,))
        self._check_numbers()

    def _check_numbers(self) -> None:
        stated, sampled = self.kind == "stated", self.sampler == "poisson"
        of = f"a {self.kind} event's"
        store(
            self,
            noise_multiplier=real(
                f"{of} noise_multiplier",
                self.noise_multiplier,
                above=None if stated else 0.0,
                at_least=0.0 if stated else None,
                at_most=0.0 if stated else None,
            ),
            sampling_rate=real(f"{of} sampling_rate", self.sampling_rate, above=0.0, at_most=1.0),
            steps=whole(f"{of} steps", self.steps, at_least=1, at_most=MOST_STEPS),
            epsilon=real(f"{of} epsilon", self.epsilon, at_least=0.0),
            delta=real(f"{of} delta", self.delta, at_least=0.0, below=1.0),
        )
        if not sampled and self.sampling_rate != 1.0:
            raise ConfigurationError(f"a {self.kind} event does not sample, got {self.sampling_rate=}")
        if stated != (self.epsilon + self.delta > 0.0):
            raise ConfigurationError(f"epsilon and delta are for a stated event alone, and one is above 0; got {self}")

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives an equal event."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Event:
        """The inverse of `to_json`. Raises ConfigurationError for keys, words or numbers that no event has."""
        names = {field.name for field in fields(Event)}
        if not isinstance(value, Mapping) or set(value) != names:
            raise ConfigurationError(f"an event has exactly {', '.join(sorted(names))}; got {value!r}")
        return Event(**value)
