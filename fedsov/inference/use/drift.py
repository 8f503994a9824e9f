"""Whether requests are still like the rows that a model was trained on: the population stability index (PSI).

    reference = Reference.of({"years": inputs[:, 0]}, scores, people=ids)      # once, by the region, at an approval
    window = DriftWindow(reference).with_rows(inputs, scores)                  # at the endpoint, as it computes
    window.psi()                                                               # {"years": 0.03, "score": 0.11}

PSI compares shares of rows by bin: the sum over bins of (observed - expected) ln(observed / expected). Readers of
credit scores call a value above 0.1 a change and one above 0.25 a large one (Siddiqi, Credit Risk Scorecards, 2006);
with few rows it is large by chance, so it is told from `LEAST_ROWS` rows on.

The edges of bins are the same for every region and come from no row: deciles of a standard normal distribution for a
model's inputs, which are standardised, tenths for probabilities, and deciles about a rounded mean for numbers. Bins of
fewer than `LEAST` people are joined with a neighbour, so that a reference tells of no few people.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> reference = Reference.of({"years": rng.normal(size=1000)}, rng.uniform(size=1000))
>>> same = DriftWindow(reference).with_rows(rng.normal(size=(1000, 1)), rng.uniform(size=(1000, 1)))
>>> other = DriftWindow(reference).with_rows(rng.normal(1.0, size=(1000, 1)), rng.uniform(size=(1000, 1)))
>>> same.psi()["years"] < 0.1 < 0.25 < other.psi()["years"]
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedsov.checks import section, whole
from fedsov.errors import ConfigurationError

REFERENCE = "reference.json"
"""The file of a version's reference, in its folder."""
LEAST = 10
"""People in a bin of a reference."""
LEAST_ROWS = 100
"""Requests' rows from which on a value is told."""
SCORE = "score"
_DECILES = (-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816)
_TENTHS = tuple(place / 10 for place in range(1, 10))


