"""What a region's endpoint answers on this machine, beside bare FastAPI and MLflow's `models serve` in the same run.

One worker, wrk with 16 connections from one thread, a network 32-64-32-1 by ONNX Runtime. The endpoint checks a token,
its jurisdiction and every column, writes each request and answer into its encrypted, chained log, and counts drift;
the others do none of it. Processor microseconds of a request stand beside requests a second: server and wrk share this
machine's cores, and where others work on them, microseconds are what to compare.

Ends with 1 where a ratio is missed: half of FastAPI's processor time for a row, the log's share of the processor, the
memory, the token's second look. Requests a second are printed beside those asked of two quiet cores.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference_place import PREDICT, Prepared, bodies, fastapi_command, mlflow_command, prepare

from fedsov.inference.tokens.token_check import TokenCheck
from fedsov.runtimes.serving.jwks import KeySources
from fedsov.runtimes.serving.loading import load_issuers

ASKED = {
    ("endpoint", "1 row"): 15_000,
    ("endpoint, before_answer", "1 row"): 9_000,
    ("endpoint", "100 rows"): 6_000,
    ("endpoint", "100 rows, float32"): 11_000,
}
"""Requests a second."""
ASKED_P99, ASKED_MEMORY, ASKED_FIRST, ASKED_TOKEN, ASKED_LOG = 3.0, 110.0, 1.0, 20.0, 0.15
"""Milliseconds of a row, MB (PSS), seconds to the first right answer, microseconds of a token's second look, share."""
SCRIPTS = Path(__file__).resolve().parent
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: its processes, where it answers, and what it was measured with.

    Attributes:
        forms: by what is measured, the name of the body.
        headers: of every request.
        first: seconds to its first right answer.
    """

    name: str
    process: subprocess.Popen[bytes]
    port: int
    path: str
    forms: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    first: float = 0.0


def processes(server: Server) -> list[int]:
    """The server's own process and all below it."""
    found = [server.process.pid]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found


def processor(server: Server) -> float:
    """Seconds of a processor that its processes used."""
    total = 0.0
    for pid in processes(server):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def memory(server: Server) -> float:
    """MB of its processes, what they share divided among them (PSS)."""
    texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in processes(server))
    return sum(int(re.search(r"Pss:\s+(\d+)", text)[1]) for text in texts) / 1024  # type: ignore[index]


def wrk(server: Server, body: tuple[str, bytes], seconds: int, folder: Path) -> dict[str, float]:
    """Requests a second, their times, and the processor's time of each."""
    media_type, content = body
    (folder / "body").write_bytes(content)
    headers = {**server.headers, "content-type": media_type}
    lines = [f'local f = io.open("{folder / "body"}", "rb"); wrk.method = "POST"; wrk.body = f:read("*a")']
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    (folder / "ask.lua").write_text("\n".join(lines))
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", "--latency", "--timeout", "10s", "-s", str(folder / "ask.lua")]
    address = f"http://127.0.0.1:{server.port}{server.path}"
    subprocess.run([*words, "-d1s", address], capture_output=True, check=True)
    used, began = processor(server), time.monotonic()
    text = subprocess.run([*words, f"-d{seconds}s", address], capture_output=True, check=True, text=True).stdout
    used, wall = processor(server) - used, time.monotonic() - began
    if "Non-2xx" in text:
        raise SystemExit(f"{server.name} refused what was sent:\n{text}")
    requests = int(re.search(r"(\d+) requests in", text)[1])  # type: ignore[index]
    times = {f"p{share}": _milliseconds(text, share) for share in (50, 99)}
    return {"rps": requests / wall, **times, "cpu_us": 1e6 * used / requests}


def _milliseconds(text: str, share: int) -> float:
    number, unit = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.M).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[unit]


@contextmanager
def running(name: str, command: list[str], environment: Mapping[str, str], **how: Any) -> Iterator[Server]:
    """A server until the block ends; it has answered rightly once."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.DEVNULL,
        stderr=how.pop("stderr", subprocess.DEVNULL),
        start_new_session=True,
    )
    try:
        port = how.pop("port", 0) or _told_port(process)
        server = Server(name, process, port, **how)
        _first_answer(server, began)
        yield Server(name, process, port, **how, first=time.monotonic() - began)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _told_port(process: subprocess.Popen[bytes]) -> int:
    """The port that an endpoint says it listens at."""
    for line in process.stderr or ():
        entry = json.loads(line)
        if entry["event"] == "listening":
            return int(entry["fields"]["port"])
    raise SystemExit("the endpoint ended before it listened")


def _first_answer(server: Server, began: float) -> None:
    media_type, content = bodies()[server.forms["1 row"]]
    while time.monotonic() - began < 180:
        if server.process.poll() is not None:
            raise SystemExit(f"{server.name} ended by itself, with code {server.process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("POST", server.path, content, {**server.headers, "content-type": media_type})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200 and b"predictions" in text:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.005)
    raise SystemExit(f"{server.name} did not answer within 3 minutes")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def endpoint(name: str, prepared: Prepared, *, logs: bool = True) -> Iterator[Server]:
    """A region's endpoint, and its log as it is set; or one that takes lines and writes none."""
    place = prepared.place
    path = f"{SCRIPTS / 'inference_unlogged'}:" if not logs else ""
    environment = {"PYTHONPATH": f"{path}{SCRIPTS.parent}"}
    forms = {form: form for form in ("1 row", "100 rows", "100 rows, float32", "100 rows by name")}
    with running(
        name,
        ["-m", "fedsov.runtimes.serving.endpoint_process", str(place.path), place.region_key],
        environment,
        stderr=subprocess.PIPE,
        path=PREDICT,
        forms=forms,
        headers={"authorization": f"Bearer {prepared.token}"},
    ) as server:
        yield server


