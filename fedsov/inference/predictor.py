"""A registered model that answers: columns or numbers to inputs, inputs to probabilities or numbers in their own unit.

A `Predictor` is read from a folder with ``model.json`` (what the model is: `fedsov.model.packaging.saved`) and
``model.onnx`` (`fedsov.model.packaging.onnx_export`), which an approval writes. It runs ONNX Runtime with one thread
that never spins, needs no torch, holds nothing of a question when it has answered, and may be shared by any number of
threads.

    predictor = Predictor.load(folder)
    predictor.run(predictor.encode({"years": [3.0], "remote": ["yes"]}))     # [[0.71]]
    predictor.run(predictor.encode_numbers(rows))                            # (N, k) float64, in the order of .columns
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from fedsov.errors import ConfigurationError, InputError
from fedsov.label import Label
from fedsov.model.packaging.encoder import Encoder, InputColumn, Unseen
from fedsov.model.packaging.signature import DESCRIPTION, GRAPH, INPUTS, OUTPUTS, Signature
from fedsov.storage.bounded_files import parsed_json


class Predictor:
    """One version of a model, ready to answer.

    Attributes:
        name, version: of the registered model.
        label: what binds it, and with the rows' own label whatever it answers.
        columns: what it reads, those of numbers first, each with its levels.
        words: the name of each output (`fedsov.model.packaging.signature.Signature.words`).
        meaning: what the outputs are.
        n_inputs: D, the number of inputs.
        features: how columns become inputs; what `encode` does, to the bit.
    """

    def __init__(self, description: Mapping[str, Any], graph: bytes, *, unseen: Unseen = "refuse") -> None:
        signature = Signature.of(description)
        self.name, self.version = str(description["name"]), description.get("version")
        self.label = Label.from_json(description["label"])
        self.words, self.meaning = signature.words, signature.meaning
        self.features = signature.features
        self._encoder = Encoder(signature.features, unseen=unseen)
        self.columns: tuple[InputColumn, ...] = self._encoder.columns
        self.n_inputs = self._encoder.inputs
        self.encode, self.encode_rows = self._encoder.encode, self._encoder.encode_rows
        self.encode_numbers, self.encode_finite = self._encoder.encode_numbers, self._encoder.encode_finite
        self.extra = self._encoder.extra
        self._session = _session(graph)

    @staticmethod
    def load(folder: Path, *, unseen: Unseen = "refuse") -> Predictor:
        """The model in a folder; `unseen` says what becomes of a level that it does not know.

        Raises:
            InputError: a file is absent, or holds no model.
        """
        try:
            description = parsed_json((folder / DESCRIPTION).read_bytes())
            return Predictor(description, (folder / GRAPH).read_bytes(), unseen=unseen)
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read: {error.strerror}; approve the model again") from error
        except (LookupError, TypeError, ValueError, ConfigurationError) as error:
            raise InputError(f"{folder} holds no model that can be read; approve the model again") from error

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """(N, outputs) float32 probabilities, or numbers in the target's own unit, of (N, D) float32 inputs."""
        answers: np.ndarray = self._session.run((OUTPUTS,), {INPUTS: inputs})[0]
        return answers


def _session(graph: bytes) -> ort.InferenceSession:
    """One thread, which sleeps while it waits: on two cores a second one only spins against the server's.

    Raises ValueError for what is no graph.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # boundary: ONNX Runtime raises errors of its own, which have no kind in common
        raise ValueError(f"no graph that ONNX Runtime reads: {error}") from error
