"""A region's private run: priced when asked, reserved as a whole before a row is touched, then counted down.

What leaves under `privacy=record`, of rows that are not public: noisy feature statistics, noisy steps, and the region's
noisy median inside the outcomes of both. Scores of the rounds and of the region's own model do not leave: they are
means over rows, and are not disclosed (NaN, None); they stay in the region's own registry. Synthetic rows do not
leave: their generator has no guarantee. Row counts do, people's in tens: they are taken as known. Public rows' people
agreed to their release; answers about public rows alone are as without privacy.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from fedsov.errors import BudgetBroken, BudgetExceeded
from fedsov.model.column_statistics import Statistics
from fedsov.model.network import Parameters
from fedsov.model.targets import TargetRule
from fedsov.privacy.budget import Budget, BudgetHead, BudgetState, Reservation
from fedsov.privacy.mechanism import SEED_BITS, RecordMechanism, generators_of, noise_generator
from fedsov.privacy.private_statistics import Schema, private_median, private_statistics
from fedsov.privacy.run_cost import RunCost, RunSize, priced
from fedsov.privacy.settings import RecordPrivacy
from fedsov.training.rows import Rows

Note = Callable[[BudgetHead, dict[str, Any]], None]


class Memory(Protocol):
    """What of a private run outlives its process: values by name, the last update's arrays, and the last draw."""

    def drawing(self) -> Mapping[str, Any]: ...
    def keep_drawing(self, drawing: Mapping[str, Any]) -> None: ...
    def recall(self) -> Mapping[str, Any]: ...
    def keep(self, arrays: Parameters | None = None, **notes: Any) -> None: ...
    def arrays(self) -> Parameters: ...


@dataclass(slots=True)
class Forgetful:
    """A memory that ends with the process."""

    notes: dict[str, Any] = field(default_factory=dict)
    update: Parameters = field(default_factory=dict)
    draw: Mapping[str, Any] = field(default_factory=dict)

    def drawing(self) -> Mapping[str, Any]:
        return self.draw

    def keep_drawing(self, drawing: Mapping[str, Any]) -> None:
        self.draw = drawing

    def recall(self) -> Mapping[str, Any]:
        return self.notes

    def keep(self, arrays: Parameters | None = None, **notes: Any) -> None:
        self.notes |= notes
        self.update = self.update if arrays is None else arrays

    def arrays(self) -> Parameters:
        return self.update


class PrivateRun:
    """One run's draw on a region's budget, over as many processes as it takes.

    Args:
        note: told of the reservation, for the region's ledger.
        memory: where what was drawn is kept before it leaves; asked the same again, the run gives the same again.
    """

    def __init__(
        self,
        settings: RecordPrivacy,
        budget: Budget,
        extent: RunSize,
        *,
        run: str,
        dataset: str,
        note: Note,
        memory: Memory | None = None,
    ) -> None:
        self.settings, self.extent, self.run, self.dataset = settings, extent, run, dataset
        self._budget, self._note = budget, note
        self._memory = Forgetful() if memory is None else memory
        self._release: RunCost | None = None
        notes = self._memory.recall()
        self._median: float | None = notes.get("median")
        self._statistics = Statistics.from_json(notes["statistics"]) if "statistics" in notes else None
        kept = (notes, self._memory.drawing())  # a round that was drawn counts, whether or not its answer was kept
        self._rounds_left: int = min(each.get("rounds_left", extent.rounds) for each in kept)
        self.chance: Callable[[], np.random.Generator] = noise_generator

    @property
    def answered(self) -> int:
        """How many rounds of the run were answered, each counted once."""
        return self.extent.rounds - self._rounds_left

    def price(self) -> dict[str, Any]:
        """What the run would cost and leave; nothing is spent. Raises BudgetExceeded where it does not fit."""
        before, _ = self._before(self._budget.state())
        return dict(priced(self.settings, before, self.extent, run=self.run).report(before))

    def begin(self) -> RunCost:
        """The run's release, reserved on the disk and noted at the first call; one reservation for the whole run.

        Raises:
            BudgetExceeded: it does not fit.
            BudgetBroken: the budget's file; or this run reserved something else before.
        """
        if self._release is None:
            book = self._budget.state()
            before, mine = self._before(book)
            release = priced(self.settings, before, self.extent, run=self.run)
            head = book.head if mine else self._reserve(release)
            if mine and (mine.events, mine.dataset) != (release.events, self.dataset):
                raise BudgetBroken(f"run {self.run} reserved another release than the one that it now asks for")
            self._note(head, dict(release.report(before)))
            self._release = release
        return self._release

    def _reserve(self, release: RunCost) -> BudgetHead:
        _, head = self._budget.reserve(
            self.run, "training", release.events, dataset=self.dataset, rows=self.extent.rows
        )
        return head

    def _before(self, book: BudgetState) -> tuple[BudgetState, Reservation | None]:
        """The book as it was before this run's reservation, and that; the whole book where there is none yet."""
        for place, entry in enumerate(book.entries):
            if entry.run == self.run:
                return replace(book, entries=book.entries[:place]), entry
        return book, None

    def answer(self, question: str, make: Callable[[], Parameters]) -> Parameters:
        """A round's update, made with the noise of `chance` and kept before it is given.

        The same question gets the same one, also where it failed or the process ended before it was kept: what is
        drawn follows from a seed that is kept first, and with it that the round counts.

        Args:
            question: the digest of all that the update is made from, beside the rows.

        Raises BudgetExceeded for more questions than rounds were reserved.
        """
        self.begin()
        if self._memory.recall().get("question") != question:
            self._begin_round(question)
            made = make()
            self._memory.keep(made, question=question, rounds_left=self._rounds_left)
        return self._memory.arrays()

    def median(self, targets: np.ndarray, rule: TargetRule) -> float | None:
        """The noisy median of (N,) targets, drawn once; None where the rule asks for none."""
        self.begin()
        if rule.above_region_median and self._median is None:
            numbers = np.asarray(targets, np.float64)
            bounds, cost = self.settings.bounds[rule.column], self.settings.median_epsilon
            self._median = private_median(numbers, bounds, epsilon=cost, rng=noise_generator())
            self._memory.keep(median=self._median)
        return self._median

    def statistics(self, rows: Rows) -> Statistics:
        """The training rows' statistics under noise, drawn once: asked again, the same answer is given."""
        release = self.begin()
        if self._statistics is None:
            self._statistics = private_statistics(
                rows.columns,
                rows.kinds,
                Schema(self.settings.bounds, self.settings.levels),
                noise_multiplier=self.settings.statistics_noise,
                threshold_delta=release.threshold_delta,
                rng=noise_generator(),
                rows=self.extent.train_rows,
            )
            self._memory.keep(statistics=self._statistics.to_json())
        return self._statistics

    def mechanism(self) -> RecordMechanism:
        """What each of its rounds is made under."""
        return self.begin().round

    def _begin_round(self, question: str) -> None:
        drawing = self._memory.drawing()
        if drawing.get("question") != question:
            if self._rounds_left < 1:
                raise BudgetExceeded(f"run {self.run} reserved {self.extent.rounds} rounds, and all were answered")
            self._rounds_left -= 1
            seed = secrets.token_hex(SEED_BITS // 8)
            drawing = {"question": question, "seed": seed, "rounds_left": self._rounds_left}
            self._memory.keep_drawing(drawing)
        self.chance = generators_of(int(drawing["seed"], 16))


BUDGET_FILE = "privacy.jsonl"
