"""What stands before the whole application: the host, the size and the rate of requests, and the headers of answers.

Every answer forbids inline scripts and styles, other sites' scripts, frames and forms (Content-Security-Policy), and
that it is stored. A request for a host that is none of the site's own (DNS rebinding), with a body above 64 KiB, or
from an address that asks too often is refused before anything reads it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 64 * 1024
PER_SECOND, AT_ONCE = 50.0, 200.0
"""Requests of an address: so many a second in the long run, and so many at once."""
ADDRESSES = 10_000
"""How many addresses are remembered; the one that asked longest ago is forgotten first."""
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@dataclass(slots=True)
class AddressRate:
    """A bucket of requests for each address (token bucket); one process's, so two services allow twice as many."""

    per_second: float = PER_SECOND
    at_once: float = AT_ONCE
    now: Callable[[], float] = time.monotonic
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def takes(self, address: str) -> bool:
        """Whether a request of an address is within its rate; it counts if so."""
        now = self.now()
        left, before = self._left.pop(address, (self.at_once, now))
        left = min(self.at_once, left + (now - before) * self.per_second)
        is_within = left >= 1.0
        self._left[address] = (left - 1.0 if is_within else left, now)
        if len(self._left) > ADDRESSES:
            self._left.popitem(last=False)
        return is_within


class BodyTooLarge(HTTPException):
    """A body that is longer than it may be; of FastAPI's kind, which it does not take for a broken form."""

    def __init__(self) -> None:
        super().__init__(413)


@dataclass(slots=True)
class Shield:
    """The middleware; see the module."""

    app: ASGIApp
    origins: frozenset[str]
    rate: AddressRate = field(default_factory=AddressRate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses a request, or lets the application answer it, with the headers of every answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with_headers = _with_headers(scope["path"], send)
        if refused := self._refusal(scope):
            await refused(scope, receive, with_headers)
            return
        await self.app(scope, _bounded(receive), with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if headers.get("host", "") not in {urlsplit(origin).netloc for origin in self.origins}:
            return PlainTextResponse(
                f"this hub's pages are at {' or '.join(sorted(self.origins))}; open them there\n", status_code=421
            )
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return _too_large()
        if not self.rate.takes((scope.get("client") or ("", 0))[0]):
            return PlainTextResponse(
                "too many requests from this address; wait a few seconds\n", 429, headers={"retry-after": "5"}
            )
        return None


def _too_large() -> PlainTextResponse:
    return PlainTextResponse(f"the request is larger than {LARGEST_BODY // 1024} KiB; send less\n", status_code=413)


def _bounded(receive: Receive) -> Receive:
    """What reads a body until it is longer than it may be."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise BodyTooLarge
        return message

    return bounded


def _with_headers(path: str, send: Send) -> Send:
    is_static = path.startswith("/static/")

    async def sends(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-cache" if is_static else "no-store")
        await send(message)

    return sends
