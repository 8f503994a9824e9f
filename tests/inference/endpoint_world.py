"""An endpoint of region DE in this process: real models, real tokens, a log that is a list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from fedsov.errors import LogFull
from fedsov.inference.endpoint import Endpoint
from fedsov.inference.limits import RequestLimits
from fedsov.inference.predictor import Predictor
from fedsov.inference.request_log import Line
from fedsov.inference.served import Served
from fedsov.inference.state import EndpointState
from fedsov.inference.tokens.issuers import read_issuers
from fedsov.inference.tokens.key_sets import read_key_set
from fedsov.inference.tokens.token_check import TokenCheck
from fedsov.inference.use.drift import Reference
from fedsov.inference.use.usage import Usage
from fedsov.inference.versions import ModelVersions
from tests.inference.models import NUMBERS, predictor
from tests.inference.token_attacks import TokenWorld

MODEL = "m"
PREDICT = f"/v1/models/{MODEL}/predict"
ROW = {"age": 30.0, "years": 3.0}
TOKENS = TokenWorld.new(path=PREDICT)


@dataclass
class ListLog:
    """A log of lines in memory; `full` refuses, `holds` keeps the answers waiting."""

    lines: list[Line] = field(default_factory=list)
    waiting: list[Callable[[LogFull | None], None]] = field(default_factory=list)
    full: bool = False
    holds: bool = False

    def put(self, line: Line, done: Callable[[LogFull | None], None] | None = None) -> None:
        if self.full:
            raise LogFull("the disk is full")
        self.lines.append(line)
        if done is not None and self.holds:
            self.waiting.append(done)
        elif done is not None:
            asyncio.get_running_loop().call_soon(done, None)


class Keys:
    """The keys of the tokens' issuer; `newer` are those that are found when somebody looks again."""

    def __init__(self) -> None:
        from pathlib import Path

        table = read_issuers(TOKENS.issuers().encode(), Path("issuers.yaml"))
        self.known = {issuer.issuer: read_key_set(TOKENS.jwks(), issuer) for issuer in table.issuers}
        self.check = TokenCheck(table, self.known)
        self.newer = self.known
        self.asked: list[str] = []

    async def renew(self, issuer: str) -> None:
        self.asked.append(issuer)
        self.check.replace_keys(self.newer)


class Pages:
    """Pages of a process that is ready."""

    def ready(self, state: EndpointState) -> tuple[int, str]:
        return 200, "ready\n"

    def metrics(self, state: EndpointState) -> str:
        return "fedsov_inference_ready 1\n"

    def is_zone(self, scope: Mapping[str, Any]) -> bool:
        return bool(scope.get("state", {}).get("zone"))


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


def served(
    version: int,
    role: str = "champion",
    *,
    model: Predictor | None = None,
    reference: Reference | None = None,
    **more: Any,
) -> Served:
    """A version of two columns of numbers, or of another model."""
    own = model or predictor(NUMBERS, seed=version)
    names = [column.name for column in own.columns]
    given: dict[str, Any] = {"positional": names, "known": names, "most_rows": 100, **more}
    return Served.of(own, (MODEL, version), role, reference=reference, **given)


def state(versions: ModelVersions[Served] | None = None, **more: Any) -> EndpointState:
    """DE serves DE and FR; US is served by region US."""
    given: dict[str, Any] = {
        "region": "DE",
        "serves": frozenset({"DE", "FR"}),
        "elsewhere": {"US": "US"},
        "models": {MODEL: versions or ModelVersions(served(1))},
        "limits": RequestLimits(body=100_000, rows=100, seconds=0.3),
    }
    return EndpointState(**{**given, **more})


def endpoint(own: EndpointState | None = None, **more: Any) -> Endpoint:
    given: dict[str, Any] = {"keys": Keys(), "log": ListLog(), "usage": Usage(), "zone": Pages()}
    return Endpoint(own or state(), **{**given, **more})


def headers(token: str | None = None, **more: str) -> list[tuple[bytes, bytes]]:
    """A request's, with a token of DE where none is given."""
    plain = {"authorization": f"Bearer {token or TOKENS.token('DE')}", "content_type": "application/json", **more}
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in plain.items() if value]


@dataclass
class Body:
    """What a client sends, in parts; `reads` counts how often the application asked for more."""

    parts: list[bytes]
    ends: bool = True
    reads: int = 0

    async def receive(self) -> dict[str, Any]:
        self.reads += 1
        if not self.parts and not self.ends:
            await asyncio.sleep(60)
        part = self.parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts) or not self.ends}


async def asked(
    app: Endpoint, body: Any = None, *, path: str = PREDICT, method: str = "POST",
    head: list[tuple[bytes, bytes]] | None = None, scope: Mapping[str, Any] | None = None,
) -> Answer:  # fmt: skip
    """One request by ASGI."""
    if not isinstance(body, Body):
        content = body if isinstance(body, bytes) else json.dumps({"rows": [ROW]} if body is None else body).encode()
        body = Body([content])
    answer = Answer()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    own = {"type": "http", "method": method, "raw_path": path.encode(), "headers": headers() if head is None else head}
    await app({**own, **(scope or {})}, body.receive, send)
    return answer


async def at_once(
    app: Endpoint, body: Any = None, *, path: str = PREDICT, head: list[tuple[bytes, bytes]] | None = None
) -> Answer | None:
    """One request by the short way; None where it is not taken."""
    content = body if isinstance(body, bytes) else json.dumps({"rows": [ROW]} if body is None else body).encode()
    came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    given = headers() if head is None else head
    whole = app.at_once(path.encode(), [*given, (b"content-length", b"%d" % len(content))], content, came.set_result)
    if whole is None:
        return None
    whole = whole or await came
    first, *lines = whole.partition(b"\r\n\r\n")[0].split(b"\r\n")
    pairs = (line.decode().split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), dict(pairs), whole.partition(b"\r\n\r\n")[2])


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(what)
