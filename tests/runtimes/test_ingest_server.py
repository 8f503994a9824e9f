"""The real server over a real socket: what is answered is stored, what is not stored is said, and no value is told."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
import uvicorn

from fedsov.partition.arrival import NO_CONDITIONS
from fedsov.partition.further.append import open_appendable
from fedsov.partition.further.requests import ARROW, Door
from fedsov.runtimes.ingest_server import IngestServer, ServerLimits
from tests.partition.world import ATLAS, bytes_under, people, read, run, spec_of, written

TODAY = date(2026, 1, 3)
ROW = {"name": "Ann", "passport": "Z1", "country": "DE", "age": 41, "job": "nurse", "wage": 50.5, "contract": "open"}


@contextmanager
def served(workspace: Path, limits: ServerLimits, region: str = "") -> Iterator[httpx.Client]:
    """A client of a server of its own thread and port."""
    stores = open_appendable(spec_of(workspace.parent / "people.parquet"), atlas=ATLAS, workspace=workspace)
    commit = partial(Door(stores, NO_CONDITIONS, region).commit, today=TODAY)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        server = uvicorn.Server(uvicorn.Config(IngestServer(commit, limits), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{bound.getsockname()[1]}", timeout=30) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    run(spec_of(written(tmp_path, people(40))), tmp_path / "w")
    return tmp_path / "w"


def sent(client: httpx.Client, rows: Any, key: str = "k") -> httpx.Response:
    return client.post("/rows", json=rows, headers={"Idempotency-Key": key})


def ages(workspace: Path, region: str) -> list[float]:
    return sorted(read(workspace, region).columns["age"].tolist())


def test_a_record_a_list_and_an_arrow_stream_are_stored_once_before_they_are_answered(workspace: Path) -> None:
    before = len(ages(workspace, "EU")), len(ages(workspace, "US"))
    table, body = people(60).slice(40), io.BytesIO()
    with pa.ipc.new_stream(body, table.schema) as stream:
        stream.write_table(table)
    arrow = {"Content-Type": ARROW, "Idempotency-Key": "arrow"}
    with served(workspace, ServerLimits()) as client:
        assert client.get("/health").json() == {"state": "serving"}
        for state in ("stored", "already stored"):
            answer = sent(client, ROW)
            assert (answer.status_code, answer.json()) == (
                200,
                {"state": state, "stored": {"EU": 1}, "quarantined": {}},
            )
            assert ages(workspace, "EU").count(41.0) == ages(workspace, "EU").count(41.0)
            many = sent(client, [ROW | {"country": "US", "passport": "Z2"}, ROW | {"country": "??"}], "many").json()
            assert many == {"state": state, "stored": {"US": 1}, "quarantined": {"jurisdiction unknown": 1}}
            whole = client.post("/rows", content=body.getvalue(), headers=arrow).json()
            assert whole["state"] == state and sum(whole["stored"].values()) == 20
    now = len(ages(workspace, "EU")), len(ages(workspace, "US"))
    assert sum(now) - sum(before) == 22


def test_requests_that_come_together_are_each_answered_and_stored_once(workspace: Path) -> None:
    before = len(ages(workspace, "EU"))
    with served(workspace, ServerLimits()) as client, ThreadPoolExecutor(16) as senders:
        rows = [ROW | {"passport": f"T{row % 40}"} for row in range(80)]  # each of 40 twice, some at once
        rows[7] = {**rows[7], "age": "old"}
        answers = list(senders.map(lambda row: sent(client, row, row["passport"]), rows))
    states = [answer.json().get("state") for answer in answers]
    assert [answer.status_code for answer in answers].count(422) == 1 and states.count("stored") == 40
    assert states.count("already stored") == 39 and len(ages(workspace, "EU")) == before + 40


@pytest.mark.parametrize(
    ("rows", "status", "says"),
    [
        ({name: value for name, value in ROW.items() if name != "job"}, 422, {"column": "job"}),
        (ROW | {"extra": 1}, 422, {"column": "extra"}),
        (ROW | {"age": "Jane Canary"}, 422, {"column": "age"}),
        (ROW | {"job": {"Jane Canary": 1}}, 422, {"column": "job"}),
        (ROW | {"country": "US"}, 421, {"region": "US"}),
        ([], 400, {}),
        (["Jane Canary"], 400, {}),
    ],
    ids=["missing", "too many", "no number", "nested", "another region", "no record", "no records"],
)
def test_what_is_not_taken_is_said_by_name_and_stores_nothing(
    workspace: Path, rows: Any, status: int, says: dict[str, str]
) -> None:
    before = bytes_under(workspace)
    with served(workspace, ServerLimits(), region="EU") as client:
        answer = sent(client, rows)
    assert answer.status_code == status and answer.json().items() >= says.items()
    assert "Canary" not in answer.text and bytes_under(workspace) == before


def test_bodies_that_are_too_large_too_many_too_slow_or_unnamed_are_not_taken(workspace: Path) -> None:
    before = bytes_under(workspace)
    with served(workspace, ServerLimits(body=2000, waiting=800, seconds=0.5)) as client:
        assert sent(client, [ROW] * 100).status_code == 413
        busy = sent(client, [ROW] * 12)
        assert (busy.status_code, busy.headers["Retry-After"]) == (429, "1")
        assert client.post("/rows", json=ROW).status_code == 400
        assert client.post("/rows", content=b"x", headers={"Idempotency-Key": "k"}).status_code == 415
        assert client.get("/rows").status_code == 404
        with closing(socket.create_connection((client.base_url.host, client.base_url.port))) as slow:
            head = "POST /rows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"
            slow.sendall(f"{head}Content-Length: 500\r\n\r\n{{".encode())
            started = time.monotonic()
            assert b" 408 " in slow.recv(100) and time.monotonic() - started < 20
        assert sent(client, ROW).status_code == 200
    assert bytes_under(workspace) != before


def test_a_key_that_comes_with_other_rows_is_refused(workspace: Path) -> None:
    with served(workspace, ServerLimits()) as client:
        assert sent(client, ROW).status_code == 200
        other = sent(client, ROW | {"age": 42})
    assert other.status_code == 422 and "idempotency key" in json.loads(other.text)["error"]
