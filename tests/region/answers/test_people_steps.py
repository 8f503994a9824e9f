"""Each step over people's rows holds enough people, whatever rows they have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import AnswerWithheld
from fedsov.region.answers.people_steps import steps_of_people


@given(st.lists(st.integers(1, 30), min_size=10, max_size=40), st.integers(1, 60), st.integers(0, 2**32))
def test_each_step_holds_ten_people_or_more_and_each_epoch_every_row_once(
    rows_of: list[int], batch: int, seed: int
) -> None:
    persons = np.repeat([f"p{one}" for one in range(len(rows_of))], rows_of)
    steps = steps_of_people(persons, LocalSteps(batch=batch, epochs=2), 10, np.random.default_rng(seed))
    assert all(len(set(persons[step])) >= 10 for step in steps)
    assert np.array_equal(np.sort(np.concatenate(steps)), np.repeat(np.arange(len(persons)), 2))


def test_rows_of_nobody_are_beside_people_and_count_as_none() -> None:
    persons = np.array([f"p{one}" for one in range(20)] + [""] * 200)
    for step in steps_of_people(persons, LocalSteps(batch=10, epochs=3), 10, np.random.default_rng(0)):
        assert len({*persons[step]} - {""}) >= 10


def test_rows_of_nine_people_make_no_step() -> None:
    persons = np.repeat([f"p{one}" for one in range(9)], 50)
    with pytest.raises(AnswerWithheld, match=r"limits\.least_people"):
        steps_of_people(persons, LocalSteps(), 10, np.random.default_rng(0))
