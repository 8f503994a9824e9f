"""What gateways carry on this machine: requests a second with 16 connections, and what they add to one request's time.

A region of no work at all stands behind (an answer from memory), so that the gateway is what is measured. Each request
is a POST of some 300 bytes with one of 64 tokens (RS256). wrk asks from one thread; gateways have one.
Seconds of the gateway's processor stand beside: where requests a second are few and microseconds are as asked, the
machine was busy, since region, gateway and wrk share its cores. Needs wrk, and the gateways that are to be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import httptools
import jwt
import uvloop
from cryptography.hazmat.primitives.asymmetric import rsa

from fedsov.inference.gateway.table import GatewayTable, HostPort, Upstream
from fedsov.inference.routing import RoutingTable, ServingRegion
from fedsov.inference.tokens.issuers import IssuerTable
from fedsov.inference.tokens.key_sets import read_key_set

ASKED = {"haproxy": 12_000, "envoy": 10_000}
"""Requests a second with 16 connections."""
ASKED_ADDED_MS = 0.25
"""Of HAProxy and Envoy, added to the median of one connection."""
TOKENS = 64
BODY = json.dumps({"dataframe_split": {"columns": ["age"] * 20, "data": [[1.5] * 20]}})
KINDS = ("haproxy", "envoy", "nginx", "builtin")


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class _Region(asyncio.Protocol):
    """Answers every request with the same bytes."""

    ANSWER = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n" + b'{"outputs": [0.512]}'
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.transport.write(self.ANSWER)  # type: ignore[attr-defined]


def _serve_region(port: int) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Region, "127.0.0.1", port)
        await server.serve_forever()

    with suppress(KeyboardInterrupt):
        uvloop.run(serve())


def table_of(folder: Path, port: int, region: int) -> tuple[GatewayTable, dict[str, Any], list[str]]:
    """A table of one region, its issuer's keys, and tokens."""
    key = rsa.generate_private_key(65537, 2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": "k1", "use": "sig", "alg": "RS256"}
    jwk.pop("key_ops", None)
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
    issuer = {
        "issuer": "https://idp.example",
        "jwks": str(folder / "jwks.json"),
        "audience": "fedsov",
        "algorithms": ["RS256"],
        "longest_lifetime": 3600,
    }
    issuers = IssuerTable.from_json({"issuers": [issuer]})
    table = GatewayTable(
        listen=HostPort("127.0.0.1", port),
        issuers=issuers,
        regions={"DE": Upstream("DE", HostPort("127.0.0.1", region))},
        routing=RoutingTable((ServingRegion("DE", frozenset({"DE"})),)),
    )
    keys = {"https://idp.example": read_key_set((folder / "jwks.json").read_bytes(), issuers.issuers[0])}
    claims = {"iss": "https://idp.example", "aud": "fedsov", "jurisdiction": "DE", "exp": int(time.time()) + 1800}
    tokens = [
        jwt.encode(claims | {"sub": f"person-{number}"}, key, "RS256", headers={"kid": "k1"})
        for number in range(TOKENS)
    ]
    return table, keys, tokens


def command(kind: str, folder: Path, table: GatewayTable, keys: dict[str, Any]) -> list[str]:
    """What starts a gateway with this table."""
    if kind == "builtin":
        region = table.regions["DE"].address.port
        return [sys.executable, __file__, "--builtin", str(folder), str(table.listen.port), str(region)]
    for name, text in import_module(f"fedsov.inference.gateway.{kind}").render(table, keys, folder).items():
        (folder / name).write_text(text.replace("worker_processes auto;", "worker_processes 1;"))
    envoy = shutil.which("envoy") or str(Path(sys.executable).parent / "envoy")
    if kind == "haproxy":
        config = folder / "haproxy.cfg"
        config.write_text(config.read_text().replace("global\n", "global\n  nbthread 1\n", 1))
    return {
        "haproxy": ["haproxy", "-db", "-f", f"{folder}/haproxy.cfg"],
        "envoy": [envoy, "-c", f"{folder}/envoy.json", "--use-dynamic-base-id", "--concurrency", "1", "-l", "error"],
        "nginx": ["nginx", "-c", f"{folder}/nginx.conf", "-p", str(folder), "-g", "daemon off;"],
    }[kind]


def run_builtin(folder: Path, port: int, region: int) -> None:
    """The built-in gateway, with the keys that the benchmark wrote."""
    from fedsov.runtimes.serving.gateway_process import LoadedTable, run

    content = json.loads((folder / "issuers.json").read_text())
    table = GatewayTable(
        listen=HostPort("127.0.0.1", port),
        issuers=IssuerTable.from_json(content),
        regions={"DE": Upstream("DE", HostPort("127.0.0.1", region))},
        routing=RoutingTable((ServingRegion("DE", frozenset({"DE"})),)),
        health="/readyz",
    )
    run(lambda: LoadedTable(table), say=lambda line: None)


@contextmanager
def running(words: list[str], port: int, log: Path) -> Iterator[int]:
    """A gateway until the block ends; its process's number."""
    with log.open("wb") as output:
        program = subprocess.Popen(words, stdout=output, stderr=output, start_new_session=True)
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and program.poll() is None:
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
                    break
                time.sleep(0.05)
            time.sleep(1.0)  # regions are looked at
            if program.poll() is not None:
                raise SystemExit(f"{words[0]} ended: {log.read_text()[-500:]}")
            yield program.pid
        finally:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGTERM)
            program.wait()


