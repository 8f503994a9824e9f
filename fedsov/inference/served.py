"""A version that was loaded, ready to answer, and how its answers are written.

    served = Served.of(predictor, "champion", positional=names, known=names, most_rows=10_000)
    outputs = served.predictor.run(served.reader.inputs(body, media_type))
    answer = served.json_answer(outputs, request_id)

| body | answer |
|---|---|
| JSON, Arrow | ``{"predictions": [...], "outputs": [...], "model": "m", "version": 1, "request_id": "..."}`` |
| float32 | the outputs as little-endian float32, row after row |

``predictions`` is a list of numbers where the model has one output, else a list of lists; ``outputs`` names them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from fedsov.inference.bodies.body_reader import FLOAT32, JSON, BodyReader
from fedsov.inference.predictor import Predictor
from fedsov.inference.use.drift import Reference


class NotFinite(ArithmeticError):
    """A model answered with what is no number."""


@dataclass(frozen=True, slots=True)
class Served:
    """One version of a model.

    Attributes:
        role: champion, canary or shadow.
        reference: what its inputs and scores were like in training; None where that is not known.
        categories: kinds of data that bind what it reads, for the label of a line of the log.
        headers: of its answers; `json_head` and `float32_head` are those of a whole HTTP/1.1 answer, up to the length.
        digest: of the files that it was loaded from, so that an unchanged one is not loaded again.
        parameters: SHA-256 of its parameters as they were approved.
    """

    model: str
    version: int
    role: str
    predictor: Predictor
    reader: BodyReader
    reference: Reference | None = None
    categories: tuple[str, ...] = ()
    tail: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    digest: str = ""
    json_head: bytes = b""
    float32_head: bytes = b""
    parameters: str = ""

    @staticmethod
    def of(
        predictor: Predictor,
        named: tuple[str, int],
        role: str,
        *,
        positional: Sequence[str],
        known: Collection[str],
        most_rows: int,
        reference: Reference | None = None,
        digest: str = "",
    ) -> Served:
        """A version of a predictor.

        Args:
            named: the model and the version, as they were approved.
            positional, known, most_rows: as of `BodyReader`.
        """
        model, version = named
        parts = (("outputs", list(predictor.words)), ("model", model), ("version", version))
        words = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in parts)
        return Served(
            model,
            version,
            role,
            predictor,
            BodyReader(predictor, positional=positional, known=known, most_rows=most_rows),
            reference,
            tuple(sorted(predictor.label.categories)),
            f',{words},"request_id":"'.encode(),
            ((b"x-model-version", str(version).encode()),),
            digest,
            _head(JSON, version),
            _head(FLOAT32, version),
        )

    def json_answer(self, outputs: np.ndarray, request_id: bytes) -> bytes:
        """(N, C) outputs as JSON. Raises NotFinite."""
        return b"".join((b'{"predictions":', numbers_json(flat(outputs)), self.tail, request_id, b'"}'))


def _head(media_type: str, version: int) -> bytes:
    lines = ("HTTP/1.1 200 OK", f"content-type: {media_type}", f"x-model-version: {version}", "content-length: ")
    return "\r\n".join(lines).encode()


def flat(outputs: np.ndarray) -> np.ndarray:
    """(N,) numbers where there is one output, else the (N, C) outputs."""
    return outputs.reshape(-1) if outputs.shape[1] == 1 else outputs


def numbers_json(outputs: np.ndarray) -> bytes:
    """Float32 numbers as JSON, each in the fewest digits that give it back. Raises NotFinite for NaN or infinity."""
    text = orjson.dumps(outputs, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:
        raise NotFinite
    return text


def float32_answer(outputs: np.ndarray) -> bytes:
    """(N, C) outputs as bytes. Raises NotFinite."""
    if not np.isfinite(outputs).all():
        raise NotFinite
    return outputs.astype("<f4", copy=False).tobytes()
