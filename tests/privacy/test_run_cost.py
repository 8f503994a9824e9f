"""What a run asks for, and its price: one reservation, no more than what is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import BudgetExceeded
from fedsov.privacy.accounting import epsilon
from fedsov.privacy.budget import Budget, BudgetHead, BudgetState, Lifetime
from fedsov.privacy.run_cost import RunSize, priced
from tests.privacy.world import ASKED

EXTENT = RunSize(rows=2000, train_rows=1000, rounds=5, epochs=2, thresholds=1, median=True)
EMPTY = BudgetState(Lifetime(4.0, 1e-7), (), BudgetHead(0, ""))


def test_a_run_is_priced_with_all_that_it_releases() -> None:
    release = priced(ASKED, EMPTY, EXTENT, run="r1")
    kinds = [event.kind for event in release.events]
    assert kinds == ["gaussian", "stated", "stated", "sampled_gaussian"]
    assert release.mechanism.steps == 100 and release.round.steps == 20
    assert 2.97 < epsilon(release.events, 1e-7) <= 3.0
    said = release.report(EMPTY)
    assert said["epsilon"] == said["spent_with"] and said["spent_before"] == 0.0 and said["clip"] == 1.0


def test_what_is_not_released_is_not_paid_for() -> None:
    plain = priced(ASKED, EMPTY, replace(EXTENT, thresholds=0, median=False), run="r1")
    assert [event.kind for event in plain.events] == ["gaussian", "sampled_gaussian"]
    assert plain.mechanism.noise_multiplier < priced(ASKED, EMPTY, EXTENT, run="r1").mechanism.noise_multiplier


def test_a_second_run_that_does_not_fit_is_refused_and_null_takes_what_is_left(tmp_path: Path) -> None:
    budget = Budget.open(tmp_path / "privacy.jsonl", lifetime=(4.0, 1e-7))
    first = priced(ASKED, budget.state(), EXTENT, run="r1")
    budget.reserve("r1", "training", first.events, dataset="people", rows=2000)
    with pytest.raises(BudgetExceeded, match=r"training of run r2 .* of which 1(\.\d+)? is left") as refused:
        priced(ASKED, budget.state(), EXTENT, run="r2")
    rest = priced(replace(ASKED, epsilon=None), budget.state(), EXTENT, run="r2")
    assert epsilon(rest.events, 1e-7) == pytest.approx(refused.value.fits, rel=0.05)
    budget.reserve("r2", "training", rest.events, dataset="people", rows=2000)
    assert 0.0 <= budget.left() < 0.05
    with pytest.raises(BudgetExceeded):
        priced(replace(ASKED, epsilon=None), budget.state(), EXTENT, run="r3")


def test_accumulated_batches_are_one_step_of_the_mechanism() -> None:
    words = ["privacy=record", "model.round.accumulate=3", "privacy.batch=100"]
    asked = settings(compose(words)).privacy
    assert asked is not None and asked.batch == 300
    before, after = (priced(one, EMPTY, EXTENT, run="r").mechanism for one in (ASKED, ASKED.accumulating(3)))
    assert (before.sampling_rate, after.sampling_rate) == pytest.approx((0.1, 0.3))
    assert after.expected_batch(EXTENT.train_rows) == pytest.approx(300)
    assert after.steps == pytest.approx(before.steps / 3, abs=EXTENT.rounds)  # so many steps see each row as often
    assert epsilon([after.event], 1e-7) <= 3.0
