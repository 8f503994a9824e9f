"""How a request's head is read and its body received, within the limits; and how one is refused.

A length and chunks together, two lengths or two types are refused (request smuggling, RFC 9112 section 6.3), although
the HTTP parser refuses most of them before. A body that is refused before it is read is not received: where it could
go on without end, the connection is closed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from fedsov.inference.bodies import JSON
from fedsov.inference.limits import RequestLimits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]
RETRY_AFTER = 1
"""Seconds after which a client may ask again that was refused for a rate, or for a log that cannot be written."""
BUSY = "too many bytes are being received; send again later"


class Refused(Exception):
    """An answer that is no prediction: its status, why, further parts of its body, and whether the connection ends."""

    def __init__(self, status: int, why: str, *, closes: bool = False, more: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.closes, self.more = status, why, closes, more or {}


class Receiver:
    """Receives bodies, and counts the bytes of all that are under way."""

    def __init__(self) -> None:
        self._receiving = 0

    async def body(self, scope: Scope, receive: Receive, limits: RequestLimits) -> bytes:
        """A request's body. Raises Refused."""
        announced = length_of(scope["headers"], limits)
        if self._receiving + announced > limits.waiting:
            raise Refused(429, BUSY, closes=True)
        taken = announced
        self._receiving += announced
        try:
            async with asyncio.timeout(limits.seconds):
                message = await receive()
                body: bytes = message.get("body", b"")
                if message.get("more_body", False):
                    parts, size = [body], len(body)
                    while message.get("more_body", False):
                        message = await receive()
                        parts.append(message.get("body", b""))
                        size += len(parts[-1])
                        if size > limits.body:
                            raise too_large(limits)
                        if size > taken:
                            self._receiving += size - taken
                            taken = size
                            if self._receiving > limits.waiting:
                                raise Refused(429, BUSY, closes=True)
                    body = b"".join(parts)
        except TimeoutError:
            raise Refused(408, f"the body did not come within {limits.seconds:g} s", closes=True) from None
        finally:
            self._receiving -= taken
        if message["type"] == "http.disconnect":
            raise Refused(400, "the body ended early", closes=True)
        if len(body) > limits.body:
            raise too_large(limits)
        return body


def types_of(headers: Headers) -> tuple[str, str]:
    """The body's media type and encoding, "" where none is said. Raises Refused for what stands twice."""
    media_type, encoding = None, None
    for name, value in headers:
        if name == b"content-type":
            if media_type is not None:
                raise Refused(400, "content-type stands twice", closes=True)
            media_type = JSON if value == b"application/json" else _media_type(value)
        elif name == b"content-encoding":
            if encoding is not None:
                raise Refused(400, "content-encoding stands twice", closes=True)
            encoding = value.decode("latin-1").strip().lower()
        elif name == b"inference-header-content-length":
            why = "the binary extension of the Open Inference Protocol is not read; send JSON"
            raise Refused(415, why, closes=True)
    return media_type or "", encoding or ""


def _media_type(value: bytes) -> str:
    kind, _, parameters = value.decode("latin-1").partition(";")
    name, _, charset = parameters.strip().lower().partition("=")
    if name == "charset" and charset.strip('"') not in ("utf-8", "utf8"):
        raise Refused(415, "send JSON as UTF-8", closes=True)
    return kind.strip().lower()


def length_of(headers: Headers, limits: RequestLimits) -> int:
    """The length that a body announces, 0 for chunks. Raises Refused."""
    length, is_chunked = None, False
    for name, value in headers:
        if name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > 18:
                raise Refused(400, "content-length is no single whole number", closes=True)
            length = int(value)
        elif name == b"transfer-encoding":
            is_chunked = True
    if is_chunked and length is not None:
        raise Refused(400, "content-length and transfer-encoding are both there", closes=True)
    if length is not None and length > limits.body:
        raise too_large(limits)
    return length or 0


def too_large(limits: RequestLimits) -> Refused:
    """The refusal of a body above the limit."""
    return Refused(413, f"the body is above {limits.body} bytes (serving.limits.body); send fewer rows", closes=True)


def may_be_endless(scope: Scope, most: int) -> bool:
    """Whether a body that is not read could go on beyond the limit: the connection is closed then."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and not (value.isdigit() and int(value) <= most))
        for name, value in scope["headers"]
    )


async def send_refusal(send: Send, refusal: Refused, request_id: str) -> None:
    """Answers with a refusal."""
    body = json.dumps({"error": refusal.why, **refusal.more, "request_id": request_id}).encode()
    headers = [(b"content-type", JSON.encode()), (b"content-length", b"%d" % len(body))]
    headers.append((b"x-request-id", request_id.encode()))
    if refusal.status in (429, 503):
        headers.append((b"retry-after", b"%d" % RETRY_AFTER))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.closes:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
