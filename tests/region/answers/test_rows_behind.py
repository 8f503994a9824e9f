from __future__ import annotations

import numpy as np
import pytest

from fedsov.region.answers.rows_behind import above_median
from fedsov.training.rows import DataSplit, Rows


def _rows(*numbers: float, persons: tuple[str, ...] | None = None) -> Rows:
    names = persons or tuple(f"p{number}" for number in numbers)
    return Rows({}, {}, np.array(numbers, np.float64), np.array(names, object))


@pytest.mark.parametrize(
    ("train", "labels"),
    [
        (_rows(1, 2, 3, 4), [0, 0, 1, 1]),
        (_rows(1, 2, 3, 90, 91, persons=("a", "b", "c", "", "")), [0, 0, 1, 1, 1]),  # public rows come with no answer
        (_rows(1, 3, persons=("", "")), [0, 1]),
        (_rows(), []),
    ],
)
def test_outcomes_are_above_the_median_of_the_training_rows_that_are_somebody_s(train: Rows, labels: list[int]) -> None:
    divided = above_median(DataSplit(train, _rows(0, 99), _rows(5)))
    assert divided.train.y.tolist() == labels and divided.train.y.dtype == np.float32
    assert divided.validation.y.tolist() == ([0, 1] if labels else [0, 0])
