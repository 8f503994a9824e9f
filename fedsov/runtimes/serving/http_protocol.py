"""uvicorn's HTTP protocol, with limits of its own, one write an answer, and a short way for whole requests.

httptools takes a head of any length, for any time:

| what is too much | answer |
|---|---|
| bytes of a request's line and headers | 431 |
| seconds until they are whole | 408 |
| connections | 503 |
| what the parser refuses: a length beside chunks, two lengths, a broken line | 400 |

Each is JSON with a request's id, and closes the connection.

uvicorn writes head and body of an answer one after the other, which wakes the client twice; here they leave together.
A POST that is whole in the bytes that came is answered by `Endpoint.at_once`; every other request goes uvicorn's way.
Where such an answer waits for its line to be on the disk, nothing more is read; a request that was sent before it
(pipelined) is not answered, and the connection ends after the first.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fedsov.inference.limits import RequestLimits
from fedsov.inference.receiving import Headers, RequestRefused, response

AtOnce = Callable[[bytes, Headers, bytes, Callable[[bytes], None]], bytes | None]
TOO_LARGE, TOO_SLOW = "the request's head is too large", "the request's head did not come in time"
MANY, UNREADABLE = "there are too many connections; ask again later", "the request is no HTTP that can be read"
IDLE = 75.0
"""Seconds that a connection without a request is kept, up to twice as long: gateways close theirs before."""


class JoinedWrites:
    """A transport whose first write waits for the second: an answer's head for its body."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._head = transport, b""
        self.is_closing, self.abort = transport.is_closing, transport.abort
        self.get_extra_info = transport.get_extra_info
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def write(self, content: bytes) -> None:
        """Holds an answer's head back, and writes everything else."""
        if not self._head and content.startswith(b"HTTP/1.1 ") and not content.startswith(b"HTTP/1.1 100"):
            self._head = content
            return
        head, self._head = self._head, b""
        self._transport.write(head + content)

    def write_whole(self, answer: bytes) -> None:
        """Writes an answer that is whole."""
        self._transport.write(answer)

    def flush(self) -> None:
        """Writes a head that has no body."""
        head, self._head = self._head, b""
        if head:
            self._transport.write(head)

    def close(self) -> None:
        """Writes what is held back, and closes."""
        self.flush()
        self._transport.close()


class EndpointProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self, limits: RequestLimits, at_once: AtOnce, refused: Callable[[int], None], *arguments: Any, **more: Any
    ) -> None:
        """
        Args:
            at_once: the whole answer to a path, headers and body; None where the application must answer.
            refused: told the status of each answer that no application gave.
            arguments, more: uvicorn's own.
        """
        super().__init__(*arguments, **more)
        self._limits, self._at_once, self._refused = limits, at_once, refused
        self._head_bytes, self._is_in_head, self._was_active = 0, True, False
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._body: list[bytes] | None = None
        self._waits, self._closes = False, False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoinedWrites(transport))  # type: ignore[arg-type]
        if len(self.connections) > self._limits.connections:
            self._end(503, MANY)
            return
        self._head_timer = self.loop.call_later(self._limits.head_seconds, self._end, 408, TOO_SLOW)
        self._idle_timer = self.loop.call_later(IDLE, self._look_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what came; what is neither whole nor too much stays for the next time."""
        if self._is_in_head and self._head_bytes > self._limits.head:
            self._end(431, TOO_LARGE)
        if self.transport.is_closing():
            return
        self._was_active = True
        self._head_bytes += len(data)
        super().data_received(data)
        if self._body is not None:
            self._go_the_long_way()
        if self._is_in_head and self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self._limits.head_seconds, self._end, 408, TOO_SLOW)

    def on_message_begin(self) -> None:
        if self._waits:  # a request that follows before the answer: it is not answered, and the connection ends
            self._closes = True
        self._is_in_head, self._head_bytes = True, 0  # the rest of these bytes, some thousand, is not counted
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Chooses the short way or uvicorn's, or refuses the head."""
        self._is_in_head = False
        if self._head_timer is not None:
            self._stop_timer()
        if self._closes:
            return
        if len(self.headers) > 32 and self._size() > self._limits.head:
            self._end(431, TOO_LARGE)
        elif self._may_be_whole():
            self._body = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._closes:
            return
        if self._body is None:
            super().on_body(body)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Answers at once what may be, or lets the application."""
        if self._closes:
            return
        if self._body is None:
            super().on_message_complete()
            return
        answer = self._at_once(self.url, self.headers, b"".join(self._body), self._reply)
        if answer is None:
            self._go_the_long_way()
            super().on_message_complete()
            return
        self._body = None
        if answer:
            self._write(answer)
        else:
            self._waits = True
            self.transport.pause_reading()

    def _write(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write_whole(answer)  # type: ignore[attr-defined]
            if self._closes or b"\r\nconnection: close\r\n" in answer[:400]:
                self.transport.close()

    def _reply(self, answer: bytes) -> None:
        """The answer that was waited for; reading goes on."""
        self._waits = False
        self._write(answer)
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def shutdown(self) -> None:
        if self._waits:
            self._closes = True
        else:
            super().shutdown()

    def on_response_complete(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined]
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._end(400, UNREADABLE)

    def _may_be_whole(self) -> bool:
        """Whether a request may be answered at once: nothing before it on this connection waits for its answer."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_method() == b"POST"
            and self.parser.should_keep_alive()
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
        )

    def _go_the_long_way(self) -> None:
        """Gives a request to the application, with what came of its body."""
        parts, self._body = self._body, None
        super().on_headers_complete()
        for part in parts or ():
            super().on_body(part)

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _look_idle(self) -> None:
        """Closes a connection on which nothing came since the last look, and nothing is being answered."""
        if not self._was_active and not self._waits and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
            return
        self._was_active = False
        self._idle_timer = self.loop.call_later(IDLE, self._look_idle)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end(self, status: int, why: str) -> None:
        """Answers once, and closes."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        self._refused(status)
        self.transport.write_whole(response(RequestRefused(status, why, closes=True), os.urandom(12).hex()))  # type: ignore[attr-defined]
        self.transport.close()


def endpoint_protocol(
    limits: RequestLimits, at_once: AtOnce, refused: Callable[[int], None]
) -> Callable[..., HttpToolsProtocol]:
    """What makes a connection's protocol with these limits; see `EndpointProtocol`."""
    return partial(EndpointProtocol, limits, at_once, refused)