def token_time(prepared: Prepared) -> float:
    """Microseconds of a second look at a token."""
    table = load_issuers(prepared.place)
    check = TokenCheck(table, KeySources(table).look())
    headers = [(b"host", b"x"), (b"authorization", f"Bearer {prepared.token}".encode())]
    check.check(headers, time.time())
    best = float("inf")
    for _ in range(20):
        began = time.process_time()
        for _ in range(2000):
            check.check(headers, time.time())
        best = min(best, (time.process_time() - began) / 2000)
    return 1e6 * best


def measure(only: list[str], seconds: int, repeats: int) -> dict[str, Any]:
    """Everything, by server and form; of repeats the one that used the processor least."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="fedsov-benchmark-") as name:
        folder = Path(name)
        batch = prepare(folder / "batch", {"durable": "batch"})
        before = prepare(folder / "before", {"durable": "before_answer"})
        port, other = _free_port(), _free_port()
        fastapi, fastapi_environment = fastapi_command(folder, batch.model, port)
        mlflow, mlflow_environment = mlflow_command(batch.model, other)
        servers = {
            "endpoint": endpoint("endpoint", batch),
            "endpoint, before_answer": endpoint("endpoint, before_answer", before),
            "endpoint, unlogged": endpoint("endpoint, unlogged", batch, logs=False),
            "fastapi": running(
                "fastapi",
                fastapi,
                fastapi_environment,
                port=port,
                path="/predict",
                forms={"1 row": "1 row, fastapi", "100 rows": "100 rows, fastapi"},
            ),
            "mlflow": running(
                "mlflow",
                mlflow,
                mlflow_environment,
                port=other,
                path="/invocations",
                forms={"1 row": "1 row, mlflow", "100 rows": "100 rows, mlflow"},
            ),
        }
        for kind in only:
            with servers[kind] as server:
                figures = {
                    form: min(
                        (wrk(server, bodies()[body], seconds, folder) for _ in range(repeats)),
                        key=lambda each: each["cpu_us"],
                    )
                    for form, body in server.forms.items()
                }
                results[kind] = {"forms": figures, "memory": memory(server), "first": server.first}
        results["token_us"] = token_time(batch)
    return results


def missed(results: Mapping[str, Any]) -> list[str]:
    """The ratios that were missed, in words."""
    found = []
    own = results.get("endpoint")
    if results["token_us"] > ASKED_TOKEN:
        found.append(f"a token's second look takes {results['token_us']:.1f} us")
    if own and own["memory"] > ASKED_MEMORY:
        found.append(f"the endpoint has {own['memory']:.0f} MB")
    if own and "fastapi" in results and 2 * _row(own) > _row(results["fastapi"]):
        found.append("a row takes more than half of FastAPI's processor time")
    if own and "endpoint, unlogged" in results and _log_share(results) > ASKED_LOG:
        found.append(f"the log costs {_log_share(results):.0%}")
    return found


def _row(figures: Mapping[str, Any]) -> float:
    return float(figures["forms"]["1 row"]["cpu_us"])


def _log_share(results: Mapping[str, Any]) -> float:
    return 1.0 - _row(results["endpoint, unlogged"]) / _row(results["endpoint"])


def report(results: Mapping[str, Any]) -> None:
    """Prints figures beside those asked."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; asked of two quiet ones in parentheses")
    for kind, figures in results.items():
        if kind == "token_us":
            continue
        first = f"first answer {figures['first']:.2f} s ({ASKED_FIRST:g})"
        print(f"{kind}: {figures['memory']:.0f} MB ({ASKED_MEMORY:.0f}), {first}")
        for form, each in figures["forms"].items():
            asked = f" ({ASKED[kind, form]:,})" if (kind, form) in ASKED else ""
            late = f" ({ASKED_P99:g})" if (kind, form) == ("endpoint", "1 row") else ""
            times = f"p50 {each['p50']:.2f} ms, p99 {each['p99']:.2f} ms{late}"
            print(f"  {form:18} {each['rps']:8,.0f} requests/s{asked}, {times}, {each['cpu_us']:.0f} us of a processor")
    if "endpoint, unlogged" in results and "endpoint" in results:
        print(f"the log costs {_log_share(results):.0%} of a row's processor time ({ASKED_LOG:.0%})")
    print(f"a token's second look: {results['token_us']:.1f} us ({ASKED_TOKEN:g})")


def main() -> None:
    """Prints what was measured beside what is asked; ends with 1 where a ratio is missed."""
    kinds = ["endpoint", "endpoint, before_answer", "endpoint, unlogged", "fastapi", "mlflow"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=kinds, action="append", help="one server, may be given again")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not here; install it: apt-get install wrk")
    results = measure(options.only or kinds, options.seconds, options.repeats)
    failures = missed(results)
    if options.json:
        print(json.dumps({"results": results, "missed": failures, "load": os.getloadavg()[0]}, indent=1))
    else:
        report(results)
        print("\n".join(f"missed: {words}" for words in failures))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
