"""The built-in gateway: an ASGI application that checks a token, chooses the region, and hands the request on.

    gateway = Gateway(GatewayState(table, check), forward, renew)
    gateway.state = GatewayState(newer, check)          # requests under way end with the old one
    gateway.health = {"DE": True, "US": False}          # as a runtime finds out; a region that is not there is down

`forward` and `renew` are functions of a runtime: the one reaches a region, the other looks for newer keys of an issuer.
A request's body is received whole, within the limits, before any region hears of it: a slow one holds up nobody, and
where a region cannot be reached the next lawful one gets all of it. Answers are passed on as they come.

What a client sends of hop-by-hop headers (RFC 9110 section 7.6.1), of `host` and of the gateway's own header does not
reach a region. A `Connection` that would strip the token is refused.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from fedsov.inference.gateway.table import HEADER, PATHS, GatewayTable, Upstream
from fedsov.inference.limits import RequestLimits
from fedsov.inference.receiving import Receive, Receiver, RequestRefused, Scope, Send, send_refusal
from fedsov.inference.routing import REGION_DOWN, NoRegion, Routed, route
from fedsov.inference.tokens.token_check import Claims, KeyUnknown, TokenCheck, TokenRefused

METHODS = ("GET", "HEAD", "POST")
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"expect",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that are of one connection alone."""
_OWN = HEADER.encode()
_PATH = re.compile(PATHS.encode())
_NEVER_STRIPPED = frozenset({b"authorization", b"content-type", b"content-encoding", b"host", _OWN})
"""Headers that a `Connection` may not name: a region would read the request otherwise without them."""

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class ForwardedRequest:
    """A request on its way to a region; `target` is its path and query as they came."""

    method: str
    target: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class RegionAnswer:
    """What a region answers; the parts of its body come as they arrive."""

    status: int
    headers: Headers
    parts: AsyncIterator[bytes]


class RegionUnreachable(Exception):
    """No connection to a region could be made: it has seen nothing of the request."""


class RegionFailed(Exception):
    """A region that had the request did not answer it; `status` is 502 or 504."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


Forward = Callable[[Upstream, ForwardedRequest], Awaitable[RegionAnswer]]
Renew = Callable[[str], Awaitable[None]]
"""Looks for newer keys of an issuer and gives them to the check."""


@dataclass(frozen=True, slots=True)
class GatewayState:
    """What a gateway goes by at one moment."""

    table: GatewayTable
    check: TokenCheck


class Gateway:
    """The application; `state` and `health` may be replaced between requests."""

    def __init__(
        self, state: GatewayState, forward: Forward, renew: Renew, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.state, self.health = state, dict.fromkeys(state.table.regions, False)
        self._forward, self._renew, self._clock = forward, renew, clock
        self._receiver = Receiver()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except RequestRefused as refusal:
            await send_refusal(send, refusal, os.urandom(12).hex())
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": passed_on(answer.headers)})
        async for part in answer.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _answer(self, scope: Scope, receive: Receive) -> RegionAnswer:
        state = self.state
        path: bytes = scope.get("raw_path") or b""
        if path == b"/healthz":
            return RegionAnswer(200, [(b"content-type", b"application/json")], _parts(b'{"status":"well"}'))
        if scope["method"] not in METHODS:
            raise RequestRefused(405, "GET and POST are answered here", closes=True)
        if not _PATH.fullmatch(path):
            raise RequestRefused(400, "the path is not plain", closes=True)
        claims = await self._claims(scope["headers"], state)
        _chosen(claims, state, self.health)  # refused before the body is received
        headers = to_region(scope["headers"], claims.jurisdiction)
        body = await self._body(scope, receive, state)
        query = scope.get("query_string") or b""
        target = (path + b"?" + query if query else path).decode("ascii", "replace")
        return await self._forwarded(claims, state, ForwardedRequest(scope["method"], target, headers, body))

    async def _claims(self, headers: Iterable[tuple[bytes, bytes]], state: GatewayState) -> Claims:
        try:
            try:
                return state.check.check(headers, self._clock())
            except KeyUnknown as refused:
                await self._renew(refused.issuer)
                return state.check.check(headers, self._clock())
        except TokenRefused as refusal:
            raise RequestRefused(refusal.status, refusal.why, closes=True) from None

    async def _body(self, scope: Scope, receive: Receive, state: GatewayState) -> bytes:
        limits = state.table.limits
        most = RequestLimits(body=limits.body, seconds=float(limits.seconds), waiting=max(64 << 20, limits.body))
        try:
            return await self._receiver.body(scope, receive, most)
        except RequestRefused as refusal:
            if refusal.status != 413:
                raise
            raise RequestRefused(413, f"the body is above {limits.body} bytes (limits.body)", closes=True) from None

    async def _forwarded(self, claims: Claims, state: GatewayState, request: ForwardedRequest) -> RegionAnswer:
        """The answer of the first lawful region that can be reached."""
        health = dict(self.health)
        while True:
            region = state.table.regions[_chosen(claims, state, health).region.name]
            try:
                return await self._forward(region, request)
            except RegionUnreachable:
                health[region.name] = False
                self.health = {**self.health, region.name: False}
            except RegionFailed as failure:
                raise RequestRefused(failure.status, f"{region.name}: {failure.why}") from None


def _chosen(claims: Claims, state: GatewayState, health: Mapping[str, bool]) -> Routed:
    answer = route(claims.jurisdiction, state.table.routing, health)
    if isinstance(answer, NoRegion):
        raise RequestRefused(answer.status, answer.reason, closes=answer.status != REGION_DOWN)
    return answer


async def _parts(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def to_region(headers: Iterable[tuple[bytes, bytes]], jurisdiction: str) -> Headers:
    """What a region gets of a request's headers, and the code under the gateway's own name.

    Raises RequestRefused where `Connection` names what must stay.
    """
    listed = list(headers)
    named = _named_by_connection(listed)
    if named & _NEVER_STRIPPED:
        raise RequestRefused(400, "Connection names a header that is not of the connection", closes=True)
    dropped = HOP_BY_HOP | named | {b"host", b"content-length", _OWN}
    others = [(name, value) for name, value in listed if name.lower().replace(b"_", b"-") not in dropped]
    return [*others, (_OWN, jurisdiction.encode())]


def passed_on(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """What a client gets of an answer's headers."""
    listed = [(name.lower(), value) for name, value in headers]
    dropped = HOP_BY_HOP | _named_by_connection(listed)
    return [(name, value) for name, value in listed if name not in dropped]


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    values = [value for name, value in headers if name.lower() == b"connection"]
    return frozenset(word.strip().lower() for value in values for word in value.split(b",")) - {b""}
