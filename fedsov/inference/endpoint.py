"""A region's endpoint: one ASGI application, which asks whose law protects a person before it reads what is sent.

    endpoint = Endpoint(state, check=token_check, log=request_log, usage=Usage(), zone=ZonePages(...))
    await endpoint(scope, receive, send)
    endpoint.state = newer                     # at a change of models or settings; requests in flight keep the old one

| step | refused with |
|---|---|
| the path is one of those served, to the letter: no `%`, no `//` | 404, 405 |
| one token, believed (`fedsov.inference.tokens`) | 401, 403 |
| its jurisdiction is served here | 421 with the region that serves it, 451 where none may |
| the rates of requests | 429 |
| the body's head: one length or chunks, a size, an encoding | 400, 413, 415, 429 |
| *now the body is read* | 408, 413 |
| its rows become the inputs of the version that the request's id chooses | 400, 413, 415, 422 with the column |
| the line is in the log, on the disk where the settings say so | 503 |
| the answer leaves; shadows see the request afterwards | |

Every answer has the request's id, in a header and in its body; every prediction the model's version. No value of a row
is in a message, a log line or a metric. A body of a request that is refused before it is read is dropped unseen.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import NamedTuple, Protocol

import numpy as np

from fedsov.errors import LogFull
from fedsov.inference.bodies import FLOAT32, JSON, BodyRefused, plain_body
from fedsov.inference.limits import Rate, RequestLimits
from fedsov.inference.open_inference import Infer, infer_answer, read_infer
from fedsov.inference.pages import Page, pages, path_word
from fedsov.inference.receiving import (
    Receive,
    Receiver,
    Refused,
    Scope,
    Send,
    may_be_endless,
    send_refusal,
    types_of,
)
from fedsov.inference.request_log.lines import Line
from fedsov.inference.served import NotFinite, Served, float32_answer
from fedsov.inference.tokens import Claims, TokenRefused
from fedsov.inference.usage import Usage
from fedsov.inference.versions import Versions

_LOG = logging.getLogger(__name__)
_JSON_TYPE, _FLOAT32_TYPE = (b"content-type", JSON.encode()), (b"content-type", FLOAT32.encode())


class TokenChecker(Protocol):
    """What is asked of `fedsov.inference.tokens.TokenCheck`."""

    def check(self, headers: Iterable[tuple[bytes, bytes]], now: float) -> Claims: ...


class LineLog(Protocol):
    """What is asked of `fedsov.inference.request_log.RequestLog`."""

    def put(self, line: Line, done: Callable[[LogFull | None], None] | None = None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """What an endpoint serves at one moment.

    Attributes:
        serves: the jurisdictions whose people's requests are answered here.
        elsewhere: other jurisdictions, and the region that serves each.
        models: by name the versions that were loaded.
        before_answer: whether no answer leaves before its line is on the disk.
        rates: of all requests, and of each subject.
        faults: what is not as it was approved, in sentences; "" where all is.
        valid_until: seconds since 1970 after which nobody is answered, 0 for no end: whom a region may serve is decided
            anew each day.
        paths: every path that is answered, made from `models`.
    """

    region: str
    serves: frozenset[str]
    elsewhere: Mapping[str, str]
    models: Mapping[str, Versions[Served]]
    limits: RequestLimits
    before_answer: bool = False
    rates: tuple[Rate, Rate] = field(default_factory=lambda: (Rate(0.0), Rate(0.0)))
    faults: tuple[str, ...] = ()
    valid_until: float = 0.0
    paths: Mapping[bytes, Page | Asked] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.paths:
            object.__setattr__(self, "paths", {**pages(self.region, self.models), **_asked(self.models)})


class Asked(NamedTuple):
    """What a path asks for: a prediction of a model, of one version or whichever its id chooses."""

    model: str
    versions: Versions[Served]
    version: Served | None = None
    is_open: bool = False
    """Whether it speaks the Open Inference Protocol."""


class ZonePages(Protocol):
    """What is told of the process: readiness at every port, metrics within the zone alone."""

    def ready(self, state: EndpointState) -> tuple[int, str]: ...

    def metrics(self, state: EndpointState) -> str: ...

    def is_zone(self, scope: Scope) -> bool: ...


class Endpoint:
    """The application; `state` and `check` may be replaced between requests."""

    def __init__(
        self,
        state: EndpointState,
        *,
        check: TokenChecker,
        log: LineLog,
        usage: Usage,
        zone: ZonePages,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            clock: seconds since 1970, for tokens and lines; rates and latencies have a clock that does not go back.
        """
        self.state, self.check, self.log, self.usage, self._zone = state, check, log, usage, zone
        self._clock, self._numbers, self._prefix = clock, count(1), os.urandom(8).hex()
        self._receiver = Receiver()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return await _lifespan(scope, receive, send)
        began, state = time.perf_counter(), self.state
        request_id = f"{self._prefix}{next(self._numbers):08x}"
        try:
            asked = state.paths.get(scope["raw_path"])
            if type(asked) is Asked and scope["method"] == "POST":
                await self._predict(asked, state, scope, request_id, receive, send, began)
                return None
            await self._page(asked, state, scope, request_id, send)
            return None
        except TokenRefused as refused:
            refusal = Refused(refused.status, refused.why, closes=may_be_endless(scope, state.limits.body))
        except Refused as refused:
            refusal = refused
        except BodyRefused as unread:
            refusal = Refused(unread.status, unread.why, more={"column": unread.column} if unread.column else {})
        except Exception as error:  # boundary: one request's fault is answered, and its text may quote a row
            _LOG.error("request %s was not answered: %s", request_id, _place(error))
            refusal = Refused(500, "the endpoint failed; its log says where, by this request's id")
        self.usage.refused(refusal.status)
        return await send_refusal(send, refusal, request_id)

    async def _predict(
        self,
        asked: Asked,
        state: EndpointState,
        scope: Scope,
        request_id: str,
        receive: Receive,
        send: Send,
        began: float,
    ) -> None:
        """From a request to its answer; nothing of its body is seen before its jurisdiction is known to be served."""
        now, headers = self._clock(), scope["headers"]
        claims = self.check.check(headers, now)
        self._admit(claims, state, scope, now, began)
        media_type, encoding = types_of(headers)
        body = await self._receiver.body(scope, receive, state.limits)
        if encoding:
            body = plain_body(body, encoding, state.limits.body)
        identity = request_id.encode()
        served, request = self._read(asked, body, media_type, identity)
        outputs = served.predictor.run(request.inputs)
        answer, answer_type = _answered(asked, served, outputs, request, media_type, request_id)
        line = Line(
            request_id,
            now,
            claims.jurisdiction,
            served.categories,
            served.model,
            served.version,
            served.role,
            media_type,
            answer_type[1].decode(),
            claims.subject or "",
            body,
            answer,
        )
        await self._log(line, state)
        length = (b"content-length", b"%d" % len(answer))
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [answer_type, length, (b"x-request-id", identity), *served.headers],
            }
        )
        await send({"type": "http.response.body", "body": answer})
        seconds = time.perf_counter() - began
        rows = len(outputs)
        self.usage.answered(served.model, served.version, served.role, rows=rows, seconds=seconds)
        if served.reference is not None:
            self.usage.observed((served.model, served.version), request.inputs, outputs, now)
        if asked.versions.shadows and asked.version is None:
            self._shadow(asked, line)

    def _admit(self, claims: Claims, state: EndpointState, scope: Scope, now: float, began: float) -> None:
        """Refuses a request of another region, one that comes too late for a decision, and one above a rate."""
        if claims.jurisdiction not in state.serves:
            raise _elsewhere(claims.jurisdiction, state, closes=may_be_endless(scope, state.limits.body))
        if 0.0 < state.valid_until < now:
            raise Refused(503, f"{nobody_decided(state)}; ask again later", closes=True)
        total, each = state.rates
        if not total.admits("", began):
            raise Refused(429, "the endpoint is asked more often than serving.limits.per_second; ask again later")
        if not each.admits((claims.issuer, claims.subject), began):
            raise Refused(429, "this subject asks more often than serving.limits.per_subject; ask again later")

    def _read(self, asked: Asked, body: bytes, media_type: str, identity: bytes) -> tuple[Served, Infer]:
        """The version that answers, and its inputs. What a canary cannot read goes to the champion, and is counted."""
        champion = asked.versions.champion
        served = asked.version or asked.versions.answering(identity)
        if served is None:
            raise Refused(503, f"no version of {asked.model} answers here for this request: it has no champion")
        try:
            return served, _inputs(asked, served, body, media_type)
        except BodyRefused:
            if asked.version is not None or served is champion or champion is None:
                raise
        request = _inputs(asked, champion, body, media_type)
        self.usage.noted("canary could not read")
        return champion, request

    async def _log(self, line: Line, state: EndpointState) -> None:
        """The line is in the log, and on the disk where the settings say so. Raises Refused."""
        try:
            if not state.before_answer:
                self.log.put(line)
                return
            written: asyncio.Future[LogFull | None] = asyncio.get_running_loop().create_future()

            def done(fault: LogFull | None) -> None:
                if not written.done():
                    written.set_result(fault)

            self.log.put(line, done)
            async with asyncio.timeout(state.limits.seconds):
                if fault := await written:
                    raise fault
        except (LogFull, TimeoutError) as error:
            self.usage.noted("log not written")
            if not isinstance(error, LogFull):
                _LOG.error("request %s: its line was not on the disk after %g s", line.request_id, state.limits.seconds)
            raise Refused(
                503, "the log of requests cannot be written, and nothing is answered unlogged; ask again later"
            ) from None

    def _shadow(self, asked: Asked, line: Line) -> None:
        """What shadows answer to the same request, into the log and to nobody."""
        for shadow in asked.versions.watching(line.request_id.encode()):
            try:
                began = time.perf_counter()
                request = _inputs(asked, shadow, line.body, line.media_type)
                outputs = shadow.predictor.run(request.inputs)
                answer, answer_type = _answered(asked, shadow, outputs, request, line.media_type, line.request_id)
                self.log.put(line._replace(
                    model=shadow.model, version=shadow.version, role=shadow.role, answer_type=answer_type[1].decode(),
                    categories=shadow.categories, answer=answer))  # fmt: skip
                seconds = time.perf_counter() - began
                self.usage.answered(shadow.model, shadow.version, shadow.role, rows=len(outputs), seconds=seconds)
                if shadow.reference is not None:
                    self.usage.observed((shadow.model, shadow.version), request.inputs, outputs, line.at)
            except Exception as error:  # boundary: the answer has left, and a shadow's fault is counted and logged
                self.usage.noted("shadow failed")
                _LOG.warning(
                    "shadow %s %s of request %s: %s", shadow.model, shadow.version, line.request_id, _place(error)
                )

    async def _page(
        self, asked: Page | Asked | None, state: EndpointState, scope: Scope, request_id: str, send: Send
    ) -> None:
        """Everything but a prediction."""
        method, closes = scope["method"], may_be_endless(scope, state.limits.body)
        page = self._own_page(scope, state) if asked is None else asked
        if page is None:
            why = "nothing is here: POST /v1/models/NAME/predict predicts, /openapi.json tells more"
            raise Refused(404, why, closes=closes)
        if isinstance(page, Asked) or method not in ("GET", "HEAD"):
            allowed = "POST" if isinstance(page, Asked) else "GET, HEAD"
            raise Refused(405, f"this path takes {allowed}", closes=closes)
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


