"""The HTTP protocol of an endpoint: its limits, one write an answer, and requests that come in pieces or together."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from fedsov.inference.endpoint import Endpoint
from fedsov.inference.limits import RequestLimits
from fedsov.runtimes.serving.asgi_server import AsgiServer
from fedsov.runtimes.serving.http_protocol import endpoint_protocol
from tests.inference.endpoint_world import PREDICT, ROW, TOKENS, ListLog, endpoint, state

LIMITS = RequestLimits(head=8192, head_seconds=0.3, seconds=0.3, connections=5)
BODY = json.dumps({"rows": [ROW]}).encode()


def request(*lines: str, body: bytes = BODY, path: str = PREDICT, method: str = "POST") -> bytes:
    token = TOKENS.token("DE")
    head = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", "Content-Type: application/json"]
    return "\r\n".join([*head, *lines, f"Content-Length: {len(body)}"]).encode() + b"\r\n\r\n" + body


class Client:
    """A connection, and what came over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers.get("content-length", "0")))

    async def ended(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 5) == b""


Talk = Callable[[Client, "Server"], Awaitable[Any]]


class Server:
    """An endpoint behind the protocol."""

    def __init__(self, app: Endpoint, port: int, served: AsgiServer) -> None:
        self.app, self.port, self.served, self.refused = app, port, served, list[int]()

    async def connect(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))


def talk(what: Talk, app: Endpoint | None = None) -> Any:
    """Runs a conversation with an endpoint."""

    async def whole() -> Any:
        own = app or endpoint(state(limits=LIMITS))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            listener.setblocking(False)
            refused: list[int] = []
            served = AsgiServer(own, endpoint_protocol(LIMITS, own.at_once, refused.append), {})
            await served.listen(listener, None)
            server = Server(own, listener.getsockname()[1], served)
            server.refused = refused
            client = await server.connect()
            try:
                return await what(client, server)
            finally:
                client.writer.close()
                await served.close(2.0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())


def test_requests_follow_each_other_on_one_connection():
    async def what(client: Client, server: Server) -> list[int]:
        statuses = []
        for lines in ((), ("Expect: 100-continue",), ()):
            client.writer.write(request(*lines))
            status, headers, _ = await client.answer()
            if status == 100:
                status, headers, _ = await client.answer()
            statuses.append(status)
            assert "connection" not in headers
        return statuses

    assert talk(what) == [200, 200, 200]


@pytest.mark.parametrize("cuts", [(1,), (40,), (-1,), (-len(BODY),), (10, 200, -5)])
def test_a_request_in_pieces_is_answered_as_one_that_is_whole(cuts):
    async def what(client: Client, server: Server) -> None:
        whole, last = request(), 0
        for cut in (*(cut % len(whole) for cut in cuts), len(whole)):
            client.writer.write(whole[last:cut])
            last = cut
            await asyncio.sleep(0.02)
        assert (await client.answer())[0] == 200
        client.writer.write(request())
        assert (await client.answer())[0] == 200
        assert [line.body for line in server.app.log.lines] == [BODY, BODY]  # type: ignore[attr-defined]

    talk(what)


def test_requests_that_come_together_are_answered_in_their_order():
    async def what(client: Client, server: Server) -> None:
        pieces = [request(), request(path="/healthz", method="GET", body=b""), request(body=b"{"), request()]
        client.writer.write(b"".join(pieces))
        assert [(await client.answer())[0] for _ in pieces] == [200, 200, 400, 200]

    talk(what)


def test_where_an_answer_waits_for_the_disk_what_was_sent_after_it_is_not_answered():
    log = ListLog(holds=True)

    async def what(client: Client, server: Server) -> None:
        client.writer.write(request() + request())
        await asyncio.sleep(0.1)
        assert len(log.lines) == 1
        log.waiting[0](None)
        assert (await client.answer())[0] == 200
        assert await client.ended() and len(log.lines) == 1

    talk(what, endpoint(state(limits=LIMITS, before_answer=True), log=log))


def test_after_an_answer_that_waited_the_connection_goes_on():
    async def what(client: Client, server: Server) -> None:
        for _ in range(3):
            client.writer.write(request())
            assert (await client.answer())[0] == 200

    talk(what, endpoint(state(limits=LIMITS, before_answer=True)))


