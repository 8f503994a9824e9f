"""Small regions that remember every request, and the real gateways in front of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import jwt

from fedsov.inference.gateway.table import GatewayLimits, GatewayTable, address_of
from fedsov.inference.gateway.table import Upstream as RegionOfTable
from fedsov.inference.routing import RoutingTable, ServingRegion
from fedsov.inference.tokens.issuers import read_issuers
from fedsov.inference.tokens.key_sets import KeySet, read_key_set
from tests.inference.token_attacks import TokenWorld

OWN = {"DE": frozenset({"DE", "DE-BY"}), "US": frozenset({"US", "US-OH"}), "IN": frozenset({"IN"})}
HOSTS = {"DE": frozenset({"FR"}), "US": frozenset(), "IN": frozenset({"FR"})}
"""FR has no region: DE answers for it, and IN where DE is down."""
MAY = {name: OWN[name] | HOSTS[name] for name in OWN}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Request:
    """What a region saw."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


@dataclass
class SmallRegion:
    """A server of one region on a port of its own, in a thread; it answers its name."""

    name: str
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    ready: bool = True
    _loop: asyncio.AbstractEventLoop | None = None
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def start(self) -> SmallRegion:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.up()
        return self

    def up(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)

    def down(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, *_ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        request = Request(method, target, headers)
        if target == "/readyz":
            self._write(writer, 200 if self.ready else 503, b"{}")
            return True
        self.requests.append(request)
        request.body = await self._body(request, reader)
        jurisdiction = ",".join(request.values("x-jurisdiction"))
        self._write(writer, 200, json.dumps({"region": self.name, "jurisdiction": jurisdiction}).encode())
        await writer.drain()
        return True

    async def _body(self, request: Request, reader: asyncio.StreamReader) -> bytes:
        if any("chunked" in value.lower() for value in request.values("transfer-encoding")):
            body = b""
            while size := int((await reader.readline()).split(b";")[0].strip(), 16):
                body += await reader.readexactly(size)
                await reader.readline()
            while (await reader.readline()).strip():
                pass
            return body
        lengths = request.values("content-length")
        return await reader.readexactly(int(lengths[0])) if lengths else b""

    def _write(self, writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)


@dataclass
class GatewayWorld:
    """Regions, an issuer, and the folder of a gateway's files."""

    folder: Path
    tokens: TokenWorld
    regions: dict[str, SmallRegion]

    @staticmethod
    def new(folder: Path) -> GatewayWorld:
        tokens = TokenWorld.new()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "jwks.json").write_bytes(tokens.jwks())
        (folder / "issuers.yaml").write_text(tokens.issuers(leeway=5))
        return GatewayWorld(folder, tokens, {name: SmallRegion(name).start() for name in OWN})

    def table(self, port: int, **changes) -> GatewayTable:
        ports = {name: region.port for name, region in self.regions.items()}
        return table_of(self.folder, ports, port, **changes)

    def keys(self, table: GatewayTable) -> dict[str, KeySet]:
        return {each.issuer: read_key_set(Path(each.jwks).read_bytes(), each) for each in table.issuers.issuers}

    def forget(self) -> None:
        for region in self.regions.values():
            region.requests.clear()

    def seen(self) -> dict[str, list[Request]]:
        return {name: list(region.requests) for name, region in self.regions.items() if region.requests}


def table_of(folder: Path, ports: dict[str, int], port: int, **changes) -> GatewayTable:
    """The table of a gateway in front of regions at these ports, with the issuers of a folder."""
    path = folder / "issuers.yaml"
    regions = {name: RegionOfTable(name, address_of("url", f"127.0.0.1:{each}")) for name, each in ports.items()}
    listed = (ServingRegion(name, OWN[name], HOSTS[name], far) for far, name in enumerate(("DE", "IN", "US")))
    usual = {
        "listen": address_of("listen", f"127.0.0.1:{port}"),
        "issuers": read_issuers(path.read_bytes(), path),
        "regions": regions,
        "routing": RoutingTable(tuple(region for region in listed if region.name in ports)),
        "limits": GatewayLimits(seconds=2),
    }
    return GatewayTable(**(usual | changes))


