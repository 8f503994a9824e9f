"""The built-in gateway as an application: what reaches a region, what reaches nobody, and what comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fedsov.inference.gateway.forwarding import (
    ForwardedRequest,
    Gateway,
    GatewayState,
    RegionAnswer,
    RegionFailed,
    RegionUnreachable,
    passed_on,
    to_region,
)
from fedsov.inference.gateway.table import GatewayLimits, GatewayTable, HostPort, Upstream
from fedsov.inference.receiving import RequestRefused
from fedsov.inference.routing import RoutingTable, ServingRegion
from fedsov.inference.tokens.issuers import IssuerTable
from fedsov.inference.tokens.key_sets import read_key_set
from fedsov.inference.tokens.token_check import TokenCheck
from tests.inference.token_attacks import PREDICT, TokenWorld


@pytest.fixture(scope="module")
def tokens() -> TokenWorld:
    return TokenWorld.new()


class Regions:
    """Regions in memory: those that are away cannot be reached, and those that fail end without an answer."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, ForwardedRequest]] = []
        self.away: set[str] = set()
        self.failing: set[str] = set()

    async def forward(self, region: Upstream, request: ForwardedRequest) -> RegionAnswer:
        if region.name in self.away:
            raise RegionUnreachable("refused")
        self.seen.append((region.name, request))
        if region.name in self.failing:
            raise RegionFailed(502, "the connection ended before the answer")
        headers = [(b"Content-Type", b"application/json"), (b"Transfer-Encoding", b"chunked"), (b"Server", b"x")]
        return RegionAnswer(200, headers, _parts(b'{"region":', f'"{region.name}"}}'.encode()))


async def _parts(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class World:
    def __init__(self, tokens: TokenWorld, **limits: int) -> None:
        self.tokens, self.regions, self.runner = tokens, Regions(), asyncio.Runner()
        issuers = IssuerTable.from_json(json.loads(tokens.issuers()))
        self.keys = {tokens.issuer: read_key_set(tokens.jwks(), issuers.issuers[0])}
        self.check, self.renewed = TokenCheck(issuers, self.keys), 0
        names = ("DE", "IN", "US")
        routing = RoutingTable(
            tuple(
                ServingRegion(name, frozenset({name}), frozenset({"FR"} if name != "US" else ()), far)
                for far, name in enumerate(names)
            )
        )
        table = GatewayTable(
            listen=HostPort("127.0.0.1", 1),
            issuers=issuers,
            regions={name: Upstream(name, HostPort("127.0.0.1", 1)) for name in names},
            routing=routing,
            limits=GatewayLimits(**({"seconds": 1} | limits)),
        )
        self.gateway = Gateway(GatewayState(table, self.check), self.regions.forward, self.renew)
        self.gateway.health = dict.fromkeys(names, True)

    async def renew(self, issuer: str) -> None:
        self.renewed += 1

    def ask(
        self,
        token: str | None,
        *,
        path: bytes = PREDICT.encode(),
        method: str = "POST",
        more: tuple[tuple[bytes, bytes], ...] = (),
        body: tuple[bytes, ...] | None = (b"{}",),
        query: bytes = b"",
    ) -> tuple[int, dict[str, Any], dict[bytes, bytes]]:
        """Status, JSON body and headers of an answer; body None stands for one that never comes."""
        headers = [*([(b"authorization", f"Bearer {token}".encode())] if token else []), *more]
        scope = {"type": "http", "method": method, "raw_path": path, "query_string": query, "headers": headers}
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in body or ()]
        if messages:
            messages[-1]["more_body"] = False
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.sleep(60)
            return messages.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        self.runner.run(self.gateway(scope, receive, send))
        answer = b"".join(message.get("body", b"") for message in sent)
        return sent[0]["status"], json.loads(answer or b"{}"), dict(sent[0]["headers"])


def test_a_region_gets_the_request_as_it_came_and_its_answer_goes_back(tokens):
    world = World(tokens)
    status, answer, headers = world.ask(tokens.token("DE"), body=(b'{"a":', b"1}"), query=b"a=%2f")
    assert (status, answer) == (200, {"region": "DE"})
    (name, request) = world.regions.seen[0]
    assert (name, request.method, request.target, request.body) == ("DE", "POST", f"{PREDICT}?a=%2f", b'{"a":1}')
    assert (b"x-jurisdiction", b"DE") in request.headers
    assert b"transfer-encoding" not in headers and headers[b"content-type"] == b"application/json"


