"""A request of a party as a coordinator reads it over ASGI, with a bounded body, and the answer that it writes.

    length = length_of(headers, LARGEST)
    request = PartyRequest(who, name, headers, await body_of(receive, length))
    await respond(send, 200, b"{}")

A request that is not served raises `NotServed`, whose status and reason are the answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from fedsov.runtimes.deployment.hub.access import Caller
from fedsov.runtimes.deployment.paths import WAITS

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
LONGEST_WAIT = 25.0
"""Seconds of a long poll; whatever stands between must wait longer for an answer."""


class NotServed(Exception):
    """A request that is not served: a status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(slots=True)
class PartyRequest:
    """A request whose party is known, and what wakes when it goes away."""

    who: Caller
    path: str
    headers: Mapping[str, str]
    body: bytes
    gone: asyncio.Future[None] = field(default_factory=asyncio.Future)

    @property
    def wait(self) -> float:
        """Seconds that it waits for something to come."""
        try:
            return max(0.0, min(LONGEST_WAIT, float(self.headers.get(WAITS, "0"))))
        except ValueError:
            raise NotServed(400, f"{WAITS} is a number of seconds") from None

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises NotServed."""
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise NotServed(400, "the body is a JSON object")
        return value


Answer = bytes | Mapping[str, Any] | list[Any] | None
Act = Callable[[PartyRequest], Awaitable[Answer]]


def length_of(headers: Mapping[str, str], largest: int) -> int:
    """The bytes of a body, as its headers say. Raises NotServed for what is no number, and above the largest."""
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > largest:
        raise NotServed(413, f"a body says its length, of {largest:,} bytes at most")
    return int(length)


async def body_of(receive: Receive, length: int) -> bytes:
    """A body of at most so many bytes. Raises NotServed where it breaks off or is longer."""
    pieces, size, more = list[bytes](), 0, length > 0
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise NotServed(400, "the body broke off")
        pieces.append(event.get("body", b""))
        size += len(pieces[-1])
        if size > length:
            raise NotServed(413, f"a body of more than the {length:,} bytes that it says")
        more = event.get("more_body", False)
    return b"".join(pieces)


async def disconnected(receive: Receive) -> None:
    """Ends when the connection does."""
    while (await receive())["type"] != "http.disconnect":
        pass


def error_body(problem: Exception) -> bytes:
    """What a refused request is answered with."""
    return json.dumps({"error": str(problem)}).encode()


async def respond(send: Send, status: int, body: bytes) -> None:
    """Answers a request whole."""
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