def processor_seconds(pid: int) -> float:
    """Seconds of a processor of a process and its children so far."""
    ticks = 0
    for process in [pid, *_children(pid)]:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [deeper for child in map(int, listed) for deeper in (child, *_children(child))]


def ask(port: int, script: Path, connections: int, seconds: int) -> dict[str, float]:
    """What wrk says: requests a second, milliseconds at the median and the 99th percentile, and answers not 200."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    done = subprocess.run(
        [*words, f"http://127.0.0.1:{port}/v1/models/m/predict"], capture_output=True, text=True, check=True
    )
    text = done.stdout
    times = {place: _milliseconds(value) for place, value in re.findall(r"^\s+(50|99)%\s+(\S+)", text, re.MULTILINE)}
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: .*", text)
    if bad or broken:
        raise SystemExit(f"requests failed: {(bad or broken)[0]}")  # type: ignore[index]
    total = int(re.search(r"(\d+) requests in", text)[1])  # type: ignore[index]
    return {"rps": total / seconds, "p50": times["50"], "p99": times["99"], "total": total}


def _milliseconds(value: str) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)(us|ms|s)", value).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _script(folder: Path, tokens: list[str]) -> Path:
    listed = ",\n".join(f'"Bearer {token}"' for token in tokens)
    path = folder / "requests.lua"
    path.write_text(
        f"local tokens = {{{listed}}}\nlocal requests, at = {{}}, 0\n"
        f"init = function(args)\n  for i, token in ipairs(tokens) do\n    requests[i] = wrk.format('POST', nil, "
        f'{{["authorization"] = token, ["content-type"] = "application/json"}}, [==[{BODY}]==])\n  end\nend\n'
        "request = function()\n  at = at % #requests + 1\n  return requests[at]\nend\n"
    )
    return path


def measure(kinds: list[str], seconds: int) -> dict[str, dict[str, float]]:
    """Each gateway beside none."""
    results: dict[str, dict[str, float]] = {}
    region = free_port()
    server = multiprocessing.get_context("spawn").Process(target=_serve_region, args=(region,), daemon=True)
    server.start()
    try:
        for kind in ["none", *kinds]:
            with tempfile.TemporaryDirectory() as name:
                results[kind] = _measured(kind, Path(name), region, seconds, results.get("none"))
    finally:
        server.terminate()
    return results


def _measured(kind: str, folder: Path, region: int, seconds: int, direct: dict[str, float] | None) -> dict[str, float]:
    port = region if kind == "none" else free_port()
    table, keys, tokens = table_of(folder, port, region)
    script = _script(folder, tokens)
    (folder / "issuers.json").write_text(json.dumps(table.issuers.to_json()))
    if kind == "none":
        time.sleep(1.0)
        single, many = (ask(port, script, connections, seconds) for connections in (1, 16))
        return {"rps": many["rps"], "p50": many["p50"], "p99": many["p99"], "single_p50": single["p50"]}
    folder.chmod(0o755)
    with running(command(kind, folder, table, keys), port, folder / "log") as pid:
        ask(port, script, 16, 1)
        single = ask(port, script, 1, seconds)
        before = processor_seconds(pid)
        many = ask(port, script, 16, seconds)
        used = (processor_seconds(pid) - before) / many["total"] * 1e6
    added = single["p50"] - (direct or single)["single_p50" if direct else "p50"]
    return {
        "rps": many["rps"],
        "p50": many["p50"],
        "p99": many["p99"],
        "single_p50": single["p50"],
        "added": added,
        "cpu_us": used,
    }


def main() -> None:
    """Prints what was measured beside what is asked."""
    if sys.argv[1:2] == ["--builtin"]:
        run_builtin(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=KINDS, action="append", help="one gateway, may be given again")
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = measure(options.only or list(KINDS), options.seconds)
    if options.json:
        print(json.dumps({"results": results, "asked": ASKED, "asked_added_ms": ASKED_ADDED_MS}, indent=1))
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for kind, figures in results.items():
        asked = f" (asked {ASKED[kind]:,})" if kind in ASKED else ""
        added = f", adds {figures['added']:.2f} ms to the median of one connection" if "added" in figures else ""
        used = f", {figures['cpu_us']:.0f} us of a processor each" if "cpu_us" in figures else ""
        times = f"p50 {figures['p50']:.2f} ms, p99 {figures['p99']:.2f} ms"
        print(f"{kind:8} {figures['rps']:8,.0f} requests/s{asked}, {times}{added}{used}")


if __name__ == "__main__":
    main()
