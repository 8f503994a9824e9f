"""How many steps count, with momentum and without; and what a half keeps."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from fedsov.algorithms import client_half
from fedsov.algorithms.catalogue import ALGORITHMS, Algorithm
from fedsov.algorithms.client_half import StepCounts, effective_steps
from fedsov.algorithms.local_steps import LocalSteps, shuffled


def test_the_example_of_the_module_runs() -> None:
    assert doctest.testmod(client_half).failed == 0


@pytest.mark.parametrize("rows", [1, 19, 20, 21, 100])
def test_steps_are_counted_as_they_are_taken(rows: int) -> None:
    steps = LocalSteps(batch=10, accumulate=2, epochs=3, momentum=0.0)
    counts = StepCounts(0.1, 0.0, steps.rows, steps.epochs)
    assert counts.taken(rows) == len(shuffled(rows, steps, np.random.default_rng(0)))
    assert counts.effective(rows) == counts.taken(rows)


def test_two_steps_with_momentum_weigh_as_worked_by_hand() -> None:
    np.testing.assert_allclose(effective_steps(np.array([0, 1, 2]), 0.5), [1.0, 1.0, 2.5])  # 1 + (1 + 0.5)


def test_a_half_of_the_hub_names_what_it_averages_and_what_changes_its_mean() -> None:
    halves = {name: half for name in ALGORITHMS if (half := Algorithm(name).half) is not None}
    for half in halves.values():
        assert half.at_hub and set(half.averages.split()) <= set(half.keeps)
    assert halves["scaffold"].mean_name == "mean/control" and halves["fednova"].scale is not None
