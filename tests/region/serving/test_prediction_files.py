"""A file of predictions holds the rows in their order, and says what binds it in itself or beside itself."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedsov.errors import ConfigurationError
from fedsov.region.serving.prediction_files import PredictionFile, check_name, sidecar_of

ANSWERS = np.array([[0.25, 0.75], [0.1, 0.9], [1e-7, 1.0]], np.float32)


def _written(suffix: str, kept: pa.Table | None = None) -> bytes:
    file = io.BytesIO()
    into = PredictionFile(file, suffix, ("good", "bad"))
    whole = kept if kept is not None else pa.table({"id": ["a", "b", "c"]})
    for start, end in ((0, 2), (2, 3)):
        into.add(whole.slice(start, end - start), ANSWERS[start:end])
    into.close({"label": "DE"})
    return file.getvalue()


def test_parquet_says_what_binds_it_in_the_metadata_of_its_schema() -> None:
    content = io.BytesIO(_written(".parquet"))
    assert json.loads(pq.read_schema(content).metadata[b"fedsov"]) == {"label": "DE"}
    table = pq.read_table(content)
    assert table.column("id").to_pylist() == ["a", "b", "c"]
    np.testing.assert_array_equal(np.stack([table.column(name) for name in ("good", "bad")], axis=1), ANSWERS)


def test_a_csv_has_the_shortest_numbers_that_are_the_same() -> None:
    lines = _written(".CSV").decode().splitlines()
    assert lines[0] == '"id","good","bad"' and len(lines) == 4
    numbers = [[np.float32(word) for word in line.split(",")[1:]] for line in lines[1:]]
    np.testing.assert_array_equal(np.array(numbers, np.float32), ANSWERS)


def test_answers_stand_alone_where_no_column_goes_along() -> None:
    nothing = pa.table({"id": ["a", "b", "c"]}).select([])
    assert pq.read_table(io.BytesIO(_written(".parquet", nothing))).column_names == ["good", "bad"]
    assert _written(".csv", nothing).decode().splitlines()[1] == "0.25,0.75"


def test_a_column_of_an_output_s_name_and_another_ending_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--keep bad: an output of the model has that name"):
        _written(".csv", pa.table({"bad": [1, 2, 3]}))
    with pytest.raises(ConfigurationError, match=r"written as FILE\.csv or FILE\.parquet"):
        check_name(Path("out.json"))
    check_name(Path("out.Parquet"))


def test_what_binds_a_csv_lies_beside_it() -> None:
    assert sidecar_of(Path("a/out.csv")) == Path("a/out.csv.label.json")
    assert sidecar_of(Path("a/out.parquet")) is None