def test_a_request_that_the_log_refuses_is_answered_once_and_the_next_has_its_own_answer():
    log = ListLog(full=True)

    async def what(client: Client, server: Server) -> None:
        client.writer.write(request())
        assert (await client.answer())[0] == 503
        await asyncio.sleep(LIMITS.seconds + 0.3)  # beyond the time that an answer waits for its line
        log.full = False
        client.writer.write(request())
        assert (await client.answer())[0] == 200

    talk(what, endpoint(state(limits=LIMITS, before_answer=True), log=log))


def test_a_clean_end_waits_for_an_answer_that_waits_for_the_disk():
    log = ListLog(holds=True)

    async def what(client: Client, server: Server) -> None:
        client.writer.write(request())
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(server.served.close(5.0))
        await asyncio.sleep(0.05)
        assert not closing.done()
        log.waiting[0](None)
        assert (await client.answer())[0] == 200 and await client.ended()
        await closing

    talk(what, endpoint(state(limits=LIMITS, before_answer=True), log=log))


def test_a_client_that_left_before_its_answer_is_no_fault(caplog):
    log = ListLog(holds=True)

    async def what(client: Client, server: Server) -> None:
        client.writer.write(request())
        await asyncio.sleep(0.05)
        client.writer.close()
        await asyncio.sleep(0.05)
        log.waiting[0](None)
        other = await server.connect()
        log.holds = False
        other.writer.write(request())
        assert (await other.answer())[0] == 200
        other.writer.close()

    talk(what, endpoint(state(limits=LIMITS, before_answer=True), log=log))
    assert not caplog.records


@pytest.mark.parametrize(("lines", "version"), [(("Connection: close",), "1.1"), ((), "1.0")])
def test_whoever_wants_the_connection_to_end_gets_the_answer_first(lines, version):
    async def what(client: Client, server: Server) -> None:
        client.writer.write(request(*lines).replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1))
        assert (await client.answer())[0] == 200
        assert await client.ended()

    talk(what)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST / HTTP/1.1\r\nX: " + b"x" * 300_000, 431),
        (b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (each, b"x" * 100) for each in range(200)) + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\n", 408),
        (b"PO", 408),
        (b"\x16\x03\x01 a greeting of TLS", 400),
        (request("Transfer-Encoding: chunked"), 400),
        (request("Content-Length: 3"), 400),
    ],
    ids=["a long header", "many headers", "half a head", "half a word", "no HTTP", "length and chunks", "two lengths"],
)
def test_a_head_that_is_too_large_too_slow_or_none_is_refused_with_an_id_and_the_connection_ends(sent, status):
    async def what(client: Client, server: Server) -> None:
        client.writer.write(sent)
        code, headers, body = await client.answer()
        assert code == status and headers["connection"] == "close"
        assert json.loads(body)["request_id"] == headers["x-request-id"]
        assert await client.ended()
        assert server.refused == [status]

    talk(what)


def test_a_second_head_that_never_ends_is_given_up_as_the_first():
    async def what(client: Client, server: Server) -> float:
        client.writer.write(request())
        assert (await client.answer())[0] == 200
        client.writer.write(b"POST / HT")
        began = time.monotonic()
        assert (await client.answer())[0] == 408 and await client.ended()
        return time.monotonic() - began

    assert talk(what) < 3.0


def test_a_body_that_never_ends_is_given_up():
    async def what(client: Client, server: Server) -> None:
        client.writer.write(request()[:-3])
        assert (await client.answer())[0] == 408
        assert await client.ended()

    talk(what)


def test_connections_beyond_the_limit_are_refused_and_those_before_go_on():
    async def what(client: Client, server: Server) -> None:
        others = [await server.connect() for _ in range(LIMITS.connections)]
        assert (await others[-1].answer())[0] == 503
        client.writer.write(request())
        assert (await client.answer())[0] == 200
        for other in others:
            other.writer.close()

    talk(what)


def test_an_answer_leaves_in_one_piece():
    async def what(client: Client, server: Server) -> None:
        for content in (request(), request(path="/healthz", method="GET", body=b"")):
            client.writer.write(content)
            piece = await asyncio.wait_for(client.reader.read(65536), 5)
            assert piece.endswith((b"}", b"ok\n"))

    talk(what)


def test_head_is_answered_without_a_body_and_the_connection_goes_on():
    async def what(client: Client, server: Server) -> None:
        client.writer.write(request(path="/healthz", method="HEAD", body=b""))
        head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 200") and b"content-length: 3" in head
        client.writer.write(request())
        assert (await client.answer())[0] == 200

    talk(what)