def nobody_decided(state: EndpointState) -> str:
    """Why a state is too old to answer."""
    day = datetime.fromtimestamp(state.valid_until, UTC)
    return f"nobody decided whom {state.region} may serve since {day:%Y-%m-%d %H:%M} UTC"


def _inputs(asked: Asked, served: Served, body: bytes, media_type: str) -> Infer:
    if not asked.is_open:
        return Infer(served.reader.inputs(body, media_type))
    if media_type != JSON:
        raise BodyRefused(415, f"the Open Inference Protocol is read as {JSON}, without its binary extension")
    return read_infer(body, served)


def _answered(
    asked: Asked, served: Served, outputs: np.ndarray, request: Infer, media_type: str, request_id: str
) -> tuple[bytes, tuple[bytes, bytes]]:
    """The body of an answer, and its type."""
    try:
        if asked.is_open:
            return infer_answer(served, outputs, request, request_id), _JSON_TYPE
        if media_type == FLOAT32:
            return float32_answer(outputs), _FLOAT32_TYPE
        return served.json_answer(outputs, request_id.encode()), _JSON_TYPE
    except NotFinite:
        _LOG.error("request %s: %s %s answered with what is no number", request_id, served.model, served.version)
        raise Refused(500, f"{served.model} {served.version} answered with what is no number") from None


