from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest

from fedsov.partition.columns.days import as_days, is_day, parsed

NEW_YEAR = float((date(2024, 1, 1) - date(1970, 1, 1)).days)


@pytest.mark.parametrize(
    ("word", "days"),
    [
        ("2024-01-01", 0.0),
        ("2024-1-1", 0.0),
        ("2024-01-01T12:00:00", 0.5),
        ("2024-01-01 12:00:00+12:00", 0.0),
        ("1.01.2024", 0.0),
        ("31.12.2023", -1.0),
        ("1.1.24", 0.0),
    ],
)
def test_a_date_is_its_days_since_1970_and_a_time_their_fraction(word: str, days: float) -> None:
    assert is_day(word) and parsed([word]) == [NEW_YEAR + days]


def test_day_and_month_between_slashes_are_told_apart_by_a_number_above_12_or_not_at_all() -> None:
    assert parsed(["1/31/2024", "1/1/2024"]) == [NEW_YEAR + 30, NEW_YEAR]
    assert parsed(["31/1/2024", "1/2/2024"]) == [NEW_YEAR + 30, NEW_YEAR + 31]
    assert parsed(["1/2/2024", "3/4/2024"]) is None
    assert parsed(["13/1/2024", "1/13/2024"]) is None


@pytest.mark.parametrize("word", ["2024-13-01", "2024-02-30", "30.02.2024", "soon", "12", "2024"])
def test_what_is_no_date_makes_a_column_of_none(word: str) -> None:
    assert parsed(["2024-01-01", word]) is None


def test_the_first_and_the_last_year_are_days_too() -> None:
    first, last = parsed(["0001-01-01", "9999-12-31"]) or (0, 0)
    assert last - first == (date(9999, 12, 31) - date(1, 1, 1)).days


def test_columns_of_arrow_are_days_with_nan_where_missing() -> None:
    noon = datetime(2024, 1, 1, 12)
    for column in (pa.array([date(2024, 1, 1), None]), pa.array(["2024-01-01", None])):
        np.testing.assert_array_equal(as_days(pa.chunked_array([column])), [NEW_YEAR, np.nan])
    np.testing.assert_array_equal(as_days(pa.chunked_array([pa.array([noon, None])])), [NEW_YEAR + 0.5, np.nan])
    assert as_days(pa.chunked_array([[1, 2]])) is None
    assert as_days(pa.chunked_array([pa.array([1], pa.duration("s"))])) is None
