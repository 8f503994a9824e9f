"""A region's private run: priced when asked, reserved as a whole before a row is touched, then counted down.

What leaves under `privacy=record`, of rows that are not public: noisy feature statistics, noisy steps, and the region's
noisy median inside the outcomes of both. Scores of the rounds and of the region's own model do not leave: they are
means over rows, and are withheld (NaN, None, "withheld"); they stay in the region's own registry. Synthetic rows do not
leave: their generator has no guarantee. Row counts do: they are taken as known. Public rows' people agreed to their
release; answers about public rows alone are as without privacy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fedsov.errors import BudgetExceeded
from fedsov.model.features import Statistics
from fedsov.partition.dataset import TargetRule
from fedsov.privacy.budget import Budget, Head
from fedsov.privacy.mechanism import RecordMechanism, noise_generator
from fedsov.privacy.release import Extent, Release, priced
from fedsov.privacy.settings import RecordPrivacy
from fedsov.training.local import Rows
from fedsov.training.noisy import Schema, private_median, private_statistics

WITHHELD = "withheld"
"""Told instead of how a kept model came about, which validation rows decide."""
Note = Callable[[Head, dict[str, Any]], None]


class PrivateRun:
    """One run's draw on a region's budget; `note` is told of the reservation, for the region's ledger."""

    def __init__(
        self, settings: RecordPrivacy, budget: Budget, extent: Extent, *, run: str, dataset: str, note: Note
    ) -> None:
        self.settings, self.extent, self.run, self.dataset = settings, extent, run, dataset
        self._budget, self._note = budget, note
        self._release: Release | None = None
        self._median: float | None = None
        self._statistics: Statistics | None = None
        self._rounds_left = extent.rounds

    def price(self) -> dict[str, Any]:
        """What the run would cost and leave; nothing is spent. Raises BudgetExceeded where it does not fit."""
        book = self._budget.book()
        return dict(priced(self.settings, book, self.extent, run=self.run).report(book))

    def begin(self) -> Release:
        """The run's release, reserved on the disk and noted at the first call. Raises BudgetExceeded, BudgetBroken."""
        if self._release is None:
            book = self._budget.book()
            release = priced(self.settings, book, self.extent, run=self.run)
            _, head = self._budget.reserve(
                self.run, "training", release.events, dataset=self.dataset, rows=self.extent.rows
            )
            self._note(head, dict(release.report(book)))
            self._release = release
        return self._release

    def median(self, targets: np.ndarray, rule: TargetRule) -> float | None:
        """The noisy median of (N,) targets, drawn once; None where the rule asks for none."""
        self.begin()
        if rule.above_region_median and self._median is None:
            numbers = np.asarray(targets, np.float64)
            bounds, cost = self.settings.bounds[rule.column], self.settings.median_epsilon
            self._median = private_median(numbers, bounds, epsilon=cost, rng=noise_generator())
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
            )
        return self._statistics

    def next_round(self) -> RecordMechanism:
        """The mechanism of one more round. Raises BudgetExceeded for more rounds than were reserved."""
        release = self.begin()
        if self._rounds_left < 1:
            raise BudgetExceeded(f"run {self.run} reserved {self.extent.rounds} rounds, and all were answered")
        self._rounds_left -= 1
        return release.round
