"""A region at work: its records, divided once, and what each kind of question may look at.

A *scope* says which rows a question is about: ``all`` (stays at home), ``shareable`` (no restriction binds them),
``public`` (nothing binds them) and ``consented`` (bound, and their people consented to a base model). The label of an
answer is the join over the rows of its scope, computed here from the records and never passed by hand.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from fedsov.errors import FedsovError
from fedsov.label import PUBLIC, Label, Scope
from fedsov.model.features import Features
from fedsov.model.targets import numbers, outcome
from fedsov.partition.people.changed_people import People
from fedsov.partition.records import Records
from fedsov.partition.told_counts import FEWEST, in_tens
from fedsov.privacy.run_cost import RunSize
from fedsov.privacy.settings import RecordPrivacy
from fedsov.protocol.job import TrainingJob
from fedsov.region.answers.memory import Answers, Given
from fedsov.region.answers.rows_behind import RowsBehind
from fedsov.region.bench.rounds import NetworkParts
from fedsov.region.bench.tasks import THIS_PROCESS, Bench
from fedsov.region.private_run import PrivateRun
from fedsov.region.settings import RegionSettings
from fedsov.region.strategies.selection import RegionModel
from fedsov.storage.atomic_files import sha256_hex
from fedsov.training.client_state import InMemoryStates, StateStore
from fedsov.training.rows import DataSplit, Rows, SplitMasks, seed_key, split


class Session:
    """One region's records during one run; keeps what its registry will ask for: rounds, outcome, labels received.

    Attributes:
        settings: the region's own.
        examples: whether its owner calls the rows of this data set examples; then the job's seed divides them, by folds
            that are the same in every workspace. People's rows are divided by their pseudonyms and the region's secret.
        split_id: tells the keys of divisions apart, and nothing of the secret; who is chosen is in the answers' people.
        answers: what was answered about people's rows; None where they are examples.
        behind: by question and scope, who stands behind its answer now.
        given: by question and scope, the answer that this session gave.
        answered: by the same, the rows behind it (`fedsov.region.answers.people_rows.rows_of_answer`).
        looked_at: by scope and features, what may be looked at (`fedsov.region.answers.people_rows.looked_at`).
        bench: where model code runs; this process unless the region was opened with another.
        parts: by private names and number of inputs, the network's parameters (`fedsov.region.bench.rounds.Outline`).
    """

    def __init__(
        self, records: Records, work: TrainingJob, folder: Path, *, settings: RegionSettings, secret: bytes = b""
    ) -> None:
        self.records, self.work, self.folder, self.settings = records, work, folder, settings
        self.examples = settings.of_dataset(work.dataset).examples and work.calls_examples
        if not self.examples and not secret:
            raise FedsovError("people's rows are divided by their region's secret, and none was given")
        persons = records.folds.astype(str) if self.examples and records.folds is not None else records.subjects
        key = seed_key(work.seed) if self.examples else secret
        self.split_id = f"seed {work.seed}" if self.examples else sha256_hex(b"split" + secret)[:16]
        self.division: SplitMasks = split(persons, key)
        self.rounds: list[tuple[str, float, int]] = []
        self.finished: RegionModel | None = None
        self.received: Label = PUBLIC
        self.private: PrivateRun | None = None
        self.own: StateStore = InMemoryStates()
        self.answers: Answers | None = None
        self.behind: dict[tuple[str, str], People] = {}
        self.given: dict[tuple[str, str], Given] = {}
        self.answered: dict[tuple[str, str], RowsBehind] = {}
        self.looked_at: dict[tuple[str, str], tuple[Features, Features]] = {}
        self.bench: Bench = THIS_PROCESS
        self.parts: dict[tuple[tuple[str, ...], int], NetworkParts] = {}

    def mask(self, scope: str) -> np.ndarray:
        """(N,) True for the rows a scope holds."""
        if scope == Scope.ALL:
            return np.ones(len(self.records), dtype=bool)
        if scope == Scope.SHAREABLE:
            return self.records.unrestricted
        if scope == Scope.PUBLIC:
            return self.records.public
        if scope == Scope.CONSENTED:  # no answer about them leaves under noise, so none does where there is to be noise
            return self.records.consented if self.private is None else np.zeros(len(self.records), bool)
        raise FedsovError(f"no scope {scope!r}; the scopes are {', '.join(Scope)}")

    def rows(self, scope: str, *, as_numbers: bool = False) -> Rows:
        """The scope's rows. Outcomes are from the scope's own targets: a median over others would carry their bonds.

        Args:
            as_numbers: the targets as they are, float64, in place of outcomes.
        """
        mask = self.mask(scope)
        chosen = self.records.select(mask)
        target, private = chosen.target, self.private_in(scope)
        if as_numbers:
            values = numbers(target, self.work.target.column)
            return Rows(chosen.columns, chosen.kinds, values, self._persons(scope)[mask])
        median = private.median(target, self.work.target) if private and len(chosen) else None
        outcomes = outcome(target, self.work.target, median) if len(chosen) else np.zeros(0, np.float32)
        return Rows(chosen.columns, chosen.kinds, outcomes, self._persons(scope)[mask])

    def private_in(self, scope: str) -> PrivateRun | None:
        """The private run, where an answer about this scope leaves under it: rows that are shared and not public."""
        return self.private if scope == Scope.SHAREABLE else None

    @property
    def privacy(self) -> RecordPrivacy | None:
        """What the job asks of privacy, of people's rows within the bounds and levels that their owner declares."""
        asked, own = self.work.privacy, self.settings.of_dataset(self.work.dataset)
        return asked if asked is None or self.examples else replace(asked, bounds=own.bounds, levels=own.levels)

    def extent(self) -> RunSize:
        """What a private run would learn from, in numbers; of people's rows in tens, 10 at least.

        The rate, the steps and the noise of a run follow from these, and are told.
        """
        categorical = [name for name, kind in self.records.kinds.items() if kind == "categorical"]
        declared = self.privacy.levels if self.privacy else {}
        rows, train_rows = len(self.records), int((self.mask(Scope.SHAREABLE) & self.division.train).sum())
        return RunSize(
            rows=rows if self.examples else in_tens(rows, least=FEWEST),
            train_rows=train_rows if self.examples else in_tens(train_rows, least=FEWEST),
            rounds=self.work.rounds,
            epochs=self.work.recipe.round.epochs,
            thresholds=len(set(categorical) - set(declared)),
            median=self.work.target.above_region_median,
        )

    def divided(self, scope: str, *, as_numbers: bool = False) -> DataSplit:
        """The scope's rows: to train on, to choose on, to report on; see `rows`."""
        whole, mask = self.rows(scope, as_numbers=as_numbers), self.mask(scope)
        return DataSplit(*(whole.select(part[mask]) for part in self.division))

    def _persons(self, scope: str) -> np.ndarray:
        """(N,) whose row each is, for floors; empty where the row is public and others are not: it hides nobody."""
        if scope == Scope.PUBLIC:
            return self.records.subjects
        return np.where(self.records.public, "", self.records.subjects)

    def training_records(self, scope: str) -> Records:
        """The scope's records that may be learned from (for a synthesizer; test rows are never in it)."""
        return self.records.select(self.mask(scope) & self.division.train)

    def label(self, scope: str) -> Label:
        """The join over the scope's rows."""
        return self.records.select(self.mask(scope)).label

    def people(self, scope: str, part: str) -> int:
        """How many people an answer is about: all of the scope, or those of one part of the division.

        Public rows do not count beside bound ones: who knows them could subtract them.
        """
        mask = self.mask(scope)
        if part != "all":
            mask = mask & getattr(self.division, part)
        if scope != Scope.PUBLIC:
            mask = mask & ~self.records.public
        return len(np.unique(self.records.subjects[mask]))

    def counts(self) -> dict[str, int]:
        """Rows, public and shareable rows, classes of the target (of numbers, 2 or more are told as 2), for the plan.

        A group of fewer than `limits.least_people` is not told apart: so few public rows, or bound rows that may be
        shared, are told as none; so few restricted rows as shareable (they stay out of what is shared all the same).
        Where people were asked, how many rows are of those who consented to a base model: none, unless they and those
        who did not are many on each side of the division, since answers about both could be subtracted.
        """
        public, restricted = self.mask(Scope.PUBLIC), ~self.mask(Scope.SHAREABLE)
        shareable = len(self.records) - (int(restricted.sum()) if self._are_many(restricted) else 0)
        consented = self.records.consented
        others = ~public & ~restricted & ~consented
        apart = all(self._are_many(consented & part) and self._none_or_many(others & part) for part in self.division)
        asked = {} if self.records.consents is None else {"consented": int(consented.sum()) if apart else 0}
        return asked | {
            "rows": len(self.records),
            "public": int(public.sum()) if self._are_many(public) else 0,
            "shareable": shareable if self._are_many(~public & ~restricted) else 0,
            "classes": min(len(np.unique(self.rows(Scope.ALL).y)), len(self.work.target.classes) or 2),
        }

    def _none_or_many(self, mask: np.ndarray) -> bool:
        return not mask.any() or self._are_many(mask)

    def _are_many(self, mask: np.ndarray) -> bool:
        return len(np.unique(self.records.subjects[mask])) >= self.settings.limits.least_people
