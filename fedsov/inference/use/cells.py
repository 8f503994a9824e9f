"""Who asked a worker for what, in cells, between two words to the region: people as keyed digests, never by name.

    cells = UseCells(3600, secret_of)
    cells.observe(served, ANSWERED, claims, seconds=0.0004, outputs=outputs)     # under a microsecond
    for frame in cells.taken(time.time()): spool.append(frame)                   # every few seconds

An observation is noted as it comes, and counted with others some hundred at a time. A person is the subject of a token
of one issuer, and becomes a digest under a secret that the workers of a region share for one window and that is deleted
with it; so digests of two windows have nothing in common. A token without a subject is nobody: its requests count, and
no person. What becomes of the cells is decided where those of all workers are (`fedsov.inference.use.leaving`).

What a shadow computes is no observation: its requests are the champion's, and two counts of them could be subtracted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from fedsov.inference.served import Served
from fedsov.inference.tokens.token_check import Claims
from fedsov.model.packaging.signature import PROBABILITY
from fedsov.protocol.use_report import OUTCOMES, SCORES, SECONDS

ANSWERED, REFUSED, FAILED = OUTCOMES
NOBODY = 0
"""In the place of a person, where a token names none."""
NO_SCORE = -1
FOLD = 256
"""Observations that are counted at once."""
MOST_PEOPLE = 1_000_000
"""People in the cells of one process between two words; who comes beyond them is not counted, which is."""


class CellKey(NamedTuple):
    """What requests of a cell have in common; `seconds` and `score` are bands, `score` is -1 where there is none."""

    model: str
    version: int
    role: str
    outcome: str
    jurisdiction: str
    seconds: int
    score: int


Observed = Mapping[Any, Mapping[int, int]]
"""By `CellKey` how many requests each person made."""


@dataclass(frozen=True, slots=True)
class UseFrame:
    """What one process counted of one window since its last word.

    Attributes:
        begins: of the window, seconds since 1970.
        cells: requests by cell and person.
        categories: kinds of data that bind what each version reads.
        uncounted: observations for which there was no room.
    """

    begins: int
    cells: Observed
    categories: Mapping[tuple[str, int], tuple[str, ...]]
    uncounted: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        cells = [[*key, list(people), list(people.values())] for key, people in self.cells.items()]
        categories = [[*version, list(words)] for version, words in self.categories.items()]
        return {"begins": self.begins, "cells": cells, "categories": categories, "uncounted": self.uncounted}

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> UseFrame:
        """The inverse of `to_json`. Raises ValueError, TypeError, KeyError for anything else."""
        cells = {
            CellKey(*key): dict(zip(map(int, people), map(int, counts), strict=True))
            for *key, people, counts in plain["cells"]
        }
        categories = {(str(model), int(version)): tuple(words) for model, version, words in plain["categories"]}
        return UseFrame(int(plain["begins"]), cells, categories, int(plain["uncounted"]))


class UseCells:
    """The cells of one process; for one thread."""

    def __init__(self, seconds: int, secret_of: Callable[[int], bytes | None]) -> None:
        """
        Args:
            seconds: of a window; 0 where nothing is counted.
            secret_of: the secret of a window, by when it begins; None where there is none, and nothing is counted.
        """
        self.seconds, self._secret_of = seconds, secret_of
        self._taken: list[tuple[Served, str, Claims, float, int]] = []
        self._begins = -1
        self._keyed: Any = None  # BLAKE2b under the window's secret, copied for each person
        self._clear()

    def observe(
        self, served: Served, outcome: str, claims: Claims, *, seconds: float, outputs: np.ndarray | None = None
    ) -> None:
        """Notes one request that a version took, with its outputs where it was answered."""
        if not self.seconds:
            return
        taken = self._taken
        taken.append((served, outcome, claims, seconds, NO_SCORE if outputs is None else score_band(served, outputs)))
        if len(taken) >= FOLD:
            self._fold()

    def taken(self, now: float) -> list[UseFrame]:
        """What was counted since the last word, which is forgotten here; the window of `now` is the one from here on.

        Args:
            now: seconds since 1970.
        """
        self._fold()
        frames = [UseFrame(self._begins, self._cells, self._categories, self._uncounted)] if self._has_any else []
        self._clear()
        begins = int(now) // self.seconds * self.seconds if self.seconds else -1
        if begins != self._begins or self._keyed is None:
            secret = self._secret_of(begins) if self.seconds else None
            self._begins, self._keyed = begins, None if secret is None else blake2b(key=secret, digest_size=8)
        return frames

    @property
    def _has_any(self) -> bool:
        return self._begins >= 0 and bool(self._cells or self._uncounted)

    def _clear(self) -> None:
        self._cells: dict[tuple[Any, ...], dict[int, int]] = {}
        self._categories: dict[tuple[str, int], tuple[str, ...]] = {}
        self._people: dict[int, tuple[int, Claims]] = {}  # by a checked token, which stays alive with its id
        self._uncounted = 0

    def _fold(self) -> None:
        """Counts what was noted, in the window of the last word."""
        taken, self._taken = self._taken, []
        if self._keyed is None:
            self._uncounted += len(taken)
            return
        cells, people = self._cells, self._people
        for served, outcome, claims, seconds, score in taken:
            band = bisect_left(SECONDS, seconds)
            key = (served.model, served.version, served.role, outcome, claims.jurisdiction, band, score)
            whose = cells.get(key)
            if whose is None:
                whose = cells[CellKey(*key)] = {}
                self._categories[served.model, served.version] = served.categories
            known = people.get(id(claims))
            if known is None:
                if len(people) >= MOST_PEOPLE:
                    self._uncounted += 1
                    continue
                known = people[id(claims)] = (self._person(claims), claims)
            person = known[0]
            whose[person] = whose.get(person, 0) + 1

    def _person(self, claims: Claims) -> int:
        """The person of a token in this window: 63 bits; `NOBODY` where it names none."""
        if self._keyed is None or claims.subject is None:
            return NOBODY
        keyed = self._keyed.copy()
        keyed.update(f"{claims.issuer}\0{claims.subject}".encode())
        return int.from_bytes(keyed.digest(), "big") >> 1 or 1


def score_band(served: Served, outputs: np.ndarray) -> int:
    """The band of the greatest probability that one row was answered with; -1 of several rows, and of numbers."""
    if len(outputs) != 1 or not has_probability(served):
        return NO_SCORE
    score = outputs.item(0) if outputs.shape[1] == 1 else max(outputs[0].tolist())
    return bisect_left(SCORES, score)


def has_probability(served: Served) -> bool:
    """Whether a version answers with probabilities, and not with numbers in a unit of their own."""
    words = served.predictor.words
    return len(words) > 1 or words[0] == PROBABILITY


def joined_frames(frames: Iterable[UseFrame]) -> UseFrame:
    """All frames of one window as one. Raises ValueError for frames of several windows, or none."""
    every = list(frames)
    (begins,) = {frame.begins for frame in every}
    cells: dict[tuple[Any, ...], dict[int, int]] = {}
    categories: dict[tuple[str, int], tuple[str, ...]] = {}
    for frame in every:
        for key, people in frame.cells.items():
            whose = cells.setdefault(key, {})
            for person, count in people.items():
                whose[person] = whose.get(person, 0) + count
        for version, words in frame.categories.items():
            categories[version] = tuple(sorted({*categories.get(version, ()), *words}))
    return UseFrame(begins, cells, categories, sum(frame.uncounted for frame in every))