def test_nothing_of_a_refused_request_is_read_or_sent_on(tokens):
    world = World(tokens)
    for token, status in ((None, 401), (tokens.token("DE", exp=1), 401), (tokens.token("KP"), 451)):
        began = time.monotonic()
        assert world.ask(token, body=None)[0] == status  # whose body never comes
        assert time.monotonic() - began < 0.5
    assert world.regions.seen == []


def test_the_next_lawful_region_gets_the_whole_request_where_the_first_cannot_be_reached(tokens):
    world = World(tokens)
    world.regions.away = {"DE"}
    assert world.ask(tokens.token("FR"))[1] == {"region": "IN"}
    assert world.regions.seen[0][1].body == b"{}"
    assert world.gateway.health["DE"] is False
    status, answer, _ = world.ask(tokens.token("DE"))
    assert status == 503 and "DE may serve DE" in answer["error"]
    world.regions.away = {"DE", "IN"}
    assert world.ask(tokens.token("FR"))[0] == 503
    assert {name for name, _ in world.regions.seen} == {"IN"}


def test_a_region_that_had_the_request_is_not_followed_by_another(tokens):
    """It may have answered and written its line: the client decides whether to ask again."""
    world = World(tokens)
    world.regions.failing = {"DE"}
    status, answer, _ = world.ask(tokens.token("FR"))
    assert status == 502 and answer["error"].startswith("DE: ")
    assert [name for name, _ in world.regions.seen] == ["DE"]


def test_a_body_that_is_too_large_or_never_comes_reaches_nobody(tokens):
    world = World(tokens, body=1024)
    assert world.ask(tokens.token("DE"), body=(b"x" * 600, b"x" * 600))[0] == 413
    assert world.ask(tokens.token("DE"), more=((b"content-length", b"2000"),))[0] == 413
    assert world.ask(tokens.token("DE"), body=None)[0] == 408
    assert world.regions.seen == []


def test_an_unknown_key_has_newer_ones_looked_for_before_it_is_refused(tokens):
    world = World(tokens)
    assert world.ask(tokens.token("DE", kid="k9"))[0] == 401
    assert world.renewed == 1

    async def renew(issuer: str) -> None:
        jwks = tokens.jwks().replace(b'"k1"', b'"k9"')
        world.check.replace_keys({issuer: read_key_set(jwks, world.check.table.issuers[0])})

    world.gateway._renew = renew
    assert world.ask(tokens.token("DE", kid="k9"))[0] == 200


def test_what_is_of_one_connection_or_of_the_gateway_does_not_reach_a_region():
    headers = [
        (b"host", b"us.example"),
        (b"connection", b"x-mine, upgrade"),
        (b"x-mine", b"1"),
        (b"upgrade", b"h2c"),
        (b"te", b"trailers"),
        (b"content-length", b"2"),
        (b"x-jurisdiction", b"US"),
        (b"x_jurisdiction", b"US"),
        (b"authorization", b"Bearer a.b.c"),
        (b"accept", b"*/*"),
    ]
    assert to_region(headers, "DE") == [
        (b"authorization", b"Bearer a.b.c"),
        (b"accept", b"*/*"),
        (b"x-jurisdiction", b"DE"),
    ]
    for name in (b"Authorization", b"content-type", b"x-jurisdiction"):
        with pytest.raises(RequestRefused, match="Connection"):
            to_region([(b"connection", b"close, " + name)], "DE")
    assert passed_on([(b"Keep-Alive", b"1"), (b"Connection", b"x-mine"), (b"X-Mine", b"1"), (b"ETag", b"1")]) == [
        (b"etag", b"1")
    ]


def test_health_is_told_without_a_token_and_other_methods_are_refused(tokens):
    world = World(tokens)
    assert world.ask(None, path=b"/healthz", method="GET")[0] == 200
    assert world.ask(tokens.token("DE"), method="DELETE")[0] == 405
    assert world.ask(tokens.token("DE"), path=b"/v1//models")[0] == 400
