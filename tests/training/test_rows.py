"""A region's rows: their columns go together, and their division depends on each row's person alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from fedsov.training.rows import SHARES, Rows, seed_key, split

ROWS = Rows(
    {"age": np.array([30.0, 40.0, 50.0, 60.0]), "job": np.array(["nurse", "clerk", "nurse", "clerk"], object)},
    {"age": "numeric", "job": "categorical"},
    np.array([0, 1, 1, 0], np.float32),
)


def test_selected_rows_are_the_same_in_every_column_and_keep_their_kinds() -> None:
    chosen = ROWS.select(np.array([True, False, False, True]))
    assert (len(ROWS), len(chosen)) == (4, 2)
    assert {name: column.tolist() for name, column in chosen.columns.items()} == {
        "age": [30.0, 60.0],
        "job": ["nurse", "clerk"],
    }
    assert chosen.y.tolist() == [0, 0] and chosen.kinds == ROWS.kinds and chosen.persons is None
    assert len(ROWS.select(np.zeros(4, bool))) == 0


def test_selected_rows_keep_their_persons() -> None:
    owned = Rows(ROWS.columns, ROWS.kinds, ROWS.y, np.array(["a", "a", "", "b"]))
    chosen = owned.select(np.array([True, False, True, True]))
    assert chosen.persons is not None and chosen.persons.tolist() == ["a", "", "b"]


def test_labels_of_several_columns_are_selected_by_rows() -> None:
    several = Rows(ROWS.columns, ROWS.kinds, np.arange(8.0).reshape(4, 2))
    assert several.select(np.array([False, True, False, True])).y.tolist() == [[2.0, 3.0], [6.0, 7.0]]


@pytest.mark.parametrize("seed", [0, 7, -1, 2**62])
def test_a_row_s_part_is_where_the_keyed_hash_of_its_person_falls(seed: int) -> None:
    subjects = np.array([f"person {number}" for number in range(300)], dtype=object)
    parts = split(subjects, seed_key(seed))
    for place, subject in enumerate(subjects):
        key = seed.to_bytes(8, "big", signed=True)
        fraction = int(hashlib.blake2b(subject.encode(), key=key, digest_size=8).hexdigest(), 16) / 2**64
        expected = "train" if fraction < SHARES[0] else "validation" if fraction < sum(SHARES) else "test"
        assert [name for name in parts._fields if getattr(parts, name)[place]] == [expected]


def test_each_row_is_in_exactly_one_part_and_a_persons_rows_stay_together() -> None:
    subjects = np.array([f"p{i // 2}" for i in range(4000)], dtype=object)
    parts = split(subjects, seed_key(1))
    assert (np.sum(parts, axis=0) == 1).all()
    assert [part.mean() for part in parts] == pytest.approx([0.6, 0.2, 0.2], abs=0.03)
    assert all((part[::2] == part[1::2]).all() for part in parts)


def test_a_row_stays_in_its_part_when_others_come_and_go_and_moves_with_the_seed() -> None:
    subjects = np.array([f"p{i}" for i in range(500)], dtype=object)
    whole, fewer = split(subjects, seed_key(1)).train, split(subjects[100:], seed_key(1)).train
    assert (whole[100:] == fewer).all()
    assert (split(subjects, seed_key(2)).train != whole).any()
    assert len(split(subjects[:0], seed_key(1)).test) == 0
