"""How a request's head is read and its body received, within the limits; and how one is refused.

A length and chunks together, two lengths or two types are refused (request smuggling, RFC 9112 section 6.3), although
the HTTP parser refuses most of them before. A body that is refused before it is read is not received: where it could
go on without end, the connection is closed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

from fedsov.errors import LogFull
from fedsov.inference.bodies.body_reader import JSON
from fedsov.inference.limits import RequestLimits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]
RETRY_AFTER = 1
"""Seconds after which a client may ask again that was refused for a rate, or for a log that cannot be written."""
LOOK = 0.1
"""Seconds between two looks at what waits too long."""
BUSY = "too many bytes are being received; send again later"

REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""The phrase of each status in an answer's first line."""


class RequestRefused(Exception):
    """An answer that is no prediction: its status, why, further parts of its body, and whether the connection ends."""

    def __init__(self, status: int, why: str, *, closes: bool = False, more: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.closes, self.more = status, why, closes, more or {}


class Cancellable(Protocol):
    """A task, or another thing that can be told that it takes too long."""

    def cancel(self) -> object: ...


class Receiver:
    """Receives bodies, counts the bytes of all that are under way, and ends what waits too long.

    One timer looks at everything that waits: a timer for each request costs more than reading its body.
    """

    def __init__(self) -> None:
        self._receiving = 0
        self._waiting: dict[Cancellable, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def body(self, scope: Scope, receive: Receive, limits: RequestLimits) -> bytes:
        """A request's body. Raises RequestRefused."""
        announced = length_of(scope["headers"], limits)
        if self._receiving + announced > limits.waiting:
            raise RequestRefused(429, BUSY, closes=True)
        counted = [announced]
        self._receiving += announced
        receiving = asyncio.current_task()
        if receiving is None:
            raise RuntimeError("a body is received within a task")
        deadline = self.wait_for(receiving, limits.seconds)
        try:
            return await self._received(receive, limits, counted)
        except asyncio.CancelledError:
            if time.monotonic() < deadline:
                raise
            receiving.uncancel()
            raise RequestRefused(408, f"the body did not come within {limits.seconds:g} s", closes=True) from None
        finally:
            self.came(receiving)
            self._receiving -= counted[0]

    async def _received(self, receive: Receive, limits: RequestLimits, counted: list[int]) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestRefused(400, "the body ended early", closes=True)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limits.body:
                raise too_large(limits)
            if size > counted[0]:
                self._receiving += size - counted[0]
                counted[0] = size
                if self._receiving > limits.waiting:
                    raise RequestRefused(429, BUSY, closes=True)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def wait_for(self, what: Cancellable, seconds: float) -> float:
        """Has this cancelled after these seconds; gives the moment."""
        deadline = self._waiting[what] = time.monotonic() + seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK, self._look)
        return deadline

    def came(self, what: Cancellable) -> None:
        """What was waited for is there, or is given up."""
        self._waiting.pop(what, None)

    def _look(self) -> None:
        """Cancels what waits too long; looks again while anything waits."""
        now = time.monotonic()
        for what in [what for what, deadline in self._waiting.items() if now >= deadline]:
            what.cancel()
        self._timer = asyncio.get_running_loop().call_later(LOOK, self._look) if self._waiting else None


class WrittenLine:
    """Tells once whether a line is on the disk: what the log says of it, or a TimeoutError where it takes too long."""

    __slots__ = ("_receiver", "_tell")

    def __init__(self, receiver: Receiver, tell: Callable[[LogFull | TimeoutError | None], None]) -> None:
        self._receiver = receiver
        self._tell: Callable[[LogFull | TimeoutError | None], None] | None = tell

    @property
    def is_awaited(self) -> bool:
        """Whether it is not told yet."""
        return self._tell is not None

    def done(self, fault: LogFull | TimeoutError | None) -> None:
        """What the log says."""
        tell, self._tell = self._tell, None
        if tell is not None:
            self._receiver.came(self)
            tell(fault)

    def cancel(self) -> None:
        """It took too long."""
        self.done(TimeoutError())


def types_of(headers: Headers) -> tuple[str, str]:
    """The body's media type and encoding, "" where none is said. Raises RequestRefused for what stands twice."""
    media_type, encoding = None, None
    for name, value in headers:
        if name == b"content-type":
            if media_type is not None:
                raise RequestRefused(400, "content-type stands twice", closes=True)
            media_type = JSON if value == b"application/json" else _media_type(value)
        elif name == b"content-encoding":
            if encoding is not None:
                raise RequestRefused(400, "content-encoding stands twice", closes=True)
            encoding = value.decode("latin-1").strip().lower()
        elif name == b"inference-header-content-length":
            why = "the binary extension of the Open Inference Protocol is not read; send JSON"
            raise RequestRefused(415, why, closes=True)
    return media_type or "", encoding or ""


def _media_type(value: bytes) -> str:
    kind, _, parameters = value.decode("latin-1").partition(";")
    name, _, charset = parameters.strip().lower().partition("=")
    if name == "charset" and charset.strip('"') not in ("utf-8", "utf8"):
        raise RequestRefused(415, "send JSON as UTF-8", closes=True)
    return kind.strip().lower()


def length_of(headers: Headers, limits: RequestLimits) -> int:
    """The length that a body announces, 0 for chunks. Raises RequestRefused."""
    length, is_chunked = None, False
    for name, value in headers:
        if name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > 18:
                raise RequestRefused(400, "content-length is no single whole number", closes=True)
            length = int(value)
        elif name == b"transfer-encoding":
            if is_chunked or value.strip().lower() != b"chunked":
                raise RequestRefused(400, "transfer-encoding must be chunked, once", closes=True)
            is_chunked = True
    if is_chunked and length is not None:
        raise RequestRefused(400, "content-length and transfer-encoding are both there", closes=True)
    if length is not None and length > limits.body:
        raise too_large(limits)
    return length or 0


def too_large(limits: RequestLimits) -> RequestRefused:
    """The refusal of a body above the limit."""
    return RequestRefused(
        413, f"the body is above {limits.body} bytes (serving.limits.body); send fewer rows", closes=True
    )


def may_be_endless(headers: Headers, most: int) -> bool:
    """Whether a body that is not read could go on beyond the limit: the connection is closed then."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and not (value.isdigit() and int(value) <= most))
        for name, value in headers
    )


async def send_refusal(send: Send, refusal: RequestRefused, request_id: str) -> None:
    """Answers with a refusal."""
    headers, body = refusal_of(refusal, request_id)
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def response(refusal: RequestRefused, request_id: str) -> bytes:
    """A refusal as a whole HTTP/1.1 answer."""
    headers, body = refusal_of(refusal, request_id)
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    reason = REASONS.get(refusal.status, "Refused").encode()
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (refusal.status, reason, lines, body)


def refusal_of(refusal: RequestRefused, request_id: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of a refusal."""
    body = json.dumps({"error": refusal.why, **refusal.more, "request_id": request_id}).encode()
    headers = [(b"content-type", JSON.encode()), (b"content-length", b"%d" % len(body))]
    headers.append((b"x-request-id", request_id.encode()))
    if refusal.status in (429, 503):
        headers.append((b"retry-after", b"%d" % RETRY_AFTER))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.closes:
        headers.append((b"connection", b"close"))
    return headers, body


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """The server's own questions; a websocket is not answered."""
    while scope["type"] == "lifespan":
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