def _elsewhere(jurisdiction: str, state: EndpointState, *, closes: bool) -> Refused:
    region = state.elsewhere.get(jurisdiction)
    if region is not None:
        return Refused(421, f"requests of {jurisdiction} are answered by region {region}; ask there",
                       closes=closes, more={"region": region})  # fmt: skip
    return Refused(451, f"no region that is known here may answer a request of {jurisdiction}", closes=closes)


async def _lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """The server's own questions; a websocket is closed."""
    while scope["type"] == "lifespan":
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


def _place(error: BaseException) -> str:
    """An error by its type and place in the code: its text may quote a row."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    at = f" at {os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}" if last else ""
    return f"{type(error).__name__}{at}"


def _asked(models: Mapping[str, Versions[Served]]) -> dict[bytes, Asked]:
    """The paths of predictions."""
    paths: dict[bytes, Asked] = {}
    for model, versions in models.items():
        name = path_word(model)
        paths[f"/v1/models/{name}/predict".encode()] = Asked(model, versions)
        paths[f"/v2/models/{name}/infer".encode()] = Asked(model, versions, is_open=True)
        for served in versions.all:
            if served.role != "shadow":
                path = f"/v2/models/{name}/versions/{served.version}/infer".encode()
                paths[path] = Asked(model, versions, served, is_open=True)
    return paths
