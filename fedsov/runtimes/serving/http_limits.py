"""uvicorn's HTTP protocol with limits of its own: httptools takes a head of any length, for any time.

| what is too much | answer |
|---|---|
| bytes of a request's line and headers | 431 |
| seconds until they are whole | 408 |
| connections | 503 |
| what the parser refuses: a length beside chunks, two lengths, a broken line | 400 |

Each is JSON with a request's id, and closes the connection.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fedsov.inference.limits import RequestLimits

TOO_LARGE, TOO_SLOW = "the request's head is too large", "the request's head did not come in time"
_MANY = "there are too many connections; ask again later"


def limited_protocol(limits: RequestLimits, refused: Callable[[int], None]) -> type[HttpToolsProtocol]:
    """The protocol with these limits.

    Args:
        refused: told the status of each answer that no application gave.
    """

    class LimitedProtocol(HttpToolsProtocol):
        """One connection."""

        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self._head, self._is_in_head = 0, True
            self._head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._end(503, _MANY)
            else:
                self._head_timer = self.loop.call_later(limits.head_seconds, self._end, 408, TOO_SLOW)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._is_in_head and self._head > limits.head:
                self._end(431, TOO_LARGE)
                return
            if self.transport.is_closing():
                return
            received, self._head = self._head + len(data), 0
            super().data_received(data)
            is_idle = self.cycle is None or self.cycle.response_complete
            if (self._is_in_head or is_idle) and not self.transport.is_closing():
                self._head = received
                if self._head_timer is None:
                    self._head_timer = self.loop.call_later(limits.head_seconds, self._end, 408, TOO_SLOW)

        def on_message_begin(self) -> None:
            self._is_in_head = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._is_in_head = False
            if self._head_timer is not None:
                self._stop_timer()
            if len(self.headers) > 32 and self._size() > limits.head:
                self._end(431, TOO_LARGE)
                return
            super().on_headers_complete()

        def send_400_response(self, msg: str) -> None:
            self._end(400, "the request is no HTTP that can be read")

        def _size(self) -> int:
            return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

        def _stop_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _end(self, status: int, why: str) -> None:
            """Answers once, and closes."""
            self._stop_timer()
            if self.transport.is_closing():
                return
            refused(status)
            request_id = os.urandom(12).hex()
            body = json.dumps({"error": why, "request_id": request_id}).encode()
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
            self.transport.close()

    return LimitedProtocol
