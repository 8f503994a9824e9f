"""What is asked of a model becomes the same inputs as in training, or one clear answer by the column's name."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.model.features import Features
from fedsov.model.packaging.encoder import ColumnRefused, Encoder

FEATURES = Features(
    numeric=(("age", 40.0, 10.0), ("salary", 5e4, 1e4)),
    levels=(("remote", ("no", "yes")), ("size", ("1", "20", "300"))),
    missing=("salary", "size"),
)
NUMBERS = Features(numeric=(("age", 40.0, 10.0), ("salary", 5e4, 1e4)), missing=("age",))

numbers = st.lists(st.one_of(st.floats(allow_infinity=False), st.none()), min_size=1, max_size=30)


@given(numbers, st.data())
def test_whatever_can_be_read_is_encoded_as_in_training_to_the_bit(
    ages: list[float | None], data: st.DataObject
) -> None:
    rows = len(ages)
    salaries = data.draw(st.lists(st.floats(allow_infinity=False), min_size=rows, max_size=rows))
    words = [
        data.draw(st.lists(st.sampled_from([*levels, None]), min_size=rows, max_size=rows))
        for _, levels in FEATURES.levels
    ]
    as_stored = {
        "age": np.array([math.nan if age is None else age for age in ages]),
        "salary": np.array(salaries),
        **{name: np.array(own, object) for (name, _), own in zip(FEATURES.levels, words, strict=True)},
    }
    expected = FEATURES.encode(as_stored)
    encoder = Encoder(FEATURES)
    asked = {"age": ages, "salary": salaries, "remote": words[0], "size": words[1]}
    in_rows = [list(row) for row in zip(ages, salaries, *words, strict=True)]
    for inputs in (encoder.encode(asked), encoder.encode(as_stored), encoder.encode_rows(in_rows)):
        assert inputs.dtype == np.float32
        np.testing.assert_array_equal(inputs, expected)


@given(st.lists(st.tuples(st.floats(allow_infinity=False), st.floats(allow_infinity=False)), min_size=0, max_size=9))
def test_an_array_of_numbers_is_encoded_as_in_training_to_the_bit(rows: list[tuple[float, float]]) -> None:
    array = np.array(rows, np.float64).reshape(-1, 2)
    expected = NUMBERS.encode({"age": array[:, 0], "salary": array[:, 1]})
    np.testing.assert_array_equal(Encoder(NUMBERS).encode_numbers(array), expected)


def _asked(**changed: object) -> dict[str, object]:
    return {"age": [41, 40.0], "salary": [1.0, None], "remote": ["yes", " no "], "size": [20, 1.0]} | changed


def test_numbers_spell_levels_and_spaces_are_trimmed_as_an_ingestion_does() -> None:
    inputs = Encoder(FEATURES).encode(_asked(remote=["yes", " no "], size=[20, 1.0]))
    assert inputs[:, 2:].tolist() == [[0, 1, 0, 1, 0, 0, 0], [1, 0, 1, 0, 0, 1, 0]]


@pytest.mark.parametrize(
    ("changed", "column", "said"),
    [
        ({"age": ["forty", 3]}, "age", "no number in 1 row"),
        ({"age": [True, 3]}, "age", "no number in 1 row"),
        ({"age": ["4", "5"]}, "age", "no number in 2 rows"),
        ({"age": [[4], {}]}, "age", "no number in 2 rows"),
        ({"age": [10**400, 1]}, "age", "beyond those of float64"),
        ({"age": [math.inf, 1]}, "age", "1 infinite number"),
        ({"age": np.array([-np.inf, np.inf])}, "age", "2 infinite numbers"),
        ({"age": [1.0]}, "salary", "has 2 values where others have 1"),
        ({"remote": ["maybe", "no"]}, "remote", "does not know in 1 row; it knows no, yes"),
        ({"remote": ["Yes", "NO"]}, "remote", "does not know in 2 rows"),
        ({"size": [4.5, True]}, "size", "does not know in 2 rows"),
        ({"remote": [["no"], {}]}, "remote", "is no text in 2 rows"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_column_and_no_value_is_told(
    changed: dict[str, object], column: str, said: str
) -> None:
    with pytest.raises(ColumnRefused, match=said) as refused:
        Encoder(FEATURES).encode(_asked(**changed))
    assert refused.value.column == column
    assert "maybe" not in str(refused.value) and "forty" not in str(refused.value)


def test_a_column_less_is_refused_by_its_name() -> None:
    asked = _asked()
    del asked["salary"]
    with pytest.raises(ColumnRefused, match="column 'salary' is missing; the model asks for age, salary, remote, size"):
        Encoder(FEATURES).encode(asked)


def test_rows_that_are_shorter_or_longer_are_refused() -> None:
    encoder = Encoder(FEATURES)
    with pytest.raises(ColumnRefused, match="a row has 3 values where the model asks for 4") as refused:
        encoder.encode_rows([[1.0, 2.0, "no", "1"], [1.0, 2.0, "no"]])
    assert refused.value.column == "size"
    with pytest.raises(ColumnRefused, match="a row has 5 values"):
        encoder.encode_rows([[1.0, 2.0, "no", "1", 3.0]])
    with pytest.raises(ColumnRefused, match=r"shape \(1, 3\)"):
        Encoder(NUMBERS).encode_numbers(np.zeros((1, 3)))
    with pytest.raises(ColumnRefused, match="'remote' is of text"):
        encoder.encode_numbers(np.zeros((1, 2)))


def test_a_level_that_is_unknown_is_none_of_the_levels_where_that_is_allowed() -> None:
    encoder = Encoder(FEATURES, unseen="allow")
    asked = _asked(remote=["maybe", "no"], size=[7, None])
    inputs = encoder.encode(asked)
    assert inputs[:, 2:].tolist() == [[0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 1]] or inputs[0, 2:4].sum() == 0
    assert inputs[1, -1] == 1.0 and inputs[0, -1] == 0.0
    assert encoder.unseen(asked) == {"remote": 1, "size": 1}
    with pytest.raises(ColumnRefused, match="no text"):
        encoder.encode(_asked(remote=[["no"], "no"]))


def test_columns_that_the_model_does_not_ask_for_are_named_in_their_order() -> None:
    assert Encoder(FEATURES).extra(["z", "age", "a"]) == ["z", "a"]


def test_days_are_counted_from_1970() -> None:
    encoder = Encoder(Features(numeric=(("since", 0.0, 1.0),)))
    days = np.array(["1970-01-03", "NaT"], "datetime64[D]")
    assert encoder.encode({"since": days}).tolist() == [[2.0], [0.0]]


def test_no_rows_are_no_inputs() -> None:
    empty: dict[str, list[object]] = {"age": [], "salary": [], "remote": [], "size": []}
    assert Encoder(FEATURES).encode(empty).shape == (0, 9) == Encoder(FEATURES).encode_rows([]).shape
