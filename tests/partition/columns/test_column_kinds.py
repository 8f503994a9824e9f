"""Why a column is not learned from, in words; which kind it has is in test_sources.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fedsov.errors import InputError
from fedsov.model.targets import TargetRule
from fedsov.partition.columns.column_kinds import LEARNED, infer_columns
from fedsov.partition.dataset import DatasetSpec

ROWS = 300
COLUMNS = {
    "country": ["DE", "US"] * 150,
    "y": [0, 1] * 150,
    "age": [row % 60 for row in range(ROWS)],
    "person": [f"p{row % 90}" for row in range(ROWS)],
    "unwanted": [row % 7 for row in range(ROWS)],
    "declared": [row % 7 for row in range(ROWS)],
    "since": [f"2024-01-{1 + row % 28:02d}" for row in range(ROWS)],
    "born": pa.array([row % 40 for row in range(ROWS)], pa.date32()),
    "at": pa.array([row % 40 for row in range(ROWS)], pa.timestamp("s")),
    "lasted": pa.array([row % 40 for row in range(ROWS)], pa.duration("s")),
    "same": [3.5] * ROWS,
    "same_word": ["yes"] * ROWS,
    "no_number": [np.nan] * ROWS,
    "no_word": pa.array([None] * ROWS, pa.string()),
    "nothing": pa.array([None] * ROWS),
    "email": [f"{row % 20}@x.org" for row in range(ROWS)],
    "employee_id": [float(7 * row) for row in range(ROWS)],
    "row": list(range(ROWS)),
    "remark": [f"text {row}" for row in range(ROWS)],
    "street": [f"street {row % 220 if row < 220 else 0}" for row in range(2 * ROWS)][:ROWS],
    "tags": [["a"]] * ROWS,
    "key": pa.array([b"x"] * ROWS),
}
EXPECTED = {
    "country": "dataset.jurisdiction",
    "person": "dataset.subject",
    "unwanted": "dataset.drop",
    "declared": "dataset.kinds.declared=drop",
    "born": "named like a date of birth; dataset.kinds.born=date makes it a feature",
    "lasted": "a time that is no date",
    "same": "one value in all rows",
    "same_word": "one value in all rows",
    "no_number": "no value in any row",
    "no_word": "no value in any row",
    "nothing": "no value in any row",
    "email": "it holds e-mail addresses",
    "employee_id": "named like an identifier",
    "row": "it numbers the rows",
    "remark": "most rows have a text of their own",
    "street": "most rows have a text of their own",
    "tags": "of type list<item: string>, neither numbers nor text",
    "key": "of type binary, neither numbers nor text",
}


def spec_of(**more: object) -> DatasetSpec:
    rest = {"subject": "person", "drop": ("unwanted",), "kinds": {"declared": "drop"}} | more
    return DatasetSpec("people", TargetRule("y"), "country", path=Path("x"), **rest)


def test_each_column_that_is_not_learned_from_is_named_with_its_reason() -> None:
    found = infer_columns(pa.table(COLUMNS), spec_of())
    kinds, unused = found.kinds, found.unused
    assert unused == EXPECTED
    assert {name for name, kind in kinds.items() if kind in LEARNED} == {"age", "since", "at"}


def test_many_levels_are_a_reason_of_their_own() -> None:
    table = pa.table({**COLUMNS, "street": [f"street {row % 140}" for row in range(ROWS)]})
    many = pa.concat_tables([table] * 2).set_column(
        table.schema.get_field_index("street"), "street", [[f"street {row % 220}" for row in range(2 * ROWS)]]
    )
    assert infer_columns(many, spec_of()).unused["street"] == "more than 200 different texts"


def test_a_declared_kind_uses_what_would_be_left_out() -> None:
    spec = spec_of(kinds={"declared": "drop", "country": "categorical", "employee_id": "numeric"})
    found = infer_columns(pa.table(COLUMNS), spec)
    kinds, unused = found.kinds, found.unused
    assert (kinds["country"], kinds["employee_id"]) == ("categorical", "numeric")
    assert unused.keys() == EXPECTED.keys() - {"country", "employee_id"}


def test_a_table_of_which_no_column_can_be_learned_from_says_why_of_each() -> None:
    table = pa.table({name: COLUMNS[name] for name in ("country", "y", "person", "born", "same")})
    with pytest.raises(
        InputError, match=r"no column left.*born: named like a date of birth.*; same: one value.*dataset\.kinds"
    ):
        infer_columns(table, spec_of(drop=(), kinds={}))
