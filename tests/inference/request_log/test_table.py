"""Bodies and answers in every form become rows by column name; what cannot be read is counted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fedsov.errors import ConfigurationError
from fedsov.inference.request_log.lines import Line
from fedsov.inference.request_log.reader import LinePlace, ReadLine
from fedsov.inference.request_log.table import ARROW, FLOAT32, RequestTable, table_of

JSON = "application/json"
ROWS = [{"years": 3.5, "remote": 1.0}, {"years": 4.0, "remote": None}]


def arrow(rows: list[dict[str, Any]]) -> bytes:
    table, sink = pa.Table.from_pylist(rows), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def tensors(*parts: tuple[str, list[int], list[Any]]) -> bytes:
    plain = [{"name": name, "shape": shape, "datatype": "FP64", "data": data} for name, shape, data in parts]
    return json.dumps({"inputs": plain}).encode()


BODIES = {
    "rows": (JSON, json.dumps({"rows": ROWS}).encode()),
    "records": (JSON, json.dumps({"dataframe_records": ROWS}).encode()),
    "split": (
        JSON,
        json.dumps({"dataframe_split": {"columns": ["years", "remote"], "data": [[3.5, 1.0], [4.0, None]]}}).encode(),
    ),
    "columns": (JSON, tensors(("years", [2], [3.5, 4.0]), ("remote", [2, 1], [1.0, None]))),
    "tensor": (JSON, tensors(("input-0", [2, 2], [3.5, 1.0, 4.0, float("nan")]))),
    "float32": (FLOAT32, np.array([[3.5, 1.0], [4.0, np.nan]], "<f4").tobytes()),
    "arrow": (ARROW, arrow(ROWS)),
}
ANSWERS = {
    "json": (JSON, json.dumps({"predictions": [0.25, 0.5], "outputs": ["ill"]}).encode()),
    "float32": (FLOAT32, np.array([0.25, 0.5], "<f4").tobytes()),
    "tensor": (
        JSON,
        json.dumps({"outputs": [{"name": "predictions", "shape": [2, 1], "data": [0.25, 0.5]}]}).encode(),
    ),
}


def table(body: tuple[str, bytes], answer: tuple[str, bytes] = ANSWERS["json"], withheld: str = "") -> RequestTable:
    line = Line("r", 1.8e9, "DE", (), "m", 1, "champion", body[0], answer[0], "p", body[1], answer[1])
    return table_of([ReadLine(LinePlace(0, 1), line, withheld)], lambda model, version: ("years", "remote"))


@pytest.mark.parametrize("body", BODIES.values(), ids=[*BODIES])
def test_a_body_of_every_form_gives_the_same_rows(body: tuple[str, bytes]) -> None:
    rows = table(body).rows
    assert [{name: row[name] for name in ("years", "remote", "prediction")} for row in rows] == [
        {"years": 3.5, "remote": 1.0, "prediction": 0.25},
        {"years": 4.0, "remote": None, "prediction": 0.5},
    ]
    assert [row["request_row"] for row in rows] == [0, 1]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=[*ANSWERS])
def test_an_answer_of_every_form_gives_the_same_predictions(answer: tuple[str, bytes]) -> None:
    assert [row["prediction"] for row in table(BODIES["rows"], answer).rows] == [0.25, 0.5]


def test_several_outputs_are_a_column_each_by_their_names() -> None:
    answer = {"predictions": [[0.1, 0.9], [0.5, 0.5]], "outputs": ["no", "yes"]}
    rows = table(BODIES["rows"], (JSON, json.dumps(answer).encode())).rows
    assert (rows[0]["prediction_no"], rows[0]["prediction_yes"]) == (0.1, 0.9)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"rows": 7}', b'{"inputs": []}', b'{"other": [1]}', b'{"rows": [{}]}'])
def test_what_cannot_be_read_is_counted_and_never_guessed(body: bytes) -> None:
    assert table((JSON, body)).left_out == {"not read": 1}
    assert not table((JSON, body)).rows


def test_a_line_without_content_is_counted_by_why() -> None:
    assert table(BODIES["rows"], withheld="erased").left_out == {"erased": 1}


def test_an_input_with_the_name_of_a_column_of_the_log_is_refused() -> None:
    body = json.dumps({"rows": [{"prediction": 1.0}, {"prediction": 1.0}]}).encode()
    with pytest.raises(ConfigurationError, match="the model m has an input called 'prediction'"):
        table((JSON, body))
