"""Whose rows they are: the same pseudonyms and folds, remembered or forgotten, in whatever type a subject comes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings
from fedsov.partition.people import subjects as subjects_module
from fedsov.partition.people.subjects import Subjects, unnamed_rows
from fedsov.partition.routing import folds

COLUMNS = (
    pa.chunked_array([["7", None, "12"], [" 7 ", "", "7"]]),
    pa.chunked_array([pa.array([7.0, None, 12.0]), pa.array([7.0, float("nan"), 7.0])]),
    pa.chunked_array([pa.array(["7", None, "12"]), pa.array(["7", None, "7"])]).dictionary_encode(),
)


@pytest.mark.parametrize("most", [1 << 18, 1])
@pytest.mark.parametrize("column", COLUMNS, ids=["text", "numbers", "dictionary"])
def test_a_subject_is_what_it_spells_in_every_batch(
    column: pa.ChunkedArray, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects_module, "MOST", most)
    keys, subjects = create_keys(KeySettings("DE", tmp_path)), Subjects()
    expected = keys.pseudonyms(["subject:7", "subject:12", "subject:7", "subject:7"])
    for _ in range(3):
        places = subjects.places(column)
        assert (places < 0).tolist() == [False, True, False, False, True, False]
        named = places[places >= 0]
        assert [bytes(name).hex() for name in subjects.pseudonyms(named, keys)] == expected
        assert subjects.folds(named).tolist() == folds(["subject:7", "subject:12", "subject:7", "subject:7"]).tolist()


@pytest.mark.parametrize("column", [*COLUMNS, pa.chunked_array([[" \t", None, "a"], ["\u3000", "", " b "]])])
def test_rows_that_no_subject_could_find_are_those_without_a_place(column: pa.ChunkedArray) -> None:
    assert unnamed_rows(column).tolist() == (Subjects().places(column) < 0).tolist()


def test_a_batch_of_rows_of_nobody_has_no_subject() -> None:
    assert Subjects().places(pa.chunked_array([pa.nulls(2, pa.string())])).tolist() == [-1, -1]
    assert len(Subjects().places(pa.chunked_array([], pa.string()))) == 0
    assert np.array_equal(Subjects().places(pa.chunked_array([["", " "]])), [-1, -1])


def test_columns_of_another_type_and_new_keys_of_a_region_mix_nothing_up(tmp_path: Path) -> None:
    subjects, first = Subjects(), create_keys(KeySettings("DE", tmp_path / "first"))
    second = create_keys(KeySettings("DE", tmp_path / "second"))
    for column in COLUMNS[:2]:
        for keys in (first, second, first):
            places = subjects.places(column)
            named = subjects.pseudonyms(places[places >= 0], keys)
            assert [bytes(name).hex() for name in named[:2]] == keys.pseudonyms(["subject:7", "subject:12"])
