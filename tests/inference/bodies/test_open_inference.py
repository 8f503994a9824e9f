"""The Open Inference Protocol, as KServe's and MLServer's clients send it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fedsov.inference.versions import ModelVersions
from tests.inference.endpoint_world import MODEL, asked, at_once, endpoint, headers, run, served, state
from tests.inference.models import CLASSES, MIXED, NUMBERS, predictor

INFER = f"/v2/models/{MODEL}/infer"
WAYS = pytest.mark.parametrize("way", [asked, at_once], ids=["asgi", "at once"])
ROWS = [[30.0, 3.0], [41.5, 7.0]]
EXPECTED = predictor(NUMBERS, seed=1).run(predictor(NUMBERS, seed=1).encode_rows(ROWS))

KSERVE = {
    "id": "4be4e82f-5500-420a-a5c5-ac86841e271b",
    "inputs": [{"name": "input-0", "shape": [2, 2], "datatype": "FP32", "data": ROWS}],
}
"""As kserve's `InferRequest.to_dict` writes it, with a numpy array as its data."""
MLSERVER_NUMPY = {
    "parameters": {"content_type": "np"},
    "inputs": [
        {"name": "predict", "shape": [2, 2], "datatype": "FP64", "parameters": {"content_type": "np"},
         "data": [30.0, 3.0, 41.5, 7.0]}
    ],
}  # fmt: skip
"""As mlserver's `NumpyRequestCodec` writes it."""
MLSERVER_PANDAS = {
    "parameters": {"content_type": "pd"},
    "inputs": [
        {"name": "years", "shape": [2, 1], "datatype": "INT64", "parameters": None, "data": [3, 7]},
        {"name": "age", "shape": [2, 1], "datatype": "FP64", "parameters": None, "data": [30.0, 41.5]},
    ],
    "outputs": [],
}
"""As mlserver's `PandasCodec.encode_request` writes a table."""


def infer(way, plain, *, path=INFER, app=None, **more):
    body = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    return run(way(app or endpoint(), body, path=path, **more))


@WAYS
@pytest.mark.parametrize("plain", [KSERVE, MLSERVER_NUMPY, MLSERVER_PANDAS], ids=["kserve", "numpy", "pandas"])
def test_a_client_s_own_request_is_answered_as_it_reads_answers(way, plain):
    answer = infer(way, plain)
    said = answer.json()
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert said["model_name"] == MODEL and said["model_version"] == "1"
    assert said["id"] == plain.get("id", answer.headers["x-request-id"])
    (output,) = said["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("predictions", "FP32", [2, 1])
    assert np.array_equal(np.array(output["data"], np.float32), EXPECTED[:, 0])


@WAYS
def test_text_is_bytes_and_classes_are_the_second_dimension(way):
    model = predictor(MIXED, CLASSES)
    as_text = {"datatype": "BYTES", "parameters": {"content_type": "str"}}
    tensors = [
        {"name": "remote", "shape": [2], **as_text, "data": ["yes", None]},
        {"name": "years", "shape": [2], "datatype": "FP64", "data": [1.5, None]},
    ]
    answer = infer(way, {"inputs": tensors}, app=endpoint(state(ModelVersions(served(1, model=model)))))
    (output,) = answer.json()["outputs"]
    expected = model.run(model.encode_rows([[1.5, "yes"], [None, None]]))
    assert output["shape"] == [2, 3] and output["parameters"]["outputs"] == list(CLASSES.classes)
    assert np.array_equal(np.array(output["data"], np.float32).reshape(2, 3), expected)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"shape": [3, 1]}, "years"),
        ({"shape": [2, 2]}, "years"),
        ({"shape": []}, "years"),
        ({"shape": [-2]}, "years"),
        ({"shape": "2"}, "years"),
        ({"shape": [10**18] * 300}, "years"),
        ({"shape": [10**4000, 1]}, "years"),
        ({"shape": [2, 1, 1]}, "years"),
        ({"datatype": "BOOL"}, "years"),
        ({"datatype": "BYTES"}, "years"),
        ({"data": [3, "7"]}, "years"),
        ({"data": [3, True]}, "years"),
        ({"data": [3, [7]]}, "years"),
        ({"data": None}, "years"),
        ({"name": "pay"}, "pay"),
        ({"name": "age"}, "age"),
        ({"name": "y\u0435ars"}, "y\u0435ars"),
    ],
)
def test_what_a_tensor_cannot_be_is_refused_by_its_name(change, column):
    first, second = MLSERVER_PANDAS["inputs"]
    answer = infer(asked, {"inputs": [{**first, **change}, second]})
    assert (answer.status, answer.json()["column"]) == (422, column)


