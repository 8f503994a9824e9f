"""Small models as an approval writes them: two columns, a graph of one layer whose answers a test can work out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

from fedsov.inference.predictor import DESCRIPTION, GRAPH, INPUTS, OUTPUTS, Predictor
from fedsov.label import PUBLIC, Label
from fedsov.model.features import Features
from fedsov.model.targets import TargetRule

YEARS, REMOTE = ("years", 10.0, 5.0), ("remote", ("no", "yes"))
NUMBERS = Features(numeric=(("age", 40.0, 10.0), YEARS), missing=("years",))
MIXED = Features(numeric=(YEARS,), levels=(REMOTE,))
BINARY = TargetRule("salary", above_region_median=True)
CLASSES = TargetRule("job", classes=("cook", "nurse", "teacher"))
NUMBER = TargetRule("salary", scale=(0.0, 1000.0))


def wide(columns: int) -> Features:
    """A model of many columns of numbers."""
    return Features(numeric=tuple((f"column_{place}", 0.5, 2.0) for place in range(columns)))


def graph(
    features: Features, outputs: int, *, seed: int = 0, hidden: Sequence[int] = (), activation: str = "Sigmoid"
) -> bytes:
    """Layers of random weights, and an activation on their outputs."""
    rng, nodes, constants, last = np.random.default_rng(seed), [], [], INPUTS
    sizes = [features.inputs, *hidden, outputs]
    for layer, (wide_in, wide_out) in enumerate(pairwise(sizes)):
        weights = rng.normal(size=(wide_in, wide_out)).astype(np.float32) / np.sqrt(wide_in)
        constants += [numpy_helper.from_array(weights.astype(np.float32), f"w{layer}")]
        constants += [numpy_helper.from_array(np.zeros(wide_out, np.float32), f"b{layer}")]
        nodes.append(make_node("Gemm", [last, f"w{layer}", f"b{layer}"], [f"h{layer}"]))
        last = f"h{layer}"
        if layer < len(hidden):
            nodes.append(make_node("Relu", [last], [f"r{layer}"]))
            last = f"r{layer}"
    nodes.append(make_node(activation, [last], [OUTPUTS]))
    shapes = [
        make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in ((INPUTS, features.inputs), (OUTPUTS, outputs))
    ]
    model = make_model(make_graph(nodes, "m", shapes[:1], shapes[1:], constants), opset_imports=[make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model.SerializeToString()


def described(
    name: str, version: int, features: Features, target: TargetRule, label: Label = PUBLIC
) -> Mapping[str, object]:
    """What ``model.json`` says."""
    return {
        "name": name,
        "version": version,
        "label": label.to_json(),
        "features": features.to_json(),
        "target": asdict(target),
    }


def write(
    folder: Path, name: str, version: int, features: Features, target: TargetRule = BINARY, **more: object
) -> Path:
    """The two files of a version in its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    outputs = len(target.classes) or 1
    activation = "Softmax" if target.classes else "Identity" if target.scale else "Sigmoid"
    (folder / DESCRIPTION).write_text(json.dumps(described(name, version, features, target)))
    (folder / GRAPH).write_bytes(graph(features, outputs, activation=activation, **more))  # type: ignore[arg-type]
    return folder


def predictor(features: Features, target: TargetRule = BINARY, *, seed: int = 0) -> Predictor:
    """A model in memory."""
    outputs = len(target.classes) or 1
    activation = "Softmax" if target.classes else "Identity" if target.scale else "Sigmoid"
    return Predictor(described("m", 1, features, target), graph(features, outputs, seed=seed, activation=activation))
