"""Rows over HTTP: on the disk before they are answered, and no more of them waiting than there is room for.

    POST /rows     Content-Type: application/json (a record or a list of records), or
                   application/vnd.apache.arrow.stream; Idempotency-Key: TEXT
    GET /health

| answer | when |
|---|---|
| 200 | rows stored by region and in quarantine by reason; "already stored" where the key's batch was |
| 400, 415 | no key, or a body that is not of its media type |
| 408, 413, 429 | a slow body, one above the limit, too many bytes waiting (Retry-After) |
| 421 | a record of another region than the one served, by name |
| 403, 422 | a region refuses; a column that is missing, too many or of another kind, by name |
| 503 | the workspace is in use or cannot be written (Retry-After) |

Requests that come while one group is stored are the next group (group commit). No answer and no log has a row's value.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedsov.errors import FedsovError, InputError, JobRefused, WorkspaceUnusable
from fedsov.partition.further.append import OtherColumns
from fedsov.partition.further.requests import ARROW, JSON, Answer, BodyUnreadable, OtherRegion, Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Commit = Callable[[Sequence[Request]], Sequence[Answer | FedsovError]]
_Waiting = tuple[Request, asyncio.Future[Answer | FedsovError]]
_LOG = logging.getLogger(__name__)
RETRY_AFTER = 1
"""Seconds after which a sender may try again."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What the server takes: bytes of one body, bytes of all bodies that wait, seconds for a body to come, seconds that
    a group waits for more requests."""

    body: int = 64 << 20
    waiting: int = 256 << 20
    seconds: float = 30.0
    gather: float = 0.005


class NotTaken(Exception):
    """A status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class IngestServer:
    """An ASGI application; `commit` stores a group of requests, no two of one key, in a thread of its own."""

    def __init__(self, commit: Commit, limits: ServerLimits) -> None:
        self._commit, self._limits = commit, limits
        self._bytes = 0
        self._waiting: list[_Waiting] = []
        self._storing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        try:
            if (scope["method"], scope["path"]) == ("GET", "/health"):
                await _answer(send, 200, {"state": "serving"})
                return
            if scope["path"] != "/rows" or scope["method"] != "POST":
                raise NotTaken(404, "POST /rows takes rows, GET /health says that they are taken")
            status, body = _told(await self._taken(dict(scope["headers"]), receive))
        except NotTaken as refused:
            status, body = refused.status, {"error": str(refused)}
        await _answer(send, status, body)

    async def _taken(self, headers: dict[bytes, bytes], receive: Receive) -> Answer | FedsovError:
        key = headers.get(b"idempotency-key", b"").decode("latin-1").strip()
        media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if media_type not in (JSON, ARROW):
            raise NotTaken(415, f"send {JSON} or {ARROW}")
        if not key or len(key) > 255:
            raise NotTaken(
                400, "give each batch an Idempotency-Key of 255 characters at most, and the same when it is sent again"
            )
        length = headers.get(b"content-length", b"")
        announced = int(length) if length.isdigit() else 0
        if announced > self._limits.body:
            raise NotTaken(413, f"the body is above {self._limits.body} bytes; send fewer rows at once")
        if self._bytes + announced > self._limits.waiting:
            raise NotTaken(429, "too many bytes wait to be stored; send again later")
        parts, taken = [], 0
        try:
            async with asyncio.timeout(self._limits.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise NotTaken(400, "the body ended early")
                    part = message.get("body", b"")
                    taken, self._bytes = taken + len(part), self._bytes + len(part)
                    parts.append(part)
                    if taken > self._limits.body:
                        raise NotTaken(413, f"the body is above {self._limits.body} bytes; send fewer rows at once")
                    if self._bytes > self._limits.waiting:
                        raise NotTaken(429, "too many bytes wait to be stored; send again later")
                    if not message.get("more_body", False):
                        break
            return await self._stored(Request(key, b"".join(parts), media_type))
        except TimeoutError:
            raise NotTaken(408, f"the body did not come within {self._limits.seconds:g} s") from None
        finally:
            self._bytes -= taken

    async def _stored(self, request: Request) -> Answer | FedsovError:
        done: asyncio.Future[Answer | FedsovError] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, done))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
        return await done

    async def _store(self) -> None:
        """Stores what waits, group by group, until nothing does."""
        while self._waiting:
            await asyncio.sleep(self._limits.gather)
            group: list[_Waiting] = []
            later: list[_Waiting] = []
            keys = set[str]()
            for each in self._waiting:
                (later if each[0].key in keys else group).append(each)
                keys.add(each[0].key)
            self._waiting = later
            requests = [request for request, _ in group]
            try:
                answers = await asyncio.to_thread(self._commit, requests)
            except Exception as error:  # boundary: the server outlives a group, and its text may quote a row
                _LOG.error("%s requests were not answered: %s", len(requests), type(error).__name__)
                answers = [FedsovError(f"{type(error).__name__}: nothing was answered; send again")] * len(group)
            for (_, done), answer in zip(group, answers, strict=True):
                if not done.done():
                    done.set_result(answer)
        self._storing = None


_STATUS: Sequence[tuple[type[FedsovError], int]] = (
    (BodyUnreadable, 400),
    (OtherRegion, 421),
    (OtherColumns, 422),
    (InputError, 422),
    (JobRefused, 403),
    (WorkspaceUnusable, 503),
)


def _told(answer: Answer | FedsovError) -> tuple[int, dict[str, Any]]:
    if isinstance(answer, Answer):
        return 200, answer.to_json()
    body: dict[str, Any] = {"error": str(answer)}
    if isinstance(answer, OtherRegion):
        body["region"] = answer.region
    if isinstance(answer, OtherColumns):
        body["column"] = answer.column
    return next((status for kind, status in _STATUS if isinstance(answer, kind)), 500), body


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status in (429, 503):
        headers.append((b"retry-after", str(RETRY_AFTER).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
