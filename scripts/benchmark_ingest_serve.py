"""Rows a second over HTTP, on the disk before they are answered: single records, and Arrow batches.

The server is `fedsov ingest serve` as a user starts it; the sender is a process of its own on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ASKED = {"single records": 8_000, "rows in batches": 200_000}
COUNTRIES = ("DE", "FR", "US")
PEOPLE = 100_000


def table_of(rows: int, seed: int) -> pa.Table:
    """People of three countries."""
    rng = np.random.default_rng(seed)
    people = rng.integers(0, PEOPLE, rows)
    return pa.table(
        {
            "country": [COUNTRIES[each % len(COUNTRIES)] for each in people],
            "person": [f"P{each}" for each in people],
            "age": rng.integers(18, 90, rows).astype(float),
            "income": rng.uniform(1e3, 9e3, rows),
            "ward": rng.choice(["A", "B"], rows),
            "ill": rng.integers(0, 2, rows),
        }
    )


def post(key: str, media_type: str, body: bytes) -> bytes:
    """A request in bytes."""
    head = f"POST /rows HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nIdempotency-Key: {key}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def sender(port: int, requests: list[bytes]) -> int:
    """Sends one request after the other over one connection; how many were answered with 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        done += head.startswith(b"HTTP/1.1 200") and b'"state": "stored"' in body
    writer.close()
    return done


async def seconds(port: int, requests: list[bytes], connections: int) -> float:
    """Seconds until all are answered. Raises RuntimeError where one is not stored."""
    started = time.perf_counter()
    done = await asyncio.gather(*(sender(port, requests[place::connections]) for place in range(connections)))
    if sum(done) != len(requests):
        raise RuntimeError(f"{len(requests) - sum(done)} of {len(requests)} requests were not stored")
    return time.perf_counter() - started


def measured(port: int, singles: int, batches: int, rows: int) -> dict[str, float]:
    """Rows a second of each kind."""
    records = table_of(singles, 1).to_pylist()
    one = [post(f"one {n}", "application/json", json.dumps(record).encode()) for n, record in enumerate(records)]
    many = []
    for batch in range(batches):
        body, table = io.BytesIO(), table_of(rows, 2 + batch)
        with pa.ipc.new_stream(body, table.schema) as stream:
            stream.write_table(table)
        many.append(post(f"many {batch}", "application/vnd.apache.arrow.stream", body.getvalue()))
    return {
        "single records": singles / asyncio.run(seconds(port, one, min(2048, singles))),
        "rows in batches": batches * rows / asyncio.run(seconds(port, many, 4)),
    }


def main() -> None:
    """Measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--singles", type=int, default=20_000, help="single records")
    parser.add_argument("--batches", type=int, default=20, help="Arrow batches")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of a batch")
    parser.add_argument("--port", type=int, default=8315)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table_of(1_000, 0), Path(folder) / "people.parquet")
        words = [
            f"workspace={folder}/w", "dataset=table", "dataset.name=people", f"dataset.path={folder}/people.parquet",
            "dataset.jurisdiction=country", "dataset.subject=person", "dataset.target=ill", "federation.regions=auto",
            "federation.hub.location=DE", "border=none", "strategy.federated.min_rows=10",
        ]  # fmt: skip
        fedsov = [sys.executable, "-m", "fedsov", "ingest"]
        subprocess.run([*fedsov, *words, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        serving = [*fedsov, "serve", "--port", str(arguments.port), *words]
        with subprocess.Popen(serving, stderr=subprocess.PIPE, text=True) as server:
            try:
                said = server.stderr.readline() if server.stderr else ""
                if "takes rows" not in said:
                    raise RuntimeError(said)
                time.sleep(1.0)
                speeds = measured(arguments.port, arguments.singles, arguments.batches, arguments.rows)
            finally:
                server.terminate()
    if arguments.json:
        print(json.dumps(speeds))
        return
    for name, speed in speeds.items():
        print(f"{name}: {speed:,.0f} a second ({ASKED[name]:,} are asked for on 2 quiet cores)")


if __name__ == "__main__":
    main()
