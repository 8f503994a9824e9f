"""Stacks of linear layers and embeddings as ONNX nodes, in milliseconds and without torch.

embeddings: Gather the codes' columns, look each up, concatenate;  layer: Gemm;  activation: one node, of silu two
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fedsov.model.embeddings import plain
from fedsov.model.network import NetworkSpec, Parameters
from fedsov.model.targets import TargetRule

OPSET = 20
"""The first with Gelu."""
_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "gelu": ("Gelu", {}),
    "elu": ("Elu", {"alpha": 1.0}),
}


class _Graph:
    """Nodes and constants in the order in which they are written."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, values: Any, name: str = "") -> str:
        """A constant's name."""
        name = name or f"constant.{len(self.constants)}"
        self.constants[name] = np.array(values, order="C")
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """The name of what a node gives."""
        from onnx import helper

        output = output or f"{operator.lower()}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output


def layered_graph(
    spec: NetworkSpec, parameters: Parameters, inputs: int, target: TargetRule, *, names: tuple[str, str]
) -> Any:
    """The ONNX model of a layered network and of what its logits mean for a target.

    Args:
        names: of the graph's input, (N, inputs), and output, (N, outputs).
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = _Graph()
    onward = _embedded(graph, spec, parameters, inputs, names[0])
    for place, (weight, bias) in enumerate(_layers(spec)):
        if place:
            onward = _activated(graph, spec.activation, onward)
        own = [graph.constant(parameters[name].astype(np.float32), name) for name in (weight, bias)]
        onward = graph.node("Gemm", [onward, *own], transB=1)
    _answers(graph, onward, target, names[1])
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
        for name, width in zip(names, (inputs, spec.outputs), strict=True)
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    whole = helper.make_graph(graph.nodes, spec.name, values[:1], values[1:], constants)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="fedsov")
    model.ir_version = 10  # as torch's exporter has it: ONNX Runtime reads no newer one than it knows
    return model


def _layers(spec: NetworkSpec) -> Iterator[tuple[str, str]]:
    return ((f"{2 * layer}.weight", f"{2 * layer}.bias") for layer in range(len(spec.hidden) + 1))


def _embedded(graph: _Graph, spec: NetworkSpec, parameters: Parameters, inputs: int, given: str) -> str:
    """What the first layer is given: the inputs that are no codes, then each embedding."""
    if not spec.embeddings:
        return given
    kept = np.array(plain(spec.embeddings, inputs), np.int64)
    parts = [graph.node("Gather", [given, graph.constant(kept)], axis=1)] if len(kept) else []
    for place, each in enumerate(spec.embeddings):
        column = graph.node("Gather", [given, graph.constant(np.int64(each.column))], axis=1)
        codes = graph.node("Cast", [column], to=7)  # int64
        name = f"embedding.{place}.weight"
        table = graph.constant(parameters[name].astype(np.float32), name)
        parts.append(graph.node("Gather", [table, codes], axis=0))
    return graph.node("Concat", parts, axis=1)


def _activated(graph: _Graph, activation: str, onward: str) -> str:
    if activation == "silu":
        return graph.node("Mul", [onward, graph.node("Sigmoid", [onward])])
    operator, attributes = _ACTIVATIONS[activation]
    return graph.node(operator, [onward], **attributes)


def _answers(graph: _Graph, logits: str, target: TargetRule, output: str) -> None:
    """As `fedsov.model.packaging.loaded.answering` has them."""
    if target.task == "regression":
        low, high = target.scale
        scaled = graph.node("Mul", [logits, graph.constant(np.float32((high - low) / 2.0))])
        graph.node("Add", [scaled, graph.constant(np.float32((high + low) / 2.0))], output)
    elif target.task == "multiclass":
        graph.node("Softmax", [logits], output, axis=-1)
    else:
        graph.node("Sigmoid", [logits], output)
