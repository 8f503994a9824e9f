"""What a task answers is looked at before it is believed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from fedsov.errors import BenchFailed
from fedsov.region.bench.tasks import THIS_PROCESS, Written, answers_shape, array_of, items_of, name_of


class _Doubled:
    """Asks for twice a number."""

    def run(self) -> Written:
        return Written({"twice": 4}, {})

    def read(self, answer: Written) -> int:
        return int(answer.plain["twice"])


def test_this_process_runs_a_task_and_reads_its_answer() -> None:
    assert THIS_PROCESS.do(_Doubled()) == 4
    THIS_PROCESS.close()
    assert THIS_PROCESS.do(_Doubled()) == 4


@pytest.mark.parametrize(
    ("arrays", "shown"),
    [
        ({}, "none"),
        ({"w": np.zeros((2, 3), np.float32)}, "float32[2, 3]"),
        ({"w": np.zeros(6)}, "float64[6]"),
        ({"w": np.zeros(6, np.int32)}, "int32[6]"),
    ],
)
def test_an_array_of_another_name_shape_or_type_is_no_answer(arrays: dict[str, np.ndarray], shown: str) -> None:
    with pytest.raises(BenchFailed, match=re.escape(f"'w' as {shown}; expected float32[6]")):
        array_of(Written({}, arrays), "w", shape=(6,))


def test_an_array_as_it_is_expected_is_the_answer_itself() -> None:
    array = np.arange(6, dtype=np.float32)
    assert array_of(Written({}, {"w": array}), "w", shape=(6,)) is array


@pytest.mark.parametrize("value", ["", "x" * 201, "two\nlines", "\x1b[2J", None, 3, ["a"]])
def test_a_name_is_short_printable_text(value: Any) -> None:
    with pytest.raises(BenchFailed, match="no text of 1 to 200 printable letters"):
        name_of(value)


@pytest.mark.parametrize("value", ["ab", {"a": 1}, None, 3, [1, 2, 3]])
def test_a_list_is_one_and_no_longer_than_it_may_be(value: Any) -> None:
    with pytest.raises(BenchFailed, match="a list of at most 2"):
        items_of(value, int, most=2)
    assert items_of([1, 2], int, most=2) == (1, 2)


def test_answers_have_a_column_for_each_of_several_outputs() -> None:
    assert (answers_shape(5, 1), answers_shape(5, 3)) == ((5,), (5, 3))
