"""The Open Inference Protocol, version 2: its JSON, as KServe's and MLServer's clients speak it.

    POST /v2/models/NAME/infer      {"inputs": [{"name": "years", "shape": [2], "datatype": "FP64", "data": [1, 2]}]}

A request's tensors are the model's columns by name, each of N or (N, 1) values, or one tensor of numbers (N, K) in the
order of the columns. The answer is one tensor ``predictions`` of (N, C) numbers, whose ``parameters`` name the outputs.
Text is BYTES, as JSON strings. The binary extension is not read: the client gets 415 and sends JSON.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from fedsov.inference.bodies.body_reader import exact_json
from fedsov.inference.bodies.body_refusals import BodyRefused, counted_rows
from fedsov.inference.served import Served, numbers_json
from fedsov.inference.versions import ModelVersions
from fedsov.model.packaging.encoder import ColumnRefused

NUMBERS = frozenset({"FP64", "FP32", "FP16", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
TEXT = "BYTES"
OUTPUT = "predictions"
_LONGEST_ID = 128
_LARGEST_SIZE = 2**31
"""Of one side of a tensor; no body within the limits holds so many values."""


@dataclass(frozen=True, slots=True)
class Infer:
    """A request of the protocol: its inputs (N, D), and the id that its sender gave it, "" for none."""

    inputs: np.ndarray
    id: str = ""


def read_infer(body: bytes, served: Served) -> Infer:
    """A request for a version. Raises BodyRefused."""
    plain = _plain(body)
    if not isinstance(plain, dict) or not isinstance(plain.get("inputs"), list) or not plain["inputs"]:
        raise BodyRefused(422, 'the body must be {"inputs": [{"name", "shape", "datatype", "data"}, ...]}')
    for name in plain:
        if name not in ("id", "inputs", "outputs", "parameters"):
            raise BodyRefused(422, f"{str(name)[:64]!a} is no part of a request of the Open Inference Protocol")
    _check_outputs(plain.get("outputs"))
    identity = plain.get("id", "")
    if not isinstance(identity, str) or len(identity) > _LONGEST_ID:
        raise BodyRefused(422, f"id must be text of {_LONGEST_ID} letters at most")
    tensors = [_tensor(each) for each in plain["inputs"]]
    try:
        return Infer(_inputs(tensors, served), identity)
    except ColumnRefused as refused:
        raise BodyRefused(422, str(refused), refused.column) from None


def _plain(body: bytes) -> Any:
    """The JSON of a body in which no key comes twice: orjson takes the last one, but its colon is still there."""
    try:
        plain = orjson.loads(body)
    except orjson.JSONDecodeError:
        return exact_json(body)
    tensors = plain.get("inputs") if isinstance(plain, dict) else None
    keys = len(plain) + sum(len(each) for each in tensors if isinstance(each, dict)) if isinstance(tensors, list) else 0
    return plain if body.count(b":") == keys else exact_json(body)


def _inputs(tensors: list[tuple[str, list[int], list[Any]]], served: Served) -> np.ndarray:
    name, shape, values = tensors[0]
    if len(tensors) == 1 and name not in served.reader.names and len(shape) == 2:
        if set(map(type, values)) - {int, float}:
            raise BodyRefused(422, f"tensor {name!a} holds what is no number; send one tensor for each column")
        counted_rows(shape[0], served.reader.most_rows)
        try:
            numbers = np.array(values, np.float64).reshape(shape)
        except OverflowError:
            raise BodyRefused(422, f"tensor {name!a} has a number beyond those of float64") from None
        return served.reader.of_numbers(numbers)
    columns: dict[str, list[Any]] = {}
    for name, shape, values in tensors:
        if shape[1:] not in ([], [1]):
            raise BodyRefused(422, f"column {name!a} has the shape {shape}; send [N] or [N, 1]", name)
        if name in columns:
            raise BodyRefused(422, f"column {name!a} is there twice; send it once", name)
        columns[name] = values
    return served.reader.of_columns(columns)


def _tensor(plain: Any) -> tuple[str, list[int], list[Any]]:
    """Name, shape and flat values of one tensor. Raises BodyRefused."""
    if not isinstance(plain, dict) or not isinstance(plain.get("name"), str):
        raise BodyRefused(422, "each input has a name, a shape, a datatype and data")
    name, shape, kind, values = plain["name"], plain.get("shape"), plain.get("datatype"), plain.get("data")
    shown = ascii(name[:64])
    if not isinstance(shape, list) or len(shape) not in (1, 2) or not all(map(_is_size, shape)):
        raise BodyRefused(422, f"tensor {shown} has no shape as [N, 1]", name)
    if kind not in NUMBERS and kind != TEXT:
        raise BodyRefused(422, f"tensor {shown} must be BYTES or one of {', '.join(sorted(NUMBERS))}", name)
    if not isinstance(values, list):
        raise BodyRefused(422, f"tensor {shown} has no list of data; the binary extension is not read here", name)
    flat = _flat(values, len(shape))
    if len(flat) != math.prod(shape):
        raise BodyRefused(422, f"tensor {shown} has {len(flat)} values where its shape has {math.prod(shape)}", name)
    wanted = {str, type(None)} if kind == TEXT else {int, float, type(None)}
    if set(map(type, flat)) - wanted:
        raise BodyRefused(422, f"tensor {shown} holds what is no {kind}", name)
    return name, shape, flat


def _is_size(size: Any) -> bool:
    return type(size) is int and 0 <= size <= _LARGEST_SIZE


def _flat(values: list[Any], depth: int) -> list[Any]:
    """Data as one list: the protocol allows rows within it."""
    while depth > 1 and values and all(type(value) is list for value in values):
        values, depth = [inner for value in values for inner in value], depth - 1
    return values


def _check_outputs(wanted: Any) -> None:
    if wanted is None or wanted == []:
        return
    if not isinstance(wanted, list) or any(not isinstance(each, dict) or each.get("name") != OUTPUT for each in wanted):
        raise BodyRefused(422, f'the one output is "{OUTPUT}"; leave outputs out')


def infer_answer(served: Served, outputs: np.ndarray, request: Infer, request_id: str) -> bytes:
    """The answer to a request. Raises NotFinite."""
    head = {
        "model_name": served.model,
        "model_version": str(served.version),
        "id": request.id or request_id,
        "parameters": {"request_id": request_id},
    }
    tensor = {
        "name": OUTPUT,
        "shape": list(outputs.shape),
        "datatype": "FP32",
        "parameters": {"outputs": list(served.predictor.words)},
    }
    opened = [json.dumps(part)[:-1].encode() for part in (head, tensor)]
    return b"".join((opened[0], b', "outputs": [', opened[1], b', "data": ', numbers_json(outputs.reshape(-1)), b"}]}"))


def server_metadata(version: str) -> Mapping[str, Any]:
    """What the endpoint is."""
    return {"name": "fedsov", "version": version, "extensions": []}


def model_metadata(name: str, versions: ModelVersions[Served], served: Served) -> Mapping[str, Any]:
    """What a version of a model takes and answers."""
    answering = [each.version for each in versions.all if each.role != "shadow"]
    return {
        "name": name,
        "versions": [str(number) for number in sorted(answering)],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": column.name, "datatype": "FP64" if column.kind == "numeric" else TEXT, "shape": [-1]}
            for column in served.predictor.columns
        ],
        "outputs": [
            {
                "name": OUTPUT,
                "datatype": "FP32",
                "shape": [-1, len(served.predictor.words)],
                "parameters": {"outputs": list(served.predictor.words), "meaning": served.predictor.meaning},
            }
        ],
    }
