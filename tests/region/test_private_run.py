"""A region's private run: nothing is spent by asking, all of it before the first answer, and no round more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.errors import BudgetBroken, BudgetExceeded
from fedsov.model.targets import TargetRule
from fedsov.privacy.budget import Budget, BudgetHead
from fedsov.privacy.run_cost import RunSize
from fedsov.privacy.settings import RecordPrivacy
from fedsov.region.private_run import Forgetful, PrivateRun
from fedsov.training.rows import Rows
from tests.full_disk import full_disk

ASKED = RecordPrivacy(
    epsilon=3.0,
    delta=1e-6,
    clip=1.0,
    lifetime_epsilon=4.0,
    batch=50,
    statistics_noise=5.0,
    median_epsilon=0.2,
    bounds={"pay": (0.0, 100.0), "age": (0.0, 100.0)},
)
EXTENT = RunSize(rows=900, train_rows=500, rounds=2, epochs=1, thresholds=0, median=True)
RULE = TargetRule("pay", above_region_median=True)


def private_run(
    tmp_path: Path, noted: list[tuple[BudgetHead, dict[str, Any]]], memory: Forgetful | None = None
) -> PrivateRun:
    budget = Budget.open(tmp_path / "privacy.jsonl", lifetime=(4.0, 1e-6))
    return PrivateRun(
        ASKED,
        budget,
        EXTENT,
        run="r1",
        dataset="people",
        note=lambda head, report: noted.append((head, report)),
        memory=memory,
    )


def test_asking_the_price_spends_nothing_and_the_first_answer_spends_it_all_once(tmp_path: Path) -> None:
    noted: list[tuple[BudgetHead, dict[str, Any]]] = []
    run = private_run(tmp_path, noted)
    price = run.price()
    assert not list(tmp_path.iterdir()) and not noted
    ages = np.linspace(20, 80, 500)
    run.median(ages, RULE)
    run.statistics(Rows({"age": ages}, {"age": "numeric"}, np.zeros(500)))
    run.answer("a question", dict)
    ((head, report),) = noted
    assert head.entries == 1 and report == price and 2.95 < report["epsilon"] <= 3.0


def test_statistics_and_median_asked_again_are_the_same_answer(tmp_path: Path) -> None:
    run = private_run(tmp_path, [])
    ages = np.linspace(20, 80, 500)
    rows = Rows({"age": ages}, {"age": "numeric"}, np.zeros(500))
    assert run.median(ages, RULE) == run.median(ages, RULE)
    assert run.statistics(rows) == run.statistics(rows)


def test_a_round_more_than_was_reserved_is_refused(tmp_path: Path) -> None:
    run = private_run(tmp_path, [])
    for question in ("first", "second"):
        run.answer(question, dict)
    assert 2 * run.mechanism().steps == run.begin().mechanism.steps and run.answered == 2
    with pytest.raises(BudgetExceeded, match="reserved 2 rounds"):
        run.answer("third", dict)


class _Failed(Exception):
    pass


def test_a_round_that_fails_after_its_draw_counts_and_asked_again_draws_the_same(tmp_path: Path) -> None:
    """Or whoever makes it fail would see one noisy answer after another, and pay for one."""
    drawn: list[float] = []

    def ask(question: str) -> None:
        run = private_run(tmp_path, [], memory)

        def fails() -> dict[str, np.ndarray]:
            drawn.append(float(run.chance().standard_normal()))
            drawn.append(float(run.chance().standard_normal()))
            raise _Failed

        with pytest.raises(_Failed):
            run.answer(question, fails)

    memory = Forgetful()
    for question in ("first", "first", "second"):
        ask(question)
    assert drawn[:2] == drawn[2:4] and len(set(drawn)) == 4
    with pytest.raises(BudgetExceeded, match="reserved 2 rounds"):
        private_run(tmp_path, [], memory).answer("third", dict)


def test_where_nothing_can_be_reserved_nothing_is_answered(tmp_path: Path) -> None:
    run = private_run(tmp_path, [])
    for ask in (lambda: run.answer("a question", dict), lambda: run.median(np.zeros(3), RULE)):
        with full_disk(), pytest.raises(BudgetBroken, match="no row was touched"):
            ask()


def test_a_process_that_starts_again_in_the_same_run_goes_on_with_its_one_reservation(tmp_path: Path) -> None:
    private_run(tmp_path, []).begin()
    spent = (tmp_path / "privacy.jsonl").read_bytes()
    private_run(tmp_path, []).begin()
    assert spent and (tmp_path / "privacy.jsonl").read_bytes() == spent
