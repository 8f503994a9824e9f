"""How many equal rows came before each: the same in memory and put aside."""

from __future__ import annotations

import numpy as np
import pytest

from fedsov.partition.people import repeats
from fedsov.partition.people.repeats import Repeats


def _digests(names: np.ndarray) -> np.ndarray:
    blocks = np.zeros((len(names), 2), np.uint64)
    blocks[:, 1] = names
    return blocks.view(np.uint8)


@pytest.mark.parametrize("in_memory", [1 << 22, 500, 1])
def test_each_row_knows_how_many_equal_ones_came_before_it(in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "IN_MEMORY", in_memory)
    names, seen = np.random.default_rng(0).integers(0, 300, 2000), dict.fromkeys(range(300), -1)
    expected = []
    for name in names.tolist():
        seen[name] += 1
        expected.append(seen[name])
    rows = Repeats()
    for first in range(0, 2000, 90):
        rows.add(_digests(names[first : first + 90]))
    told = rows.told()
    assert told.between(0, 2000).tolist() == expected
    assert told.between(700, 800).tolist() == expected[700:800]


def test_no_rows_and_no_equal_rows_repeat_nothing() -> None:
    assert len(Repeats().told().rows) == 0
    rows = Repeats()
    rows.add(_digests(np.arange(10)))
    assert rows.told().between(0, 10).tolist() == [0] * 10
