"""Labels go with their rows: whatever is selected is bound by what bound it, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.label import PUBLIC, Label
from fedsov.partition.records import Records

DE = Label(frozenset({"DE"}), frozenset({"personal"}))
CLOSED = Label(frozenset({"DE"}), frozenset({"personal"}), frozenset({"no_export"}))
LABELS = (PUBLIC, DE, CLOSED)


def records(label_of: list[int], with_folds: bool = True) -> Records:
    rows = len(label_of)
    columns = {"age": np.arange(rows, dtype=float), "job": np.array([f"job {row}" for row in range(rows)], object)}
    kinds = {"age": "numeric", "job": "categorical"}
    subjects = np.array([f"{row:032x}" for row in range(rows)])
    folds = np.arange(rows) if with_folds else None
    return Records("DE", columns, kinds, np.zeros(rows), subjects, LABELS, np.array(label_of, np.int64), folds)


@given(st.lists(st.integers(0, 2), max_size=12), st.randoms())
def test_a_selection_is_bound_by_the_labels_of_its_rows_alone(label_of: list[int], random: object) -> None:
    whole = records(label_of)
    mask = np.array([random.random() < 0.5 for _ in label_of], bool)  # type: ignore[attr-defined]
    part = whole.select(mask)
    expected = PUBLIC
    for place in np.array(label_of, int)[mask]:
        expected = expected | LABELS[place]
    assert part.label == expected and len(part) == mask.sum()
    assert part.columns["job"].tolist() == [f"job {row}" for row in np.flatnonzero(mask)]
    assert part.folds is not None and part.folds.tolist() == np.flatnonzero(mask).tolist()


def test_public_and_unrestricted_rows_are_those_of_such_labels() -> None:
    rows = records([0, 1, 2, 0])
    assert rows.public.tolist() == [True, False, False, True]
    assert rows.unrestricted.tolist() == [True, True, False, True]
    assert rows.select(rows.public).label == PUBLIC
    assert rows.select(rows.unrestricted).label == DE


@pytest.mark.parametrize("index", [[], [2, 0], [1, 1]])
def test_rows_are_selected_by_places_too_in_their_order_and_as_often(index: list[int]) -> None:
    part = records([0, 1, 2], with_folds=False).select(np.array(index))
    assert part.label_of.tolist() == index and part.folds is None
    assert part.subjects.tolist() == [f"{row:032x}" for row in index]


def test_no_rows_are_bound_by_nothing() -> None:
    nothing = records([])
    assert len(nothing) == 0 and nothing.label == PUBLIC
    assert nothing.public.shape == nothing.unrestricted.shape == (0,)
