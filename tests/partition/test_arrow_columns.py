"""Columns made from buffers are those that pyarrow would make; and no pandas is imported for them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.partition.arrow_columns import chunks, floats, from_levels, levels, numbers, objects, text, view

WORDS = st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=30)


@given(st.lists(st.floats(allow_nan=True), max_size=30))
def test_a_column_of_floats_is_the_array_bit_for_bit(values: list[float]) -> None:
    array = np.array(values, np.float64)
    column = numbers(array)
    column.validate(full=True)
    assert column.type == pa.float64() and column.null_count == 0
    np.testing.assert_array_equal(floats(column), array)


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16, bool])
def test_whole_numbers_become_int64(kind: type) -> None:
    assert numbers(np.array([0, 1, 1], kind)).equals(pa.array([0, 1, 1], pa.int64()))


@given(WORDS)
def test_a_text_column_is_pyarrows_own(values: list[str | None]) -> None:
    column = text(values)
    column.validate(full=True)
    assert column.to_pylist() == values
    assert column.equals(pa.array(values, pa.large_string()))


@given(WORDS)
def test_levels_are_each_word_once_in_order_and_the_places_give_the_column_back(values: list[str | None]) -> None:
    words, codes = levels(text(values))
    stripped = [None if value is None else value.strip() or None for value in values]
    assert words == list(dict.fromkeys(word for word in stripped if word is not None))
    assert [[*words, None][code] for code in codes] == stripped
    assert from_levels(words, codes).to_pylist() == stripped == objects(text(values)).tolist()


def test_levels_run_over_chunks_dictionaries_and_slices() -> None:
    column = pa.chunked_array([["a", "b"], ["b", None, "c"]])
    assert levels(column)[0] == ["a", "b", "c"]
    assert levels(column)[1].tolist() == [0, 1, 1, 3, 2]
    assert levels(column.dictionary_encode())[1].tolist() == [0, 1, 1, 3, 2]
    assert levels(column.slice(2, 2))[1].tolist() == [0, 1]
    assert levels(pa.chunked_array([], pa.string())) == ([], pytest.approx([]))


def test_numbers_are_spelled_alike_whatever_their_type() -> None:
    assert levels(pa.array([1.0, 2.5, None]))[0] == ["1", "2.5"]
    assert levels(pa.array([1, 2], pa.int32()))[0] == ["1", "2"]
    assert levels(pa.array([True, False]))[0] == ["True", "False"]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int64(), pa.float32(), pa.float64(), pa.bool_()])
def test_floats_are_nan_where_missing_in_any_type_and_slice(kind: pa.DataType) -> None:
    column = pa.array([1, 0, None, 1]).cast(kind)
    np.testing.assert_array_equal(floats(column), [1.0, 0.0, np.nan, 1.0])
    np.testing.assert_array_equal(floats(column.slice(1)), [0.0, np.nan, 1.0])
    np.testing.assert_array_equal(floats(pa.chunked_array([column, column.slice(3)])), [1, 0, np.nan, 1, 1])


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(pa.ArrowException):
        floats(pa.array(["one"]))


def test_a_view_of_an_empty_or_a_sliced_column_needs_no_copy() -> None:
    assert view(pa.array([], pa.int32())).dtype == np.int32
    column = pa.array([1, 2, 3], pa.int32())
    assert view(column.slice(1)).tolist() == [2, 3]
    assert view(column).base is not None


def test_a_column_is_its_chunks() -> None:
    assert [len(chunk) for chunk in chunks(pa.chunked_array([[1], [2, 3]]))] == [1, 2]
    assert [len(chunk) for chunk in chunks(pa.array([1, 2]))] == [2]


def test_none_of_this_imports_pandas() -> None:
    program = (
        "import sys, numpy as np; from fedsov.partition.arrow_columns import *;"
        "words, codes = levels(text(['a', None])); from_levels(words, codes); floats(numbers(np.ones(2)));"
        "objects(text(['a'])); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout == "False\n"
