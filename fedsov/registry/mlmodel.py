"""The files beside a registered model's weights that let MLflow load it, written as MLflow 3 writes them.

`flavour_files` makes them of a model's description alone (``model.json``: `fedsov.model.packaging.saved`), without
MLflow, so that registering takes no longer. The flavour is ``python_function``, loaded by `fedsov.registry.pyfunc`,
which reads data and runs no pickle. The signature says what may be asked; the input example holds rows that nobody is,
made of the features' means and levels.

MLflow leaves a question's columns to the model itself (``is_signature_from_type_hint``): its own check of a signature
answers what does not fit with the first rows, values and all, and a model's answer names the column alone.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

import yaml

import fedsov
from fedsov.model.packaging.signature import Signature

LOADER = "fedsov.registry.pyfunc"
EXAMPLE, SERVING_EXAMPLE = "input_example.json", "serving_input_example.json"
UNSEEN = {"name": "unseen", "type": "string", "default": "refuse", "shape": None}
"""The one parameter of a prediction: what becomes of a level that the model does not know."""
_BUILD = ["pip", "setuptools", "wheel"]


def flavour_files(description: Mapping[str, Any], *, run: str, model: str, at: datetime, size: int) -> dict[str, str]:
    """By name the text of each file.

    Args:
        description: what ``model.json`` holds.
        run, model: MLflow's ids of the run and of the logged model.
        at: when it was registered, UTC.
        size: of the weights, in bytes.
    """
    signature = Signature.of(description)
    example = signature.example()
    rows = [list(row) for row in zip(*example.values(), strict=True)]
    return {
        "MLmodel": yaml.safe_dump(_mlmodel(description, signature, run=run, model=model, at=at, size=size)),
        EXAMPLE: json.dumps({"columns": list(example), "data": rows}),
        SERVING_EXAMPLE: json.dumps({"inputs": [dict(zip(example, row, strict=True)) for row in rows]}, indent=2),
        **_environment(),
    }


def _mlmodel(
    description: Mapping[str, Any], signature: Signature, *, run: str, model: str, at: datetime, size: int
) -> dict[str, Any]:
    kinds = {"numeric": "double", "categorical": "string"}
    inputs = [_column(column.name, kinds[column.kind]) for column in signature.columns]
    outputs = [_column(word, "float") for word in signature.words]
    return {
        "flavors": {
            "python_function": {
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                "loader_module": LOADER,
                "python_version": platform.python_version(),
            },
        },
        "is_signature_from_type_hint": True,
        "metadata": {
            **{key: description[key] for key in ("name", "run", "region", "label", "target", "meaning")},
            "fedsov_version": fedsov.__version__,
        },
        "mlflow_version": version("mlflow"),
        "model_id": model,
        "model_size_bytes": size,
        "model_uuid": model,
        "run_id": run,
        "saved_input_example_info": {
            "artifact_path": EXAMPLE,
            "pandas_orient": "split",
            "serving_input_path": SERVING_EXAMPLE,
            "type": "dataframe",
        },
        "signature": {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": json.dumps([UNSEEN])},
        "type_hint_from_example": False,
        "utc_time_created": at.replace(tzinfo=None).isoformat(" "),
    }


def _column(name: str, kind: str) -> dict[str, Any]:
    return {"type": kind, "name": name, "required": True}


def _environment() -> dict[str, str]:
    """What must be installed where the model is loaded, in MLflow's three files."""
    python = platform.python_version()
    packages = [f"mlflow=={version('mlflow')}", f"fedsov=={fedsov.__version__}"]
    needed: list[Any] = [f"python={python}", "pip", {"pip": packages}]
    conda = {"name": "mlflow-env", "channels": ["conda-forge"], "dependencies": needed}
    return {
        "conda.yaml": yaml.safe_dump(conda),
        "python_env.yaml": yaml.safe_dump(
            {"python": python, "build_dependencies": _BUILD, "dependencies": ["-r requirements.txt"]}
        ),
        "requirements.txt": "\n".join([*packages, ""]),
    }