@pytest.mark.parametrize(
    "plain",
    [b"", b"[]", b"{}", {"inputs": []}, {"inputs": [3]}, {**KSERVE, "more": 1}, {**KSERVE, "id": 3},
     {**KSERVE, "outputs": [{"name": "other"}]},
     {"inputs": [{"name": "a", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]},
     {"inputs": [{"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, None]}]},
     {"inputs": [{"name": "a", "shape": [0, 2], "datatype": "FP32", "data": []}]},
     b'{"inputs": [{"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, NaN]}]}',
     b'{"inputs": [{"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, 2], "data": [3, 4]}]}',
     b'{"inputs": [], "inputs": [{"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}'],
)  # fmt: skip
def test_what_is_no_request_is_refused(plain):
    assert infer(asked, plain).status in (400, 422)


def test_more_rows_than_the_limit_are_refused():
    tensor = {"name": "a", "shape": [200, 2], "datatype": "FP32", "data": [1.0] * 400}
    assert infer(asked, {"inputs": [tensor]}).status == 413


def test_other_media_types_and_the_binary_extension_are_refused():
    assert infer(asked, KSERVE, head=headers(content_type="application/octet-stream")).status == 415
    assert infer(asked, KSERVE, head=headers(inference_header_content_length="10")).status == 415


def test_a_version_is_asked_for_by_its_number_and_a_shadow_by_nobody():
    app = endpoint(state(ModelVersions(served(1), ((served(2, "canary"), 0.1),), ((served(3, "shadow"), 1.0),))))
    for version, status in ((1, 200), (2, 200), (3, 404), (4, 404)):
        answer = infer(asked, KSERVE, app=app, path=f"/v2/models/{MODEL}/versions/{version}/infer")
        assert answer.status == status
        assert status == 404 or answer.json()["model_version"] == str(version)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2", {"name": "fedsov", "extensions": []}),
        ("/v2/health/live", {"live": True}),
        (f"/v2/models/{MODEL}/ready", {"name": MODEL, "ready": True}),
        (f"/v2/models/{MODEL}/versions/1/ready", {"name": MODEL, "ready": True}),
        (f"/v2/models/{MODEL}", {"name": MODEL, "versions": ["1"], "platform": "onnxruntime_onnx"}),
        (f"/v2/models/{MODEL}/versions/1", {"name": MODEL}),
    ],
)
def test_metadata_is_told_as_clients_ask_for_it(path, expected):
    answer = run(asked(endpoint(), path=path, method="GET"))
    assert answer.status == 200 and answer.json().items() >= expected.items()


def test_metadata_names_the_columns_and_the_meaning_of_the_outputs():
    model = predictor(MIXED, CLASSES)
    app = endpoint(state(ModelVersions(served(1, model=model))))
    said = run(asked(app, path=f"/v2/models/{MODEL}", method="GET")).json()
    assert [(each["name"], each["datatype"]) for each in said["inputs"]] == [("years", "FP64"), ("remote", "BYTES")]
    assert said["outputs"][0]["shape"] == [-1, 3] and "job" in said["outputs"][0]["parameters"]["meaning"]


def test_readiness_is_the_process_s():
    assert run(asked(endpoint(), path="/v2/health/ready", method="GET")).status == 200
