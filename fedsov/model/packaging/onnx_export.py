"""A model as an ONNX graph, which a serving process runs without torch; held to torch's answers before it is given out.

The graph takes encoded inputs, ``inputs`` (N, D) float32 for any N, and gives ``outputs`` (N, outputs): probabilities,
or numbers in the target's own unit. `export` runs it beside the torch module on rows of every kind that an encoder can
make, the extreme ones included, and refuses it where they differ by more than `CLOSE`, beside what torch's own float32
differs from float64: sums of the same large numbers in another order end apart by so much.

Stacks of layers are written by `fedsov.model.packaging.onnx_layers`; any other network by torch's exporter, which takes
seconds.

    graph = export(saved, parameters)
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsov.errors import ConfigurationError
from fedsov.model.features import CLIP
from fedsov.model.network import Parameters, is_layered, is_shipped
from fedsov.model.packaging.loaded import answering
from fedsov.model.packaging.onnx_layers import layered_graph
from fedsov.model.packaging.saved import SavedModel
from fedsov.model.packaging.signature import INPUTS, OUTPUTS

if TYPE_CHECKING:
    from torch import nn

CLOSE = 1e-6
"""How far the graph's answers may be from torch's: probabilities by so much, a number by so much of its size or of the
target's scale."""
_ROUNDING = 4.0
"""How many times torch's own rounding is allowed beside `CLOSE`."""
_TRIED = (1, 2, 257)
"""Numbers of rows that the graph is tried with."""
MODULE_OF_ONES_OWN = (
    "write it of layers and functions of torch that the exporter knows (https://pytorch.org/docs/stable/onnx.html), "
    "with X.shape[0] for the number of rows and no Python branch on values; until then it can be loaded by "
    "fedsov.load and mlflow, and not served"
)


def export(saved: SavedModel, parameters: Parameters, *, seed: int = 0) -> bytes:
    """The graph of a whole model.

    Args:
        seed: of the rows that it is tried with.

    Raises:
        ConfigurationError: private parameters stay in the regions, the network cannot be exported, or the graph
            answers otherwise than torch does.
    """
    saved.check_whole()
    module = answering(saved, parameters)
    graph = _graph(saved, module, parameters)
    check_parity(saved, module, graph, seed=seed)
    return graph


def check_parity(saved: SavedModel, module: nn.Module, graph: bytes, *, seed: int) -> None:
    """Runs graph and module beside each other. Raises ConfigurationError where their answers differ."""
    run = _runner(graph)
    for rows in _TRIED:
        inputs = tried_inputs(saved, rows, seed)
        expected, rounding = _answers(module, inputs)
        answers = run(inputs)
        if answers.shape != expected.shape or not np.isfinite(answers).all():
            raise _unlike(saved, f"answers {rows} rows with shape {answers.shape}, or with no numbers")
        size = np.maximum(max([1.0, *map(abs, saved.target.scale)]), np.abs(expected))
        far = float((np.abs(answers - expected) / size).max(initial=0.0))
        if far > CLOSE + _ROUNDING * float((rounding / size).max(initial=0.0)):
            raise _unlike(saved, f"is off by {far:.1e} where {CLOSE:.0e} is allowed")


def _answers(module: nn.Module, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, outputs) float32 answers of torch, and how far each is from float64's; 0 for a module of float32 alone."""
    import torch

    rows = torch.from_numpy(inputs)
    with torch.inference_mode():
        answers = np.asarray(module(rows).numpy())
        try:
            exact = np.asarray(copy.deepcopy(module).double()(rows.double()).numpy(), np.float64)
        except Exception:  # boundary: a module of one's own may know float32 alone
            return answers, np.zeros(answers.shape)
    return answers, np.abs(answers - exact)


def tried_inputs(saved: SavedModel, rows: int, seed: int) -> np.ndarray:
    """(rows, D) float32 inputs as an encoder makes them: numbers within `CLIP`, the ends among them, one level or none
    of each column; codes where the network has an embedding."""
    features = saved.features
    rng = np.random.default_rng([seed, rows])
    inputs = np.zeros((rows, features.inputs), np.float32)
    numbers = len(features.numeric)
    extreme = rng.choice([-CLIP, 0.0, CLIP], (rows, numbers))
    inputs[:, :numbers] = np.where(rng.random((rows, numbers)) < 0.5, extreme, rng.normal(size=(rows, numbers)))
    start = numbers
    for _, levels in features.levels:
        codes = rng.integers(-1, len(levels), rows)
        inputs[:, start : start + len(levels)] = codes[:, None] == np.arange(len(levels))
        start += len(levels)
    inputs[:, start:] = rng.random((rows, features.inputs - start)) < 0.5
    for each in saved.network.embeddings:
        inputs[:, each.column] = rng.integers(0, each.levels, rows)
    return inputs


def _runner(graph: bytes) -> Any:
    """(N, D) float32 to (N, outputs), by ONNX Runtime with one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run([OUTPUTS], {INPUTS: inputs})[0]


def _graph(saved: SavedModel, module: nn.Module, parameters: Parameters) -> bytes:
    """The graph's bytes. Raises ConfigurationError."""
    if not is_layered(saved.network):
        return _traced(saved, module)
    model = layered_graph(saved.network, parameters, saved.features.inputs, saved.target, names=(INPUTS, OUTPUTS))
    return bytes(model.SerializeToString(deterministic=True))


def _traced(saved: SavedModel, module: nn.Module) -> bytes:
    """The module as torch's exporter writes it, without its notes of files and lines. Raises ConfigurationError."""
    import torch

    example = torch.from_numpy(tried_inputs(saved, 2, 0))
    any_number = torch.export.Dim("rows", min=1, max=2**31 - 1)
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: any_number},),
                input_names=[INPUTS],
                output_names=[OUTPUTS],
                verbose=False,
            )
        if program is None:
            raise TypeError("torch gave no program back")
        return _without_notes(program.model_proto)
    except Exception as error:  # boundary: torch's exporter raises what it likes, and a module may be somebody's own
        what = "" if is_shipped(saved.network.name) else f"; {MODULE_OF_ONES_OWN}"
        raise ConfigurationError(
            f"network {saved.network.name!r} cannot be exported to ONNX: {_first_line(error)}{what}"
        ) from error


def _without_notes(model: Any) -> bytes:
    """The graph's bytes without what the exporter notes of this machine's files, and under fedsov's name."""
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for several in (model.graph.value_info, model.graph.initializer):
        for part in several:
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
    del model.functions[:]
    model.producer_name, model.producer_version = "fedsov", ""
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings of packages that a model here never needs."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _unlike(saved: SavedModel, how: str) -> ConfigurationError:
    return ConfigurationError(
        f"the ONNX graph of {saved.name} ({saved.network.name}) {how} beside torch; it is not served. Tell the "
        "developers of fedsov, or of the network"
    )


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
