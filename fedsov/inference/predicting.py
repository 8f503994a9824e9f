"""The parts of a prediction: a request that was admitted, its inputs, and the answer that client and log get."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from fedsov.inference.bodies.body_reader import FLOAT32, JSON
from fedsov.inference.bodies.body_refusals import BodyRefused
from fedsov.inference.bodies.open_inference import Infer, infer_answer, read_infer
from fedsov.inference.receiving import RequestRefused
from fedsov.inference.request_log.lines import Line
from fedsov.inference.served import NotFinite, Served, float32_answer
from fedsov.inference.state import EndpointState, PredictPath
from fedsov.inference.tokens.token_check import Claims

_LOG = logging.getLogger(__name__)


class AdmittedRequest(NamedTuple):
    """A request that was admitted, before its body is read."""

    asked: PredictPath
    state: EndpointState
    request_id: str
    began: float
    now: float
    claims: Claims
    media_type: str
    encoding: str


class Prediction(NamedTuple):
    """A prediction that was computed and did not leave yet."""

    line: Line
    served: Served
    request: Infer
    outputs: np.ndarray

    def whole_answer(self) -> bytes:
        """Head and body of the answer, as HTTP/1.1 writes them."""
        line, served = self.line, self.served
        first = served.float32_head if line.answer_type == FLOAT32 else served.json_head
        return b"%s%d\r\nx-request-id: %s\r\n\r\n%s" % (first, len(line.answer), line.request_id.encode(), line.answer)


def inputs_of(asked: PredictPath, served: Served, body: bytes, media_type: str) -> Infer:
    """The inputs of a body for a version. Raises BodyRefused."""
    if not asked.is_open:
        return Infer(served.reader.inputs(body, media_type))
    if media_type != JSON:
        raise BodyRefused(415, f"the Open Inference Protocol is read as {JSON}, without its binary extension")
    return read_infer(body, served)


def answer_of(
    asked: PredictPath, served: Served, outputs: np.ndarray, request: Infer, media_type: str, request_id: str
) -> tuple[bytes, str]:
    """The body of an answer, and its media type. Raises RequestRefused for what is no number."""
    try:
        if asked.is_open:
            return infer_answer(served, outputs, request, request_id), JSON
        if media_type == FLOAT32:
            return float32_answer(outputs), FLOAT32
        return served.json_answer(outputs, request_id.encode()), JSON
    except NotFinite:
        _LOG.error("request %s: %s %s answered with what is no number", request_id, served.model, served.version)
        raise RequestRefused(500, f"{served.model} {served.version} answered with what is no number") from None


def elsewhere(jurisdiction: str, state: EndpointState, *, closes: bool) -> RequestRefused:
    """The refusal of a request of another jurisdiction: which region answers it, or that none may."""
    region = state.elsewhere.get(jurisdiction)
    if region is None:
        return RequestRefused(
            451, f"no region that is known here may answer a request of {jurisdiction}", closes=closes
        )
    why = f"requests of {jurisdiction} are answered by region {region}; ask there"
    return RequestRefused(421, why, closes=closes, more={"region": region})
