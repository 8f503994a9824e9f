"""A column that passes in pieces is judged as it would be whole, and its different values are counted well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fedsov.partition.columns.column_kinds import infer_columns, kinds_of, surveys_of
from fedsov.partition.columns.surveys import MOST, Different, Numbers
from tests.partition.world import people, spec_of


def test_up_to_a_bound_different_numbers_are_counted_exactly_and_beyond_it_nearly() -> None:
    rng, exact, many = np.random.default_rng(0), Different(), Different()
    for _ in range(20):
        exact.add(rng.integers(-500, 500, 10_000).astype(float))
        many.add(rng.integers(0, 150_000, 50_000).astype(float))
    assert exact.is_exact and exact.count == 1000 and set(exact.values) == set(range(-500, 500))
    assert not many.is_exact and abs(many.count - 150_000 * (1 - np.exp(-20 / 3))) < 0.03 * 150_000
    assert len(many.values) == MOST == len(set(many.values)), "a sample of them"
    assert abs(np.median(many.values) - 75_000) < 2_000


def test_zeros_are_one_number_and_infinite_values_have_a_first_row() -> None:
    numbers = Numbers()
    numbers.add(np.array([0.0, -0.0, np.nan]))
    numbers.add(np.array([1.0, np.inf, -np.inf]))
    assert numbers.different.count == 4 and (numbers.infinite, numbers.first_infinite) == (2, 5)
    assert (numbers.rows, numbers.filled) == (6, 5)


COLUMNS: dict[str, list[object]] = {
    "day": [f"{1 + row % 28}/{1 + row // 28 % 12}/2024" for row in range(400)],
    "either": ["1/2/2024", "2/1/2024"] * 200,
    "late": [*["1/2/2024"] * 399, "31/2/2024"],
    "born_on": ["31.01.1980", "01.02.1990"] * 200,
    "mail": [*["none"] * 300, *(f"a{row}@b.org" for row in range(100))],
    "few": ["a", "b"] * 200,
    "same": ["a"] * 400,
    "place": list(range(5, 405)),
    "code": [10_000_000 + 7 * row for row in range(400)],
    "empty": [None] * 400,
}


@pytest.mark.parametrize("step", [1, 30, 400])
def test_kinds_and_reasons_do_not_depend_on_the_pieces(step: int) -> None:
    table, spec = people(400, **COLUMNS), spec_of(Path("x"))
    surveys = surveys_of(table.schema, spec)
    for first in range(0, 400, step):
        for name, survey in surveys.items():
            survey.add(table.column(name).slice(first, step))
    found, whole = kinds_of(surveys, spec), infer_columns(table, spec)
    assert (found.kinds, found.reasons) == (whole.kinds, whole.reasons)
    kinds = {name: found.kinds[name] for name in COLUMNS}
    assert kinds == {
        "day": "numeric", "either": "drop", "late": "drop", "born_on": "drop", "mail": "identifier",
        "few": "categorical", "same": "drop", "place": "identifier", "code": "identifier", "empty": "drop",
    }  # fmt: skip


def test_a_column_of_far_too_many_texts_is_an_identifier_and_only_some_are_remembered() -> None:
    table, spec = people(2), spec_of(Path("x"))
    surveys = surveys_of(table.schema, spec)
    for first in range(0, 3 * MOST, MOST // 2):
        surveys["job"].add(pa.chunked_array([[f"job {row}" for row in range(first, first + MOST // 2)]]))
    assert len(surveys["job"].texts.words) <= 2 * MOST  # type: ignore[union-attr]
    for name in ("name", "passport", "country", "age", "contract"):
        surveys[name].add(table.column(name))
    assert kinds_of(surveys, spec).kinds["job"] == "identifier"
