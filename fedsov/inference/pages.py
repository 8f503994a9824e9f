"""What an endpoint tells of itself: health, the Open Inference Protocol's metadata, and its interface as OpenAPI.

Pages are made once for the models that are loaded, and hold nothing of a request: names of columns, levels that
training people share, and what the outputs mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from fedsov.inference.bodies.body_reader import ARROW, FLOAT32, JSON, ROWS, SPLIT
from fedsov.inference.bodies.open_inference import model_metadata, server_metadata
from fedsov.inference.served import Served
from fedsov.inference.versions import ModelVersions

_TEXT, _HTML = b"text/plain; charset=utf-8", b"text/html; charset=utf-8"
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
Models = Mapping[str, ModelVersions[Served]]


class Page(NamedTuple):
    """A page's content, its media type, and the status with which it is told."""

    content: bytes
    media_type: bytes = JSON.encode()
    status: int = 200


def path_word(text: str) -> str:
    """Text as one part of a path (RFC 3986).

    >>> path_word("a-model"), path_word("a/é")
    ('a-model', 'a%2F%C3%A9')
    """
    return "".join(
        letter if letter in _UNRESERVED else "".join(f"%{byte:02X}" for byte in letter.encode()) for letter in text
    )


def pages(region: str, models: Models) -> dict[bytes, Page]:
    """Every page but the state of the process, by its path."""
    document = openapi(region, models)
    by_path = {
        "/healthz": Page(b"ok\n", _TEXT),
        "/v2/health/live": Page(b'{"live": true}'),
        "/v2": _json(server_metadata(document["info"]["version"])),
        "/openapi.json": _json(document),
        "/docs": Page(html(region, models).encode(), _HTML),
    }
    for name, versions in models.items():
        first = f"/v2/models/{path_word(name)}"
        for served in versions.all:
            if served.role == "shadow":
                continue
            own = f"{first}/versions/{served.version}"
            by_path[own] = _json(model_metadata(name, versions, served))
            by_path[f"{own}/ready"] = _json({"name": name, "version": str(served.version), "ready": True})
            by_path.setdefault(first, by_path[own])
            by_path.setdefault(f"{first}/ready", _json({"name": name, "ready": True}))
    return {path.encode(): page for path, page in by_path.items()}


def openapi(region: str, models: Models) -> dict[str, Any]:
    """The interface as OpenAPI 3.1: a path for each model, a schema of its rows and of its answers."""
    paths = {
        f"/v1/models/{path_word(name)}/predict": _predict(name, first)
        for name, versions in models.items()
        if (first := _first(versions)) is not None
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Endpoint of region {region}",
            "version": "1",
            "description": "The token's claim of a jurisdiction decides which region answers: one of another region "
            "gets 421 with that region's name, one that no region may serve 451, before a body is read.",
        },
        "paths": {**paths, "/healthz": _tells("Whether the process runs."), "/readyz": _tells("Whether it answers.")},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": {"Refusal": _REFUSAL},
        },
    }


_REFUSAL = {
    "type": "object",
    "required": ["error", "request_id"],
    "properties": {
        "error": {"type": "string"},
        "request_id": {"type": "string"},
        "column": {"type": "string", "description": "The column that cannot be read."},
        "region": {"type": "string", "description": "The region that answers this jurisdiction."},
    },
}
REFUSALS = {
    400: "No JSON, no Arrow stream, no whole gzip, or a head that contradicts itself.",
    401: "No token that is believed.",
    403: "A token that claims no jurisdiction.",
    408: "The body did not come in time.",
    413: "More bytes or rows than the limits.",
    415: "Another media type or encoding.",
    421: "Another region answers this jurisdiction; `region` names it.",
    422: "A column that is missing, too many, or holds what the model does not read; `column` names it.",
    429: "More requests than a rate allows; Retry-After.",
    451: "No region may answer this jurisdiction.",
    503: "The log cannot be written, or no version answers; Retry-After.",
}


def _first(versions: ModelVersions[Served]) -> Served | None:
    return next((served for served in versions.all if served.role != "shadow"), None)


def made_up(served: Served) -> dict[str, Any]:
    """A body that the version answers, with a row that is nobody's: each column's mean, or its first level."""
    means = {name: mean for name, mean, _ in served.predictor.features.numeric}
    row = {
        column.name: round(means.get(column.name, 0.0), 3) if column.kind == "numeric" else column.levels[0]
        for column in served.predictor.columns
    }
    return {ROWS: [row]}


def _predict(name: str, served: Served) -> dict[str, Any]:
    row = {
        "type": "object",
        "required": list(served.reader.names),
        "additionalProperties": False,
        "properties": {
            column.name: {"type": ["number", "null"]}
            if column.kind == "numeric"
            else {"type": ["string", "number", "null"], "examples": list(column.levels[:3])}
            for column in served.predictor.columns
        },
    }
    rows = {"type": "object", "required": [ROWS], "properties": {ROWS: {"type": "array", "items": row}}}
    split = {"type": "object", "required": [SPLIT], "properties": {SPLIT: {"type": "object"}}}
    binary = {"schema": {"type": "string", "format": "binary"}}
    numbers: dict[str, Any] = {"type": "number"}
    if len(served.predictor.words) > 1:
        numbers = {"type": "array", "items": numbers, "minItems": len(served.predictor.words)}
    answer = {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": numbers, "description": served.predictor.meaning},
            "outputs": {"const": list(served.predictor.words)},
            "model": {"const": name},
            "version": {"type": "integer"},
            "request_id": {"type": "string"},
        },
    }
    refusal = {JSON: {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    answers = {str(status): {"description": why, "content": refusal} for status, why in REFUSALS.items()}
    content: dict[str, Any] = {JSON: {"schema": {"oneOf": [rows, split]}, "example": made_up(served)}, ARROW: binary}
    if all(column.kind == "numeric" for column in served.predictor.columns):
        content[FLOAT32] = binary
    return {
        "post": {
            "summary": f"Predicts: {served.predictor.meaning}.",
            "security": [{"token": []}],
            "requestBody": {"required": True, "content": content},
            "responses": {"200": {"description": "Predictions.", "content": {JSON: {"schema": answer}}}, **answers},
        }
    }


def _tells(what: str) -> dict[str, Any]:
    return {"get": {"summary": what, "responses": {"200": {"description": "Yes."}, "503": {"description": "No."}}}}


def html(region: str, models: Models) -> str:
    """The interface for people, on one page that loads nothing else."""
    parts = [
        f"<!doctype html><meta charset=utf-8><title>Region {escape(region)}</title><h1>Region {escape(region)}</h1>"
    ]
    parts.append('<p>The same for programs: <a href="openapi.json">openapi.json</a></p>')
    for name, versions in models.items():
        served = _first(versions)
        if served is None:
            continue
        columns = "".join(
            f"<tr><td>{escape(column.name)}<td>{column.kind}<td>{escape(', '.join(column.levels[:20]))}"
            for column in served.predictor.columns
        )
        body = json.dumps(made_up(served), ensure_ascii=False)
        parts.append(
            f"<h2>{escape(name)} {served.version}</h2><p>{escape(served.predictor.meaning)}</p>"
            f"<table><tr><th>column<th>kind<th>levels{columns}</table>"
            f"<pre>POST /v1/models/{path_word(name)}/predict\nAuthorization: Bearer TOKEN\n"
            f"Content-Type: application/json\n\n{escape(body)}</pre>"
        )
    return "".join(parts)


def _json(value: Any) -> Page:
    return Page(json.dumps(value).encode())
