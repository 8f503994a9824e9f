from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fedsov.errors import ConfigurationError, InputError
from fedsov.partition.columns.column_kinds import infer_columns
from tests.partition.world import people, spec_of


def test_kinds_are_inferred_from_type_name_and_levels() -> None:
    rows = 400
    table = people(
        rows,
        row=list(range(rows)),
        since=["2024-01-31"] * (rows - 1) + ["2024-02-01"],
        same=[1.0] * rows,
        nothing=[None] * rows,
        employee_id=[float(7 * row) for row in range(rows)],
        remark=[f"text {row % 220}" for row in range(rows)],
        town=[f"town {row % 30}" for row in range(rows)],
        smoker=[bool(row % 2) for row in range(rows)],
        email=["a@b.c"] * rows,
        born=pa.array([0] * rows, pa.timestamp("s")),
        tags=[["a"]] * rows,
    )
    kinds = infer_columns(table, spec_of(Path("x"))).kinds
    assert {name for name, kind in kinds.items() if kind == "identifier"} == {
        "name", "passport", "row", "employee_id", "remark", "email",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind == "drop"} == {
        "country", "same", "nothing", "born", "tags",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind == "categorical"} == {"job", "contract", "town"}
    assert {name for name, kind in kinds.items() if kind == "numeric"} == {"age", "smoker", "since"}
    assert "wage" not in kinds


def test_a_declared_kind_wins_and_an_impossible_one_is_refused() -> None:
    spec = spec_of(Path("x"), kinds={"age": "categorical", "name": "drop", "country": "categorical"})
    kinds = infer_columns(people(), spec).kinds
    assert (kinds["age"], kinds["name"], kinds["country"]) == ("categorical", "drop", "categorical")
    with pytest.raises(ConfigurationError, match=r"dataset\.kinds\.age is 'number'"):
        infer_columns(people(), spec_of(Path("x"), kinds={"age": "number"}))
    with pytest.raises(InputError, match="no column left"):
        infer_columns(people(), spec_of(Path("x"), drop=("age", "job", "contract")))


def test_a_measurement_that_never_repeats_stays_a_number() -> None:
    table = people(300, dose=np.random.default_rng(1).normal(size=300), points=[3 * row for row in range(300)])
    kinds = infer_columns(table, spec_of(Path("x"))).kinds
    assert kinds["dose"] == kinds["points"] == "numeric"


def test_infinite_values_are_left_for_the_setting_that_judges_them() -> None:
    table = people(60, load=[float("inf")] * 60)
    assert infer_columns(table, spec_of(Path("x"))).kinds["load"] == "numeric"


@pytest.mark.parametrize("name", ["CustomerID", "customer_name", "e-mail", "IP", "dateOfBirth", "birthDate", "IBAN"])
def test_names_that_speak_of_a_person_make_an_identifier_however_they_are_written(name: str) -> None:
    expected = "categorical" if name == "dateOfBirth" else "identifier"  # a date of birth is known by its values
    assert infer_columns(people(60, **{name: ["a", "b"] * 30}), spec_of(Path("x"))).kinds[name] == expected


def test_consecutive_whole_numbers_each_once_are_a_rows_number() -> None:
    rows = 100
    table = people(rows, place=list(range(7, 7 + rows)), measured=[float(row) for row in range(rows)])
    kinds = infer_columns(table, spec_of(Path("x"))).kinds
    assert (kinds["place"], kinds["measured"]) == ("identifier", "numeric")
