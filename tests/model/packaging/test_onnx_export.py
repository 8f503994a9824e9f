"""Every architecture becomes a graph that answers as torch does, over random and extreme inputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from fedsov.errors import ConfigurationError
from fedsov.model import own_network
from fedsov.model.embeddings import Embedding
from fedsov.model.features import CLIP, Features
from fedsov.model.network import ACTIVATIONS, NetworkSpec
from fedsov.model.packaging import onnx_export
from fedsov.model.packaging.loaded import answering
from fedsov.model.packaging.onnx_export import CLOSE, export, tried_inputs
from fedsov.model.packaging.saved import SavedModel
from tests.model.world import BOUND, MIXED, TARGETS, numbers, parameters_of, saved_model

WORDS = [("logistic", (), "relu"), *(("mlp", (8, 5), activation) for activation in ACTIVATIONS)]
TRACED = [("cnn", (4,), numbers(16), "multiclass"), ("ft_transformer", (8, 1), MIXED, "binary")]


def _difference(saved: SavedModel, parameters: dict[str, np.ndarray], graph: bytes) -> float:
    """How far a graph is off torch, as a multiple of what is allowed (`CLOSE`, of the target's unit and of the answer).

    Over rows that no export tried: random, all at the ends, and one at a time.
    """
    run, module = onnx_export._runner(graph), answering(saved, parameters)
    inputs = [tried_inputs(saved, rows, seed) for rows, seed in ((1, 5), (3, 6), (64, 7))]
    if not saved.network.embeddings:
        inputs += [np.full((2, saved.features.inputs), value, np.float32) for value in (-CLIP, 0.0, CLIP)]
    size, differences = max([1.0, *saved.target.scale]), []
    for rows in inputs:
        with torch.inference_mode():
            expected = module(torch.from_numpy(rows)).numpy()
        assert run(rows).shape == expected.shape == (len(rows), len(saved.signature.words))
        differences.append(np.max(np.abs(run(rows) - expected) / (CLOSE * (size + np.abs(expected)))))
    return float(np.max(differences))


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize(("network", "hidden", "activation"), WORDS)
def test_stacks_of_layers_answer_as_torch_does(
    network: str, hidden: tuple[int, ...], activation: str, task: str
) -> None:
    saved = saved_model(network, hidden=hidden, task=task, activation=activation)
    parameters = parameters_of(saved)
    graph = export(saved, parameters)
    assert _difference(saved, parameters, graph) <= 1
    assert export(saved, parameters) == graph, "the same bytes each time"


@pytest.mark.parametrize("all_are_codes", [False, True])
def test_embeddings_answer_as_torch_does(all_are_codes: bool) -> None:
    codes = (Embedding(2, 5, 3), Embedding(0, 2, 1), *([Embedding(1, 3, 2)] if all_are_codes else []))
    spec = NetworkSpec("mlp", (4,), embeddings=codes)
    saved = SavedModel("m", spec, numbers(3), TARGETS["binary"], BOUND, "r", "DE")
    parameters = parameters_of(saved)
    assert _difference(saved, parameters, export(saved, parameters)) <= 1


@pytest.mark.parametrize(("network", "hidden", "features", "task"), TRACED)
def test_other_architectures_answer_as_torch_does(
    network: str, hidden: tuple[int, ...], features: Features, task: str
) -> None:
    saved = saved_model(network, hidden=hidden, features=features, task=task)
    parameters = parameters_of(saved, spread=0.2)
    graph = export(saved, parameters)
    assert _difference(saved, parameters, graph) <= 1
    assert b"/fedsov/" not in graph and b".py" not in graph, "nothing of this machine's files"


@pytest.mark.long
@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize(("network", "hidden"), [("cnn", ()), ("ft_transformer", ())])
def test_other_architectures_answer_as_torch_does_for_every_task(
    network: str, hidden: tuple[int, ...], task: str
) -> None:
    saved = saved_model(network, hidden=hidden, features=numbers(64 if network == "cnn" else 12), task=task)
    parameters = parameters_of(saved, spread=0.2)
    assert _difference(saved, parameters, export(saved, parameters)) <= 1


def test_a_graph_names_its_input_and_output_and_takes_any_number_of_rows() -> None:
    saved = saved_model("mlp", hidden=(4,), task="multiclass")
    model = onnx.load_from_string(export(saved, parameters_of(saved)))
    onnx.checker.check_model(model, full_check=True)
    (given,), (answer,) = model.graph.input, model.graph.output
    assert (given.name, answer.name) == ("inputs", "outputs")
    shapes = [
        [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim] for value in (given, answer)
    ]
    assert shapes == [["rows", 9], ["rows", 3]]


def test_a_graph_that_answers_otherwise_is_refused() -> None:
    saved = saved_model()
    graph = export(saved, parameters_of(saved))
    with pytest.raises(ConfigurationError, match="is off by .* where 1e-06 is allowed beside torch; it is not served"):
        onnx_export.check_parity(saved, answering(saved, parameters_of(saved, seed=1)), graph, seed=0)


def test_a_model_that_is_not_whole_is_not_exported() -> None:
    saved = saved_model("mlp", hidden=(3,), absent=("2.bias",))
    with pytest.raises(ConfigurationError, match="not whole"):
        export(saved, parameters_of(saved))


class _Own(nn.Module):
    """A network of one's own; `loops` over values, which no graph can."""

    def __init__(self, inputs: int, outputs: int, loops: bool) -> None:
        super().__init__()
        self.layer, self.loops = nn.Linear(inputs, outputs), loops

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """(N, inputs) to (N, outputs)."""
        logits = self.layer(X)
        if self.loops and float(logits.sum()) > 0.0:
            return torch.as_tensor(logits * 2.0)
        return torch.as_tensor(torch.nn.functional.layer_norm(logits, logits.shape[1:]) + logits)


@pytest.fixture
def own_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_network, "_registered", {})
    own_network.register("plain", lambda inputs, outputs: _Own(inputs, outputs, False))
    own_network.register("branches", lambda inputs, outputs: _Own(inputs, outputs, True))


@pytest.mark.usefixtures("own_networks")
def test_a_network_of_ones_own_is_exported_or_says_why_not() -> None:
    parameters = {"layer.weight": np.ones((1, 9), np.float32), "layer.bias": np.zeros(1, np.float32)}
    saved = saved_model("plain")
    assert _difference(saved, parameters, export(saved, parameters)) <= 1
    with pytest.raises(ConfigurationError, match="network 'branches' cannot be exported to ONNX: .* and not served"):
        export(saved_model("branches"), parameters)
