"""Lines of the log as a table: a row for each row that somebody asked with, its columns by name, and the answer.

    table = table_of(lines, columns_of=lambda model, version: ("years", "remote"))
    table.rows[0]          # {"years": 3.5, "remote": "yes", "prediction": 0.71, "request_id": ..., ...}

It can be ingested as rows of a data set once an outcome is joined by `request_id` and `request_row`: the person is in
`request_subject`, whose law binds the row in `request_jurisdiction`. What cannot be read is counted, never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from fedsov.errors import ConfigurationError
from fedsov.inference.request_log.lines import Line
from fedsov.inference.request_log.reader import ReadLine

ARROW, FLOAT32 = "application/vnd.apache.arrow.stream", "application/octet-stream"
PREDICTION = "prediction"
OWN = ("request_id", "request_row", "request_time", "request_jurisdiction", "request_subject", "request_label",
       "request_model", "request_version", "request_role", "request_host")  # fmt: skip
"""The columns beside the inputs and the prediction."""
ColumnsOf = Callable[[str, int], Sequence[str]]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RequestTable:
    """Rows by column name; `left_out` counts the lines that gave none, by why."""

    rows: Sequence[Row]
    left_out: Mapping[str, int]

    def columns(self) -> dict[str, list[Any]]:
        """By name the values of every row, None where a row has none; inputs first, as they came."""
        names = list(dict.fromkeys(name for row in self.rows for name in row if name not in OWN))
        names = [*sorted(names, key=lambda name: name.startswith(PREDICTION)), *OWN]
        return {name: [row.get(name) for row in self.rows] for name in names}


def table_of(lines: Iterable[ReadLine], columns_of: ColumnsOf) -> RequestTable:
    """The rows of these lines.

    Args:
        columns_of: the names of a version's columns in their order, for bodies that have none.

    Raises ConfigurationError where an input has the name of a column of the log's own.
    """
    rows, left_out = list[Row](), dict[str, int]()
    for read in lines:
        why = read.withheld
        if not why:
            try:
                rows += _rows_of(read.line, columns_of)
                continue
            except (ValueError, KeyError, TypeError, LookupError):
                why = "not read"
        left_out[why] = left_out.get(why, 0) + 1
    return RequestTable(rows, left_out)


def _rows_of(line: Line, columns_of: ColumnsOf) -> list[Row]:
    inputs = inputs_of(line, columns_of)
    predictions = predictions_of(line, len(inputs))
    if taken := sorted({name for row in inputs for name in row} & {*OWN, PREDICTION}):
        raise ConfigurationError(
            f"the model {line.model} has an input called {taken[0]!r}, and so has the table of requests; rename that "
            "column in the rows that the model learns from"
        )
    moment = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds")
    own = (line.jurisdiction, line.subject, json.dumps(line.label.to_json()), line.model, line.version, line.role)
    return [
        row | prediction | dict(zip(OWN, (line.request_id, number, moment, *own, line.host), strict=True))
        for number, (row, prediction) in enumerate(zip(inputs, predictions, strict=True))
    ]


def inputs_of(line: Line, columns_of: ColumnsOf) -> list[Row]:
    """The rows of a request's body. Raises ValueError, KeyError or TypeError for one that is none."""
    if line.media_type == ARROW:
        return _arrow_rows(line.body)
    if line.media_type == FLOAT32:
        names = columns_of(line.model, line.version)
        numbers = np.frombuffer(line.body, "<f4").astype(np.float64).reshape(-1, len(names))
        return [dict(zip(names, _plain(row), strict=True)) for row in numbers]
    plain = json.loads(line.body)
    for form in ("rows", "dataframe_records"):
        if form in plain:
            return [dict(row) for row in plain[form]]
    if "dataframe_split" in plain:
        split = plain["dataframe_split"]
        return [dict(zip(split["columns"], row, strict=True)) for row in split["data"]]
    return _tensor_rows(plain["inputs"], line, columns_of)


def _tensor_rows(tensors: Sequence[Mapping[str, Any]], line: Line, columns_of: ColumnsOf) -> list[Row]:
    """Of the Open Inference Protocol: a tensor for each column, or one of numbers (N, K)."""
    values = {tensor["name"]: np.array(tensor["data"], object).ravel() for tensor in tensors}
    (first, *_), count = tensors, int(tensors[0]["shape"][0])
    names = columns_of(line.model, line.version)
    if len(tensors) == 1 and first["name"] not in names and len(first["shape"]) == 2:
        numbers = np.array(first["data"], np.float64).reshape(count, len(names))
        return [dict(zip(names, _plain(row), strict=True)) for row in numbers]
    return [{name: column[number] for name, column in values.items()} for number in range(count)]


def predictions_of(line: Line, count: int) -> list[Row]:
    """The answer's numbers for each of so many rows: `PREDICTION`, or one column for each output."""
    names: Sequence[str]
    if line.answer_type == ARROW:
        rows = _arrow_rows(line.answer)
        numbers = [list(row.values()) for row in rows]
        names = list(rows[0]) if rows else []
    elif line.answer_type == FLOAT32:
        numbers, names = np.frombuffer(line.answer, "<f4").astype(np.float64).reshape(count, -1).tolist(), []
    else:
        numbers, names = _json_predictions(json.loads(line.answer))
    if len(numbers) != count:
        raise ValueError("an answer has not a prediction for each row")
    return [_prediction(row, names) for row in numbers]


def _json_predictions(plain: Mapping[str, Any]) -> tuple[list[list[float]], Sequence[str]]:
    """The numbers of each row, and the outputs' names; of the endpoint's own form or the Open Inference Protocol's."""
    if "predictions" in plain:
        return np.array(plain["predictions"], np.float64).reshape(len(plain["predictions"]), -1).tolist(), plain[
            "outputs"
        ]
    (tensor,) = plain["outputs"]
    numbers = np.array(tensor["data"], np.float64).reshape(tensor["shape"][0], -1)
    return numbers.tolist(), tensor.get("parameters", {}).get("outputs", [])


def _prediction(numbers: Sequence[float], names: Sequence[str]) -> Row:
    if len(numbers) == 1:
        return {PREDICTION: numbers[0]}
    words = names if len(names) == len(numbers) else range(len(numbers))
    return {f"{PREDICTION}_{word}": number for word, number in zip(words, numbers, strict=True)}


def _arrow_rows(body: bytes) -> list[Row]:
    import pyarrow as pa

    with pa.ipc.open_stream(body) as reader:
        rows: list[Row] = reader.read_all().to_pylist()
    return rows


def _plain(row: np.ndarray) -> list[float | None]:
    """Numbers, None for NaN."""
    return [None if number != number else float(number) for number in row]
