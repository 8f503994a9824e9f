"""A region at work: its records, divided once, and what each kind of question may look at.

A *scope* says which rows a question is about: ``all`` (stays at home), ``shareable`` (no restriction binds them) and
``public`` (nothing binds them: their people agreed to global use). The label of an answer is the join over the rows
of its scope, computed here from the records and never passed by hand.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fedsov.errors import FedsovError, InputError
from fedsov.label import PUBLIC, Label
from fedsov.partition.store import Records
from fedsov.training.choose import Outcome
from fedsov.training.local import Divided, Rows, Split, outcome, split
from fedsov.training.work import Work

SCOPES = ("all", "shareable", "public")


class Session:
    """One region's records during one run; keeps what its registry will ask for: rounds, outcome, labels received."""

    def __init__(self, records: Records, work: Work, folder: Path) -> None:
        self.records, self.work, self.folder = records, work, folder
        self.outcomes = outcome(records.target, work.target) if len(records) else np.zeros(0, np.float32)
        persons = records.subjects if records.folds is None else records.folds.astype(str)
        self.division: Split = split(persons, work.seed)
        self.rounds: list[tuple[str, float, int]] = []
        self.finished: Outcome | None = None
        self.received: Label = PUBLIC

    def mask(self, scope: str) -> np.ndarray:
        """(N,) True for the rows a scope holds."""
        if scope == "all":
            return np.ones(len(self.records), dtype=bool)
        if scope == "shareable":
            return self.records.unrestricted
        if scope == "public":
            return self.records.public
        raise FedsovError(f"no scope {scope!r}; the scopes are {', '.join(SCOPES)}")

    def divided(self, scope: str) -> Divided:
        """The scope's rows: to train on, to choose on, to report on."""
        whole = Rows(self.records.columns, self.records.kinds, self.outcomes)
        mask = self.mask(scope)
        return Divided(*(whole.select(mask & part) for part in self.division))

    def training_records(self, scope: str) -> Records:
        """The scope's records that may be learned from (for a synthesizer; test rows are never in it)."""
        return self.records.select(self.mask(scope) & self.division.train)

    def label(self, scope: str) -> Label:
        """The join over the scope's rows."""
        return self.records.select(self.mask(scope)).label

    def people(self, scope: str, part: str) -> int:
        """Records behind an answer: all of the scope, or those of one part of the division."""
        mask = self.mask(scope)
        if part == "all":
            return int(mask.sum())
        return int((mask & getattr(self.division, part)).sum())

    def classes(self) -> int:
        """How many classes the target has here: 0 (no rows), 1 or 2."""
        return len(np.unique(self.outcomes))


def require_rows(rows: Divided, region: str) -> None:
    """Raises InputError where a region has no row to train on."""
    if not len(rows.train):
        raise InputError(f"region {region} has no row to train on")
