"""The best round, and when there was none better for too long: by the regions that were heard, whoever is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.algorithms.rounds import BestRound, RoundRecord

ROWS = {1: 100.0, 2: 300.0}


def _round(number: int, losses: Mapping[int, float]) -> RoundRecord:
    return RoundRecord(number, {node: {"loss": loss, "num-examples": ROWS[node]} for node, loss in losses.items()}, {})


def _best(rounds: Sequence[RoundRecord]) -> BestRound:
    best = BestRound()
    for seen in rounds:
        best = best.or_of(seen, {"w": np.full(2, float(seen.number))})
    return best


def _alike(*losses: float) -> list[RoundRecord]:
    return [_round(number, dict.fromkeys(ROWS, loss)) for number, loss in enumerate(losses, 1)]


def test_the_best_round_is_the_one_of_the_least_mean_weighted_by_rows() -> None:
    best = _best([_round(1, {1: 0.9, 2: 0.5}), _round(2, {1: 0.1, 2: 0.7}), _round(3, {1: 0.9, 2: 0.4})])
    assert best.record is not None and best.record.number == 3  # means 0.6, 0.55, 0.525
    assert best.parameters["w"].tolist() == [3.0, 3.0]


def test_of_equal_rounds_the_first_is_the_best() -> None:
    assert _best(_alike(0.5, 0.5, 0.5)).ends(3, 2)


def test_a_training_ends_when_patience_has_run_out_and_not_before() -> None:
    best = _best(_alike(0.9, 0.4, 0.5, 0.6, 0.7))
    assert [bool(best.ends(number, 3)) for number in (3, 4, 5)] == [False, False, True]
    assert best.ends(5, 3) == (
        "no lesser mean validation loss in 3 rounds; the model is the one that came into round 2 (loss 0.4000)"
    )
    assert not best.ends(100, None)


def test_a_region_that_leaves_or_returns_makes_no_round_better_or_worse_by_that() -> None:
    hard, easy = {1: 0.9}, {2: 0.1}
    left = _best([_round(1, hard | easy), _round(2, {2: 0.2})])
    assert left.record is not None and left.record.number == 1  # below the mean, above region 2's own
    returned = _best([_round(1, easy), _round(2, {1: 0.9, 2: 0.05})])
    assert returned.record is not None and returned.record.number == 2
    others = _best([_round(1, easy), _round(2, hard)])
    assert others.record is not None and others.record.number == 2  # nobody was heard in both: it counts anew


def test_a_round_in_which_nobody_has_a_loss_is_never_the_best_and_alone_ends_nothing() -> None:
    silent = [_round(number, {1: math.nan}) for number in range(1, 9)] + [RoundRecord(9, {}, {1: "gone"})]
    assert not _best(silent).ends(9, 1)
    best = _best([*_alike(0.5), _round(2, {1: math.nan, 2: 0.4}), _round(3, {1: math.nan})])
    assert best.record is not None and best.record.number == 2


def test_after_the_best_round_those_in_which_nobody_is_heard_pass_as_any_other() -> None:
    best = _best([*_alike(0.5), _round(2, {1: math.nan}), _round(3, {1: math.nan})])
    assert not best.ends(2, 2) and best.ends(3, 2)


def test_a_region_that_counts_no_rows_is_not_heard() -> None:
    empty = {1: {"loss": 0.1, "num-examples": 0.0}}
    best = _best([RoundRecord(1, empty, {}), RoundRecord(2, empty, {}), _round(3, {2: 0.4}), RoundRecord(4, empty, {})])
    assert best.record is not None and best.record.number == 3


def test_a_model_that_diverged_in_one_region_is_not_better() -> None:
    best = _best([_round(1, {1: 0.5, 2: 0.5}), _round(2, {1: math.inf, 2: 0.1})])
    assert best.record is not None and best.record.number == 1


@given(st.lists(st.dictionaries(st.sampled_from([1, 2]), st.floats(0, 9)), min_size=1, max_size=9), st.integers(0, 8))
def test_what_is_kept_and_the_rounds_are_all_that_it_needs_to_go_on(losses: list[dict[int, float]], cut: int) -> None:
    rounds = [_round(number, heard) for number, heard in enumerate(losses, 1)]
    before = _best(rounds[:cut])
    again = BestRound.of(rounds[:cut], before.state())
    for seen in rounds[cut:]:
        before, again = (one.or_of(seen, {"w": np.full(2, float(seen.number))}) for one in (before, again))
    assert again.record == before.record
    assert [array.tolist() for array in again.parameters.values()] == [
        array.tolist() for array in before.parameters.values()
    ]


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_a_loss_that_only_falls_never_ends_a_training(patience: int) -> None:
    assert not _best(_alike(*(1.0 / number for number in range(1, 20)))).ends(19, patience)
