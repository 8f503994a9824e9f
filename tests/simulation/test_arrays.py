"""What is taken for an array of numbers, and what is refused by one line that says what to give in its place."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fedsov.errors import InputError
from fedsov.simulation.arrays import check_told_apart, finite, real_array, reshaped

NUMBERS = np.arange(6.0).reshape(3, 2)
TAKEN: dict[str, Any] = {
    "float64": NUMBERS,
    "float32": NUMBERS.astype(np.float32),
    "float16": NUMBERS.astype(np.float16),
    "longdouble": NUMBERS.astype(np.longdouble),
    "int8": NUMBERS.astype(np.int8),
    "uint64": NUMBERS.astype(np.uint64),
    "big-endian": NUMBERS.astype(">f8"),
    "reversed": NUMBERS[::-1][::-1],
    "a matrix": np.asmatrix(NUMBERS),
    "lists": NUMBERS.tolist(),
    "a list of arrays": list(NUMBERS),
    "objects": NUMBERS.astype(object),
    "fractions": [[Fraction(number) for number in row] for row in NUMBERS.astype(int).tolist()],
    "a tensor": torch.tensor(NUMBERS),
    "a tensor with a gradient": torch.tensor(NUMBERS, requires_grad=True),
    "a parameter": torch.nn.Parameter(torch.tensor(NUMBERS)),
    "bfloat16": torch.tensor(NUMBERS, dtype=torch.bfloat16),
    "a table": pd.DataFrame(NUMBERS, columns=["a", "b"]),
    "a table of two types": pd.DataFrame({"a": NUMBERS[:, 0].astype(int), "b": NUMBERS[:, 1]}),
    "a table of pandas' own types": pd.DataFrame(NUMBERS, columns=["a", "b"]).astype("Int64"),
    "a table beside truth values": pd.DataFrame({"a": NUMBERS[:, 0], "b": NUMBERS[:, 1]}).astype(object),
}
RAGGED = [[1.0, 2.0], [3.0]]
REFUSED: dict[str, tuple[Any, str]] = {
    "a masked array": (np.ma.masked_array(NUMBERS, NUMBERS > 3), "masked array.*filled"),
    "a masked array of which nothing is masked": (np.ma.masked_array(NUMBERS), "masked array.*filled"),
    "a list of masked rows": (list(np.ma.masked_array(NUMBERS, NUMBERS > 3)), "masked array.*filled"),
    "complex numbers": (NUMBERS + 0j, "complex.*real and imaginary.*complex128"),
    "complex objects": (np.array([[1, 2j]], dtype=object), "objects of type complex in column 1"),
    "dates": (np.array([["2024-01-01", "NaT"]], "datetime64[s]"), "dates.*days since.*datetime64"),
    "durations": (np.array([[1, 2]], "timedelta64[s]"), "durations.*timedelta64"),
    "text": (np.array([["1", "2"]]), "text; give numbers"),
    "text in lists": ([["1", "2"]], "text; give numbers"),
    "bytes": (np.array([[b"1"]]), "bytes; give numbers"),
    "text as objects": (np.array([[1.0, "2"]], dtype=object), "objects of type str in column 1"),
    "missing objects": (np.array([[None, 1.0]], dtype=object), "objects of type NoneType in column 0"),
    "decimals": ([[Decimal("1")]], "objects of type Decimal"),
    "dates as objects": (pd.DataFrame({"a": [1.0], "on": [pd.Timestamp(0)]}), r"Timestamp in column 1 \('on'\)"),
    "a table with text": (pd.DataFrame({"a": [1.0], "town": ["Bonn"]}), r"type str in column 1 \('town'\)"),
    "a table with categories": (pd.DataFrame({"a": pd.Categorical(["x", "y"])}), r"type str in column 0 \('a'\)"),
    "named fields": (np.zeros(3, [("a", "f8"), ("b", "i4")]), "named fields"),
    "a sparse matrix": (scipy.sparse.csr_matrix(NUMBERS), r"sparse matrix.*toarray\(\)"),
    "a sparse array": (scipy.sparse.coo_array(NUMBERS), r"sparse matrix.*toarray\(\)"),
    "a sparse tensor": (torch.tensor(NUMBERS).to_sparse(), r"sparse or quantized tensor.*to_dense\(\)"),
    "a complex tensor": (torch.tensor(NUMBERS + 0j), "complex"),
    "ragged lists": (RAGGED, "cannot be made an array"),
    "too large": ([[10**400, 1]], "beyond all floats"),
    "None": (None, "of type NoneType"),
    "a word": ("numbers.csv", "of type str"),
    "a mapping": ({"a": [1.0]}, "of type dict"),
    "a set": ({1.0, 2.0}, "of type set"),
    "a function": (np.zeros, "of type builtin_function_or_method"),
    "an object": (object(), "objects of type object"),
    "a generator": ((row for row in NUMBERS), "objects of type generator"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_real_numbers_are_taken_whoever_holds_them(name: str) -> None:
    array = real_array("inputs", TAKEN[name])
    assert array.dtype.kind in "biuf" and not isinstance(array, np.ma.MaskedArray)
    np.testing.assert_array_equal(finite("inputs", array), NUMBERS.astype(np.float32))


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_real_numbers_is_refused_with_what_to_give_in_its_place(name: str) -> None:
    value, says = REFUSED[name]
    with pytest.raises(InputError, match=f"region DE: inputs .*{says}") as refused:
        real_array("region DE: inputs", value)
    assert "\n" not in str(refused.value) and "Bonn" not in str(refused.value)


def _read(value: Any) -> tuple[np.ndarray | None, str]:
    """What a value is read as; or None, and why."""
    try:
        return finite("inputs", real_array("inputs", value)), ""
    except InputError as error:
        return None, str(error)


@given(arrays.arrays(arrays.scalar_dtypes() | arrays.unicode_string_dtypes(), arrays.array_shapes(max_side=3)))
def test_any_array_of_numpy_is_real_numbers_or_one_line(array: np.ndarray) -> None:
    numbers, said = _read(array)
    if numbers is None:
        assert said and "\n" not in said and array.dtype.kind not in "biu"
        return
    assert numbers.dtype == np.float32 and numbers.dtype.isnative and np.isfinite(numbers).all()
    np.testing.assert_array_equal(numbers, array.astype(np.float32))


@given(st.lists(st.lists(st.none() | st.floats() | st.integers() | st.text(max_size=2), min_size=1, max_size=3)))
def test_any_nested_list_is_real_numbers_or_one_line(rows: list[list[Any]]) -> None:
    numbers, said = _read(rows)
    if numbers is None:
        assert said and "\n" not in said
        return
    assert all(isinstance(part, int | float) for row in rows for part in row) and np.isfinite(numbers).all()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.nan, "finite, 1 are missing or infinite.*column 1 first"),
        (-np.inf, "finite, 1 are missing or infinite.*column 1 first"),
        (1e39, "finite in float32, 1 are beyond 3.4e38.*column 1 first"),
    ],
)
def test_what_float32_does_not_hold_is_refused_with_its_column(value: float, says: str) -> None:
    numbers = NUMBERS.copy()
    numbers[2, 1] = value
    with pytest.raises(InputError, match=says):
        finite("inputs", numbers)
    with pytest.raises(InputError, match=r"column 1 \('wage'\)"):
        finite("inputs", numbers, ("age", "wage"))
    with pytest.raises(InputError, match="1 are"):
        finite("outcomes", numbers[:, 1])


def test_a_missing_number_of_a_table_is_refused_with_its_column() -> None:
    table = pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [1, 2]})
    numbers, said = _read(table)
    assert numbers is None and ("missing" in said or "NAType" in said)


def _is_told_apart(*arrays: np.ndarray) -> bool:
    """Whether a column of several regions is taken."""
    try:
        check_told_apart("inputs", arrays, ())
    except InputError:
        return False
    return True


FAR = 1.7e9 + np.arange(150.0)


@pytest.mark.parametrize(
    "column",
    [
        FAR,
        FAR.astype(np.int64),
        1e12 + np.arange(150.0) * 1e3,
        1.0 + np.arange(150.0) * 1e-9,
        np.arange(150.0) * 1e-46,
    ],
)
def test_a_column_that_float32_makes_a_few_values_of_is_refused_by_name(column: np.ndarray) -> None:
    table = np.column_stack([np.arange(150.0), column])
    with pytest.raises(InputError, match="inputs: float32 cannot tell the values of column 1 apart.*subtract its mean"):
        check_told_apart("inputs", [table[:100], table[100:]], ())
    standardised = (column - column.mean()) / column.std()
    check_told_apart("inputs", [standardised[:, None]], ())


@pytest.mark.parametrize(
    "column",
    [
        np.full(150, 1.7e9),  # constant: nothing to tell apart
        2.0**23 + np.arange(150.0),  # exact in float32
        (2**23 + np.arange(150)).astype(np.int32),
        np.random.default_rng(0).normal(size=150) + 1000.0,
        np.arange(150) % 2 == 0,
        np.arange(150.0) * 1e30,
        FAR.astype(np.float32),  # what is float32 already loses nothing here
    ],
)
def test_a_column_that_float32_tells_apart_is_taken(column: np.ndarray) -> None:
    assert _is_told_apart(column[:, None]) and _is_told_apart(column[:100, None], column[100:, None])


def test_a_region_of_two_near_rows_is_judged_by_the_column_of_all_regions() -> None:
    near, far = np.array([[1.0], [1.0 + 1e-9]]), np.array([[0.0], [2.0]])
    assert _is_told_apart(near, far) and not _is_told_apart(near)


def test_another_number_of_dimensions_is_told_how_to_be_mended() -> None:
    assert "reshape(-1, 1)" in reshaped(np.zeros(3)) and "reshape(len(X), -1)" in reshaped(np.zeros((3, 2, 2)))
    assert reshaped(np.zeros((3, 2))) == ""