def claimed(request: Request) -> str:
    """The jurisdiction that the token of a request claims, whoever signed it; "" for none."""
    values = request.values("authorization")
    try:
        return str(jwt.decode(values[0][7:], options={"verify_signature": False})["jurisdiction"])
    except (IndexError, KeyError, jwt.PyJWTError):
        return ""


@dataclass(frozen=True)
class Answer:
    """The first answer on a connection; status None where it was closed without one. Late: neither came in time."""

    status: int | None
    text: str
    is_late: bool = False


def send(port: int, raw: bytes, *, seconds: float = 3.0) -> Answer:
    """Sends bytes, and reads what comes until the answer is whole, the connection ends or time is up."""
    received = b""
    deadline = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        sender = threading.Thread(target=_send_all, args=(connection, raw), daemon=True)
        sender.start()
        while (left := deadline - time.monotonic()) > 0 and not _is_whole(received):
            connection.settimeout(left)
            try:
                piece = connection.recv(65536)
            except OSError:
                break
            if not piece:
                break
            received += piece
    first = received.split(b"\r\n", 1)[0].split(b" ")
    is_answer = len(first) > 1 and first[0].startswith(b"HTTP/") and first[1].isdigit()
    status = int(first[1]) if is_answer else None
    return Answer(status, received.decode("latin-1"), status is None and time.monotonic() >= deadline)


def _send_all(connection: socket.socket, raw: bytes) -> None:
    with suppress(OSError):
        connection.sendall(raw)


def _is_whole(received: bytes) -> bool:
    head, blank, body = received.partition(b"\r\n\r\n")
    if not blank:
        return False
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(lengths) and len(body) >= int(lengths[0])


def wait_until(ready, seconds: float = 10.0, *, what: str = "it") -> None:
    """Returns once `ready()` is true. Raises AssertionError where it never is."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.02)


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program until the block ends; it listens on the port when the block begins."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with log.open("wb") as output:
        program = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, env=environment)
        try:
            wait_until(lambda: is_open(port) or program.poll() is not None, what=f"{command[0]}: {log}")
            assert program.poll() is None, log.read_text()
            yield program
        finally:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()


def write_all(folder: Path, files: dict[str, str]) -> None:
    """Writes files; each is put in place whole, since a gateway may be reading."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        aside = folder / f".{name}"
        aside.write_text(content)
        os.replace(aside, folder / name)


def builtin_command(folder: Path, port: int) -> list[str]:
    """The built-in gateway, with the table that `ports.json` of a folder says (`tests.inference.gateway.builtin`)."""
    return [sys.executable, "-m", "tests.inference.gateway.builtin", str(folder), str(port)]


def write_ports(folder: Path, ports: dict[str, int]) -> None:
    """What the built-in gateway of a test reads its table from."""
    write_all(folder, {"ports.json": json.dumps(ports)})


ENVOY = str(Path(sys.executable).with_name("envoy"))
COMMANDS = {
    "haproxy": lambda folder: ["haproxy", "-W", "-db", "-f", f"{folder}/haproxy.cfg"],
    "envoy": lambda folder: [
        ENVOY,
        "-c",
        f"{folder}/envoy.json",
        "--use-dynamic-base-id",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
    ],
    "nginx": lambda folder: ["nginx", "-c", f"{folder}/nginx.conf", "-p", str(folder), "-g", "daemon off;"],
}
CHECKS = {
    "haproxy": lambda folder: ["haproxy", "-c", "-f", f"{folder}/haproxy.cfg"],
    "envoy": lambda folder: [ENVOY, "--mode", "validate", "-c", f"{folder}/static.json"],
    "nginx": lambda folder: ["nginx", "-t", "-c", f"{folder}/nginx.conf", "-p", str(folder)],
}
