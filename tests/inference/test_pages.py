"""The pages of an endpoint: an interface that a validator accepts, and a page that loads nothing else."""

from __future__ import annotations

import re

import pytest
from jsonschema import Draft202012Validator

from fedsov.inference.pages import REFUSALS, html, openapi, pages, path_word
from fedsov.inference.versions import ModelVersions
from tests.inference.endpoint_world import MODEL, ROW, asked, endpoint, run, served
from tests.inference.models import CLASSES, MIXED, predictor

MODELS = {MODEL: ModelVersions(served(1)), "a b/ü": ModelVersions(served(2, model=predictor(MIXED, CLASSES)))}


def test_the_interface_has_a_path_a_model_and_a_schema_of_its_rows():
    document = openapi("DE", MODELS)
    assert document["openapi"] == "3.1.0" and f"/v1/models/{MODEL}/predict" in document["paths"]
    post = document["paths"]["/v1/models/a%20b%2F%C3%BC/predict"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"rows": [{"years": 3, "remote": "yes"}, {"years": None, "remote": None}]})
    for wrong in ({"rows": [{"years": 3}]}, {"rows": [{"years": 3, "remote": "yes", "pay": 1}]}, {"other": []}):
        assert not validator.is_valid(wrong)
    assert set(map(int, post["responses"])) == {200, *REFUSALS}
    assert "application/octet-stream" not in post["requestBody"]["content"]


def test_the_example_of_the_interface_is_answered():
    post = openapi("DE", MODELS)["paths"][f"/v1/models/{MODEL}/predict"]["post"]
    content = post["requestBody"]["content"]["application/json"]
    assert Draft202012Validator(content["schema"]).is_valid(content["example"])
    assert run(asked(endpoint(), content["example"])).status == 200


def test_an_answer_is_what_the_interface_says():
    document = openapi("DE", MODELS)
    post = document["paths"][f"/v1/models/{MODEL}/predict"]["post"]
    schema = post["responses"]["200"]["content"]["application/json"]["schema"]
    app = endpoint()
    assert Draft202012Validator(schema).is_valid(run(asked(app, {"rows": [ROW]})).json())
    refusal = document["components"]["schemas"]["Refusal"]
    assert Draft202012Validator(refusal).is_valid(run(asked(app, {"rows": [{}]})).json())


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/healthz", "/readyz"])
def test_a_page_is_told_without_a_token(path):
    answer = run(asked(endpoint(), path=path, method="GET", head=[]))
    assert answer.status == 200 and answer.body and "x-request-id" in answer.headers


def test_the_page_for_people_loads_nothing_and_hides_no_markup():
    text = html("<DE>", {"<script>": MODELS[MODEL]})
    assert "<script" not in text and "&lt;script&gt;" in text
    assert not re.search(r"(src=|https?://|@import|url\()", text)


def test_a_shadow_is_on_no_page():
    versions = ModelVersions(served(1), (), ((served(7, "shadow"), 1.0),))
    every = b"".join(page.content for page in pages("DE", {MODEL: versions}).values())
    assert b"/versions/7" not in every and not any(b"/versions/7" in path for path in pages("DE", {MODEL: versions}))


def test_a_name_is_one_part_of_a_path():
    assert path_word("../a?b#c d") == "..%2Fa%3Fb%23c%20d"