@dataclass(frozen=True, slots=True)
class Bins:
    """K edges that part numbers into K + 1 bins, each with its lower edge in it; and how many rows each had."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        is_sorted = all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False))
        if not is_sorted or not all(map(math.isfinite, self.edges)) or len(self.counts) != len(self.edges) + 1:
            raise ConfigurationError("a reference has bins that are none; approve the version again")

    @staticmethod
    def of(values: np.ndarray, edges: Sequence[float], people: np.ndarray | None = None) -> Bins:
        """The bins of (N,) numbers; those of too few people are joined with the smaller of their neighbours."""
        places = np.searchsorted(np.asarray(edges), values, side="right")
        whose = np.arange(len(values)) if people is None else people
        groups = [
            (set(whose[places == place].tolist()), int((places == place).sum())) for place in range(len(edges) + 1)
        ]
        bounds = list(edges)
        while len(groups) > 1 and (small := min(range(len(groups)), key=lambda at: len(groups[at][0]))) is not None:
            if len(groups[small][0]) >= LEAST:
                break
            beside = [at for at in (small - 1, small + 1) if 0 <= at < len(groups)]
            first, second = sorted((small, min(beside, key=lambda at: len(groups[at][0]))))
            groups[first] = (groups[first][0] | groups[second][0], groups[first][1] + groups[second][1])
            del groups[second], bounds[first]
        return Bins(tuple(bounds), tuple(count for _, count in groups))


@dataclass(frozen=True, slots=True)
class Reference:
    """What a model's inputs and scores were like in training.

    Attributes:
        inputs: the bins of each input, by its name, in the order of the model's inputs.
        scores: the bins of each output.
    """

    inputs: Mapping[str, Bins]
    scores: tuple[Bins, ...]

    @staticmethod
    def of(inputs: Mapping[str, np.ndarray], scores: np.ndarray, *, people: np.ndarray | None = None) -> Reference:
        """The reference of a region's rows.

        Args:
            inputs: by name the (N,) inputs as the model gets them (`Features.names`, `Features.encode`).
            scores: (N,) or (N, C) outputs for these rows.
            people: (N,) whose row each is; None where each is another person's.

        Raises ConfigurationError for numbers that are not finite, or no rows.
        """
        columns = scores.reshape(len(scores), -1 if scores.size else 1).astype(np.float64).T
        every = [*inputs.values(), *columns]
        if not len(scores) or not all(np.isfinite(values).all() and len(values) == len(scores) for values in every):
            raise ConfigurationError("a reference is made of rows, each with finite inputs and scores")
        return Reference(
            {name: Bins.of(np.asarray(values), _DECILES, people) for name, values in inputs.items()},
            tuple(Bins.of(values, _score_edges(values), people) for values in columns),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "inputs": {name: [list(bins.edges), list(bins.counts)] for name, bins in self.inputs.items()},
            "scores": [[list(bins.edges), list(bins.counts)] for bins in self.scores],
        }

    @staticmethod
    def from_json(plain: Any) -> Reference:
        """The inverse of `to_json`. Raises ConfigurationError."""
        given = section("reference.json", plain, Reference)
        try:
            inputs = {str(name): _bins(value) for name, value in given["inputs"].items()}
            return Reference(inputs, tuple(_bins(value) for value in given["scores"]))
        except (TypeError, ValueError, AttributeError):
            raise ConfigurationError("reference.json has bins that are none; approve the version again") from None


@dataclass(slots=True)
class DriftWindow:
    """Counts of requests' rows by bin; `with_rows` adds to it and gives it back.

    Attributes:
        rows: how many.
        inputs: counts by input and bin; `scores` by output and bin.
    """

    reference: Reference
    rows: int = 0
    inputs: list[np.ndarray] = field(default_factory=list)
    scores: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.inputs:
            self.inputs = [np.zeros(len(bins.counts), np.int64) for bins in self.reference.inputs.values()]
            self.scores = [np.zeros(len(bins.counts), np.int64) for bins in self.reference.scores]

    def with_rows(self, inputs: np.ndarray, scores: np.ndarray) -> DriftWindow:
        """Adds (N, D) inputs and (N, C) outputs."""
        self.rows += len(inputs)
        for counts, bins, values in zip(self.inputs, self.reference.inputs.values(), inputs.T, strict=True):
            counts += np.bincount(np.searchsorted(bins.edges, values, side="right"), minlength=len(counts))
        for counts, bins, values in zip(self.scores, self.reference.scores, scores.T, strict=True):
            counts += np.bincount(np.searchsorted(bins.edges, values, side="right"), minlength=len(counts))
        return self

    def joined(self, plain: Mapping[str, Any]) -> DriftWindow:
        """This window with the counts of another (`to_json`) of the same reference."""
        return DriftWindow(
            self.reference,
            self.rows + int(plain["rows"]),
            [mine + np.asarray(other) for mine, other in zip(self.inputs, plain["inputs"], strict=True)],
            [mine + np.asarray(other) for mine, other in zip(self.scores, plain["scores"], strict=True)],
        )

    def to_json(self) -> dict[str, Any]:
        """The counts as plain values."""
        counts = {"inputs": self.inputs, "scores": self.scores}
        return {"rows": self.rows, **{name: [each.tolist() for each in several] for name, several in counts.items()}}

    def psi(self) -> dict[str, float]:
        """The index of each input by its name, and of the scores; nothing from fewer than `LEAST_ROWS` rows."""
        if self.rows < LEAST_ROWS:
            return {}
        references = self.reference.inputs.items()
        values = {name: psi(bins.counts, mine) for (name, bins), mine in zip(references, self.inputs, strict=True)}
        outputs = [psi(bins.counts, mine) for bins, mine in zip(self.reference.scores, self.scores, strict=True)]
        return {**values, SCORE: max(outputs)}


def psi(expected: Sequence[int], observed: Sequence[int] | np.ndarray) -> float:
    """The population stability index of counts by bin; half a row more in each bin, so that an empty one is finite.

    >>> psi([50, 50], [50, 50]), round(psi([50, 50], [90, 10]), 2)
    (0.0, 0.85)
    """
    first, second = (np.asarray(counts, np.float64) + 0.5 for counts in (expected, observed))
    first, second = first / first.sum(), second / second.sum()
    return float(((second - first) * np.log(second / first)).sum())


def _score_edges(values: np.ndarray) -> tuple[float, ...]:
    """Tenths for probabilities; for other numbers deciles about their mean, in two significant digits."""
    if values.min() >= 0.0 and values.max() <= 1.0:
        return _TENTHS
    mean, spread = (float(f"{number:.1e}") for number in (values.mean(), values.std()))
    return tuple(mean + spread * decile for decile in _DECILES) if spread > 0.0 else ()


def _bins(value: Any) -> Bins:
    edges, counts = value
    return Bins(tuple(map(float, edges)), tuple(whole("a count", count, at_least=0) for count in counts))
