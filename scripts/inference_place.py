"""A region's endpoint for the benchmark: keys, a ledger, one approved model of 32 columns, tokens; no workspace."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import numpy as np
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.inference.approved import ApprovedList, ApprovedVersion, Signatory, written
from fedsov.inference.use.drift import Reference
from fedsov.keys import KeySettings, create_keys, open_keys
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.model.features import Features
from fedsov.model.network import NetworkSpec, initial
from fedsov.model.packaging.onnx_export import export
from fedsov.model.packaging.saved import SavedModel, write
from fedsov.model.packaging.signature import DESCRIPTION, GRAPH
from fedsov.model.targets import TargetRule
from fedsov.registry.mlmodel import flavour_files
from fedsov.runtimes.serving.place import EndpointPlace, publish
from fedsov.storage.workspace import ledger_of

MODEL, COLUMNS, HIDDEN = "people-de", 32, (64, 32)
NAMES = tuple(f"column_{number:02}" for number in range(COLUMNS))
PREDICT = f"/v1/models/{MODEL}/predict"


@dataclass(frozen=True, slots=True)
class Prepared:
    """An endpoint's file, a true token, and the model's folder."""

    place: EndpointPlace
    token: str
    model: Path


def prepare(folder: Path, log: Mapping[str, Any]) -> Prepared:
    """A region DE in a folder, whose endpoint listens at any free port."""
    create_keys(KeySettings("DE", folder))
    with closing(Ledger(ledger_of(folder), "DE")) as ledger:
        ledger.note({"benchmark": "a region"})
    keys, hub = open_keys(KeySettings("DE", folder)), Ed25519PrivateKey.generate()
    own = (keys.public.verify or b"").hex()
    place = EndpointPlace(
        region="DE",
        folder=folder,
        region_key=own,
        hub_key=hub.public_key().public_bytes_raw().hex(),
        jurisdictions=("DE",),
        port=0,
        log=log,
    )
    model = _model(place.serving.model(MODEL, 1))
    files = {name: hashlib.sha256((model / name).read_bytes()).hexdigest() for name in (DESCRIPTION, GRAPH)}
    at = datetime.now(UTC).isoformat()
    version = ApprovedVersion(MODEL, 1, digest="00" * 32, files=files, by="benchmark", why="benchmark", at=at)
    listed = ApprovedList("DE", 1, at, (version,))
    signed = written(listed, hub=Signatory(place.hub_key, hub.sign), region=Signatory(own, keys.sign))
    place.serving.approved.write_bytes(signed)
    token = _token(place)
    place = replace(place, issuers_sha256=hashlib.sha256(place.serving.issuers.read_bytes()).hexdigest())
    publish(place, keys.sign)
    return Prepared(place, token, model)


def _model(folder: Path) -> Path:
    """A network 32-64-32-1 as an approval and as MLflow's registry write it."""
    features = Features(numeric=tuple((name, 0.5, 2.0) for name in NAMES))
    target = TargetRule("income", above_region_median=True)
    spec = NetworkSpec("mlp", HIDDEN, 1, "relu")
    saved = SavedModel(MODEL, spec, features, target, Label(frozenset({"DE"})), "run", "DE", version=1)
    rng = np.random.default_rng(0)
    parameters = {
        name: (array + rng.normal(0.0, 0.2, array.shape)).astype(np.float32)
        for name, array in initial(spec, features.inputs, 0).items()
    }
    write(folder, saved, parameters)
    (folder / GRAPH).write_bytes(export(saved, parameters))
    rows, scores = rng.normal(size=(1000, COLUMNS)), rng.uniform(size=1000)
    reference = Reference.of(dict(zip(features.names, rows.T, strict=True)), scores)
    (folder / "reference.json").write_text(json.dumps(reference.to_json()))
    flavour = flavour_files(saved.to_json(), run="0" * 32, model="m-" + "0" * 32, at=datetime.now(UTC), size=1)
    for name, text in flavour.items():
        (folder / name).write_text(text)
    return folder


def _token(place: EndpointPlace) -> str:
    """A token of an issuer whose keys lie in a file."""
    key, issuer = rsa.generate_private_key(65537, 2048), "https://benchmark.example"
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {
        "kid": "k1",
        "alg": "RS256",
        "use": "sig",
    }
    public.pop("key_ops", None)
    jwks = place.serving.root / "jwks.json"
    jwks.write_text(json.dumps({"keys": [public]}))
    table = {"issuer": issuer, "jwks": str(jwks), "audience": "fedsov", "algorithms": ["RS256"]}
    place.serving.issuers.write_text(json.dumps({"issuers": [table]}))
    claims = {"iss": issuer, "aud": "fedsov", "sub": secrets.token_hex(8), "exp": int(time.time()) + 3000}
    return jwt.encode({**claims, "jurisdiction": "DE"}, key, "RS256", headers={"kid": "k1"})


def bodies() -> dict[str, tuple[str, bytes]]:
    """By form the media type and the body of made-up rows."""
    rows = np.random.default_rng(1).normal(size=(100, COLUMNS)).round(4)
    named = [dict(zip(NAMES, map(float, row), strict=True)) for row in rows]
    split = {"dataframe_split": {"columns": list(NAMES), "data": rows.tolist()}}
    plain = {
        "1 row": {"rows": named[:1]},
        "100 rows": split,
        "100 rows by name": {"rows": named},
        "1 row, fastapi": {"rows": rows[:1].tolist()},
        "100 rows, fastapi": {"rows": rows.tolist()},
        "1 row, mlflow": {"inputs": named[:1]},
        "100 rows, mlflow": {"inputs": named},
    }
    texts = {name: ("application/json", json.dumps(value).encode()) for name, value in plain.items()}
    return {**texts, "100 rows, float32": ("application/octet-stream", rows.astype("<f4").tobytes())}


FASTAPI = """
import os
import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = ort.InferenceSession(os.environ["GRAPH"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Rows(BaseModel):
    rows: list[list[float]]


@app.post("/predict")
async def predict(body: Rows) -> dict[str, list[float]]:
    inputs = (np.asarray(body.rows, np.float32) - 0.5) / 2.0
    return {"predictions": session.run(None, {"inputs": inputs})[0][:, 0].tolist()}
"""
"""The same model as an application of FastAPI, without tokens, a log, or names of columns."""


def fastapi_command(folder: Path, model: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """What runs it by uvicorn, and its environment."""
    (folder / "bare_fastapi.py").write_text(FASTAPI)
    words = ["-m", "uvicorn", "--app-dir", str(folder), "bare_fastapi:app", "--port", str(port), "--no-access-log"]
    return [*words, "--loop", "uvloop", "--http", "httptools", "--log-level", "warning"], {"GRAPH": str(model / GRAPH)}


def mlflow_command(model: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """What runs MLflow's own server, and its environment: it looks for uvicorn on PATH."""
    words = ["-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local", "--port", str(port)]
    return [*words, "--workers", "1"], {"PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"}  # type: ignore[attr-defined]
