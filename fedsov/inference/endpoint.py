"""A region's endpoint: one ASGI application, which asks whose law protects a person before it reads what is sent.

    endpoint = Endpoint(state, keys=issuer_keys, log=request_log, usage=Usage(), zone=pages_of_the_process)
    await endpoint(scope, receive, send)
    endpoint.state = newer                     # at a change of models or settings; requests in flight keep the old one

| step | refused with |
|---|---|
| the path is one of those served, to the letter: no `%`, no `//` | 404, 405 |
| one token, believed (`fedsov.inference.tokens.token_check`) | 401, 403 |
| its jurisdiction is served here | 421 with the region that serves it, 451 where none may |
| the rates of requests, and the day of the last decision | 429, 503 |
| the body's head: one length or chunks, a size, an encoding | 400, 413, 415, 429 |
| *now the body is read* | 408, 413 |
| its rows become the inputs of the version that the request's id chooses | 400, 413, 415, 422 with the column |
| the line is in the log, on the disk where the settings say so | 503 |
| the answer leaves; shadows see the request afterwards | |

Every answer has the request's id, in a header and in its body; every prediction the model's version. No value of a row
is in a message, a log line or a metric. A body of a request that is refused before it is read is dropped unseen.

A server that has a whole request at hand may ask `at_once`, which takes the same steps in the same order without
ASGI's messages: half of what a prediction costs is the way to it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Protocol

import numpy as np

from fedsov.errors import LogFull
from fedsov.inference.bodies.body_reader import plain_body
from fedsov.inference.bodies.body_refusals import BodyRefused
from fedsov.inference.bodies.open_inference import Infer
from fedsov.inference.pages import Page
from fedsov.inference.predicting import AdmittedRequest, Prediction, answer_of, elsewhere, inputs_of
from fedsov.inference.receiving import (
    Headers,
    Receive,
    Receiver,
    RequestRefused,
    Scope,
    Send,
    WrittenLine,
    length_of,
    lifespan,
    may_be_endless,
    response,
    send_refusal,
    types_of,
)
from fedsov.inference.request_log.lines import Line
from fedsov.inference.served import Served
from fedsov.inference.state import EndpointState, PredictPath
from fedsov.inference.tokens.token_check import KeyUnknown, TokenCheck, TokenRefused
from fedsov.inference.use.cells import ANSWERED, FAILED, REFUSED, UseCells
from fedsov.inference.use.usage import Usage

_LOG = logging.getLogger(__name__)
LATER = b""
"""In the place of an answer that comes later."""
_UNLOGGED = "the log of requests cannot be written, and nothing is answered unlogged; ask again later"


class TokenKeys(Protocol):
    """The check of tokens as it is now, and a way to look for keys that are newer."""

    @property
    def check(self) -> TokenCheck: ...

    async def renew(self, issuer: str) -> None: ...


class LineLog(Protocol):
    """What is asked of `fedsov.inference.request_log.RequestLog`."""

    def put(self, line: Line, done: Callable[[LogFull | None], None] | None = None) -> None: ...


class ZonePages(Protocol):
    """What is told of the process: readiness at every port, metrics within the zone alone."""

    def ready(self, state: EndpointState) -> tuple[int, str]: ...

    def metrics(self, state: EndpointState) -> str: ...

    def is_zone(self, scope: Scope) -> bool: ...


class Endpoint:
    """The application; `state`, `log` and `cells` (who asked for what) may be replaced between requests."""

    def __init__(
        self,
        state: EndpointState,
        *,
        keys: TokenKeys,
        log: LineLog,
        usage: Usage,
        zone: ZonePages,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            clock: seconds since 1970, for tokens and lines; rates and latencies have a clock that does not go back.
        """
        self.state, self._keys, self.log, self.usage, self._zone = state, keys, log, usage, zone
        self._clock, self._numbers, self._prefix = clock, count(1), os.urandom(8).hex()
        self.receiver, self.cells = Receiver(), UseCells(0, lambda begins: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await lifespan(scope, receive, send)
            return
        began, state, request_id = time.perf_counter(), self.state, self._next_id()
        head: AdmittedRequest | None = None
        try:
            asked = state.paths.get(scope["raw_path"])
            if type(asked) is PredictPath and scope["method"] == "POST":
                try:
                    head = self._admitted(asked, state, scope["headers"], request_id, began)
                except KeyUnknown as unknown:
                    await self._keys.renew(unknown.issuer)
                    head = self._admitted(asked, state, scope["headers"], request_id, began)
                body = await self.receiver.body(scope, receive, state.limits)
                prediction = self._predicted(head, body)
                await self._logged(prediction.line, state)
            else:
                await self._page(asked, state, scope, request_id, send)
                return
        except Exception as error:  # boundary: one request's fault is answered, and its text may quote a row
            refusal = self._refusal(error, scope["headers"], state, request_id)
            self._observe_refused(head, refusal)
            await send_refusal(send, refusal, request_id)
            return
        line, served = prediction.line, prediction.served
        headers = [(b"content-type", line.answer_type.encode()), (b"content-length", b"%d" % len(line.answer))]
        headers += [(b"x-request-id", request_id.encode()), *served.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": line.answer})
        self._after(head, prediction)

    def at_once(self, path: bytes, headers: Headers, body: bytes, reply: Callable[[bytes], None]) -> bytes | None:
        """The whole HTTP/1.1 answer to a POST whose body is there; None where `__call__` must answer.

        Args:
            body: not looked at before the request's token and jurisdiction were.
            reply: gets the answer later, where this gives `LATER`: it leaves when its line is on the disk.
        """
        state = self.state
        asked = state.paths.get(path)
        if type(asked) is not PredictPath:
            return None
        began, request_id = time.perf_counter(), self._next_id()
        head: AdmittedRequest | None = None
        try:
            head = self._admitted(asked, state, headers, request_id, began)
            length_of(headers, state.limits)
            prediction = self._predicted(head, body)
            if state.before_answer:
                self._put_within(prediction.line, state, partial(self._answer_later, head, prediction, reply))
                return LATER
            self._put(prediction.line)
        except KeyUnknown:
            return None
        except Exception as error:  # boundary: as in `__call__`
            refusal = self._refusal(error, headers, state, request_id)
            self._observe_refused(head, refusal)
            return response(refusal, request_id)
        self._after(head, prediction)
        return prediction.whole_answer()

    def _next_id(self) -> str:
        return f"{self._prefix}{next(self._numbers):08x}"

    def _admitted(
        self, asked: PredictPath, state: EndpointState, headers: Headers, request_id: str, began: float
    ) -> AdmittedRequest:
        """A request whose token is believed, whose jurisdiction is served here, and that fits the rates."""
        now = self._clock()
        claims = self._keys.check.check(headers, now)
        if claims.jurisdiction not in state.serves:
            raise elsewhere(claims.jurisdiction, state, closes=may_be_endless(headers, state.limits.body))
        if why := state.too_old(now):
            raise RequestRefused(503, f"{why}; ask again later", closes=True)
        if why := state.too_often(claims, began):
            raise RequestRefused(429, why, closes=may_be_endless(headers, state.limits.body))
        return AdmittedRequest(asked, state, request_id, began, now, claims, *types_of(headers))

    def _predicted(self, head: AdmittedRequest, body: bytes) -> Prediction:
        """The prediction for a body, and its line."""
        asked, state, request_id, _, now, claims, media_type, encoding = head
        body = plain_body(body, encoding, state.limits.body)
        served, request = self._read(asked, body, media_type, request_id)
        try:
            outputs = served.predictor.run(request.inputs)
            answer, answer_type = answer_of(asked, served, outputs, request, media_type, request_id)
        except Exception:  # boundary: counted for its version, and answered as every other fault
            self.usage.failed(served.model, served.version, served.role)
            raise
        line = Line(
            request_id,
            now,
            claims.jurisdiction,
            served.categories,
            served.model,
            served.version,
            served.role,
            media_type,
            answer_type,
            claims.subject or "",
            body,
            answer,
        )
        return Prediction(line, served, request, outputs)

    def _read(self, asked: PredictPath, body: bytes, media_type: str, request_id: str) -> tuple[Served, Infer]:
        """The version that answers, and its inputs. What a canary cannot read goes to the champion, and is counted."""
        champion = asked.versions.champion
        served = asked.version or asked.versions.answering(request_id)
        if served is None:
            raise RequestRefused(503, f"no version of {asked.model} answers here for this request: it has no champion")
        try:
            return served, self._inputs(asked, served, body, media_type)
        except BodyRefused:
            if asked.version is not None or served is champion or champion is None:
                raise
        request = self._inputs(asked, champion, body, media_type)
        self.usage.noted("canary could not read")
        return champion, request

    def _inputs(self, asked: PredictPath, served: Served, body: bytes, media_type: str) -> Infer:
        """The inputs of a body; rows that a version does not read are counted for it. Raises BodyRefused."""
        try:
            return inputs_of(asked, served, body, media_type)
        except BodyRefused as refusal:
            if refusal.column:  # another version might read it
                self.usage.unread(served.model, served.version, served.role)
            raise

    def _put(self, line: Line, done: Callable[[LogFull | None], None] | None = None) -> None:
        """Gives a line to the log. Raises RequestRefused."""
        try:
            self.log.put(line, done)
        except LogFull:
            raise self._unlogged() from None

    def _put_within(
        self, line: Line, state: EndpointState, tell: Callable[[LogFull | TimeoutError | None], None]
    ) -> None:
        """Gives a line to the log, and tells once what became of it. Raises RequestRefused, and then tells nothing."""
        written = WrittenLine(self.receiver, tell)
        self._put(line, written.done)
        if written.is_awaited:
            self.receiver.wait_for(written, state.limits.seconds)

    async def _logged(self, line: Line, state: EndpointState) -> None:
        """The line is in the log, and on the disk where the settings say so. Raises RequestRefused."""
        if not state.before_answer:
            self._put(line)
            return
        written: asyncio.Future[LogFull | TimeoutError | None] = asyncio.get_running_loop().create_future()
        self._put_within(line, state, lambda fault: None if written.done() else written.set_result(fault))
        if await written:
            raise self._unlogged()

    def _answer_later(
        self,
        head: AdmittedRequest,
        prediction: Prediction,
        reply: Callable[[bytes], None],
        fault: LogFull | TimeoutError | None,
    ) -> None:
        """Answers at once what waited for its line: with the prediction, or a refusal where the line is not there."""
        if fault is None:
            reply(prediction.whole_answer())
            self._after(head, prediction)
            return
        refusal = self._unlogged()
        self.usage.refused(refusal.status)
        self._observe_refused(head, refusal)
        reply(response(refusal, head.request_id))

    def _unlogged(self) -> RequestRefused:
        """The refusal of a request whose line could not be written, noted."""
        self.usage.noted("log not written")
        return RequestRefused(503, _UNLOGGED)

    def _after(self, head: AdmittedRequest, prediction: Prediction) -> None:
        """What is counted of an answer that has left, and what shadows say to its request."""
        line, served, request, outputs = prediction
        seconds = time.perf_counter() - head.began
        self.cells.observe(served, ANSWERED, head.claims, seconds=seconds, outputs=outputs)
        self._count(served, request, outputs, began=head.began, at=head.now)
        if head.asked.version is None and head.asked.versions.shadows:
            for shadow in head.asked.versions.watching(line.request_id):
                self._shadow(head.asked, shadow, line)

    def _observe_refused(self, head: AdmittedRequest | None, refusal: RequestRefused) -> None:
        """What is counted of a request that was admitted and got no prediction; of others nobody is known."""
        served = None if head is None else head.asked.version or head.asked.versions.answering(head.request_id)
        if head is not None and served is not None:
            outcome = FAILED if refusal.status >= 500 else REFUSED
            self.cells.observe(served, outcome, head.claims, seconds=time.perf_counter() - head.began)

    def _count(self, served: Served, request: Infer, outputs: np.ndarray, *, began: float, at: float) -> None:
        """Counts what a version answered, and its drift."""
        seconds = time.perf_counter() - began
        self.usage.answered(served.model, served.version, served.role, rows=len(outputs), seconds=seconds)
        if served.reference is not None:
            self.usage.observed((served.model, served.version), request.inputs, outputs, at)

    def _shadow(self, asked: PredictPath, shadow: Served, line: Line) -> None:
        """What a shadow answers to the same request, into the log and to nobody."""
        began = time.perf_counter()
        try:
            request = self._inputs(asked, shadow, line.body, line.media_type)
            outputs = shadow.predictor.run(request.inputs)
            answer, answer_type = answer_of(asked, shadow, outputs, request, line.media_type, line.request_id)
            shadowed = line._replace(version=shadow.version, role=shadow.role, categories=shadow.categories)
            self.log.put(shadowed._replace(answer_type=answer_type, answer=answer))
        except Exception as error:  # boundary: the answer has left, and a shadow's fault is counted and logged
            self.usage.noted("shadow failed")
            if not isinstance(error, BodyRefused):
                self.usage.failed(shadow.model, shadow.version, shadow.role)
            where = f"{shadow.model} {shadow.version} as a shadow of request {line.request_id}"
            _LOG.warning("%s: %s", where, _place(error))
            return
        self._count(shadow, request, outputs, began=began, at=line.at)

    def _refusal(self, error: Exception, headers: Headers, state: EndpointState, request_id: str) -> RequestRefused:
        """What is answered in place of a prediction, counted."""
        if isinstance(error, TokenRefused):
            refusal = RequestRefused(error.status, error.why, closes=may_be_endless(headers, state.limits.body))
        elif isinstance(error, BodyRefused):
            refusal = RequestRefused(error.status, error.why, more={"column": error.column} if error.column else {})
        elif isinstance(error, RequestRefused):
            refusal = error
        else:
            _LOG.error("request %s was not answered: %s", request_id, _place(error))
            why = "the endpoint failed; its log says where, by this request's id"
            refusal = RequestRefused(500, why, closes=may_be_endless(headers, state.limits.body))
        self.usage.refused(refusal.status)
        return refusal

    async def _page(
        self, asked: Page | PredictPath | None, state: EndpointState, scope: Scope, request_id: str, send: Send
    ) -> None:
        """Everything but a prediction."""
        method, closes = scope["method"], may_be_endless(scope["headers"], state.limits.body)
        page = self._own_page(scope, state) if asked is None else asked
        if page is None:
            why = "no page or model has this path; /openapi.json lists the models that this endpoint serves"
            raise RequestRefused(404, why, closes=closes)
        if isinstance(page, PredictPath) or method not in ("GET", "HEAD"):
            allowed = "POST" if isinstance(page, PredictPath) else "GET, HEAD"
            raise RequestRefused(405, f"this path takes {allowed}", closes=closes)
        headers = [(b"content-type", page.media_type), (b"content-length", b"%d" % len(page.content))]
        headers.append((b"x-request-id", request_id.encode()))
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else page.content})

    def _own_page(self, scope: Scope, state: EndpointState) -> Page | None:
        """What is told of this process; metrics within the zone alone."""
        path, text = scope["raw_path"], b"text/plain; charset=utf-8"
        if path == b"/metrics" and self._zone.is_zone(scope):
            return Page(self._zone.metrics(state).encode(), b"text/plain; version=0.0.4; charset=utf-8")
        if path in (b"/readyz", b"/v2/health/ready"):
            status, words = self._zone.ready(state)
            return Page(words.encode(), text, status)
        return None


def _place(error: BaseException) -> str:
    """An error by its type and place in the code: its text may quote a row."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    at = f" at {os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}" if last else ""
    return f"{type(error).__name__}{at}"
