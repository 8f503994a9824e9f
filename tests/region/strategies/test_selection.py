"""The planned strategy beside training alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.metrics import auc
from fedsov.region.strategies import selection
from fedsov.region.strategies.candidates import Candidate, StartingPoint, train_alone
from fedsov.region.strategies.selection import RegionModel
from fedsov.training.rows import DataSplit
from tests.region.strategies.world import RECIPE, divided, received, rows_of


def turned(model: Candidate) -> Candidate:
    """A model that says the opposite."""
    last = {name: -array if name.startswith("2.") else array for name, array in model.parameters.items()}
    return replace(model, name="opposite", parameters=last)


def compared(candidate: Candidate, alone: Candidate, rows: DataSplit, steps: LocalSteps, **more: Any) -> RegionModel:
    """The one of two models that is kept."""
    both = (selection.answered(each, rows) for each in (candidate, alone))
    return selection.compare(*both, rows, steps, **more)


@pytest.mark.parametrize("strategy", list(selection.STRATEGIES))
def test_every_strategy_ends_with_a_model_and_its_comparison(strategy: str) -> None:
    rows = divided(300, seed=1)
    start = StartingPoint(model=received(), rows=rows_of(500, seed=3))
    found = selection.train(strategy, rows, start, RECIPE)
    assert found.gain == pytest.approx(found.score - found.local_score)
    assert found.test_rows == len(rows.test)
    numbers = [found.score, found.local_score, found.gain, found.gain_se, found.validation_score]
    assert json.loads(json.dumps(numbers)) == numbers


def test_local_is_its_own_comparison() -> None:
    found = selection.train("local", divided(300, seed=1), StartingPoint(), RECIPE)
    assert (found.selected, found.gain, found.gain_se) == ("local", 0.0, 0.0)


def test_a_strategy_worse_than_local_on_validation_rows_is_replaced_and_the_note_says_so() -> None:
    rows = divided(600, seed=1)
    alone = train_alone(rows, StartingPoint(), RECIPE)
    found = compared(turned(alone), alone, rows, RECIPE.fine_tune)
    assert found.selected == "local"
    assert "opposite was worse on validation rows" in found.note
    assert found.gain == 0.0


def test_a_loss_that_is_given_chooses() -> None:
    rows = divided(600, seed=1)
    alone = train_alone(rows, StartingPoint(), RECIPE)
    found = compared(turned(alone), alone, rows, RECIPE.fine_tune, loss=lambda _rows, _answers: 0.5)
    assert found.selected == "opposite", "no loss is above the other"


def test_test_rows_have_no_say_in_the_choice() -> None:
    rows = divided(600, seed=1)
    alone = train_alone(rows, StartingPoint(), RECIPE)
    reversed_test = replace(rows, test=replace(rows.test, y=1 - rows.test.y))
    assert compared(turned(alone), alone, reversed_test, RECIPE.fine_tune).selected == "local"


def test_one_class_or_no_row_in_the_test_part_gives_none_not_a_number() -> None:
    rows = divided(300, seed=1)
    ones = replace(rows, test=replace(rows.test, y=np.ones_like(rows.test.y)))
    found = selection.train("local", ones, StartingPoint(), RECIPE)
    assert (found.score, found.local_score, found.gain, found.gain_se) == (None, None, None, None)
    none = replace(rows, test=rows.test.select(np.zeros(len(rows.test), bool)))
    assert selection.train("local", none, StartingPoint(), RECIPE).score is None


def test_a_region_too_small_to_train_alone_keeps_the_global_model() -> None:
    rows = divided(12, seed=1)
    found = selection.train("federated", rows, StartingPoint(model=received()), RECIPE)
    assert found.selected.startswith("federated")
    assert found.local_score is None
    assert "training alone ended with InputError" in found.note
    with pytest.raises(InputError, match="no column varies"):
        selection.train("local", rows, StartingPoint(), RECIPE)


def test_the_kept_model_scores_as_the_outcome_says() -> None:
    rows = divided(300, seed=1)
    found = selection.train("local", rows, StartingPoint(), RECIPE)
    again = train_alone(rows, StartingPoint(), RECIPE)
    assert found.score == auc(rows.test.y, again.logits(rows.test))
    assert found.features.digest == again.features.digest


def test_an_unknown_strategy_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="'blockchain'"):
        selection.train("blockchain", divided(100), StartingPoint(), RECIPE)
