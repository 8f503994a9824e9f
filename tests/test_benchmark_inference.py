"""The benchmark of inference asks what it says: a true token, rows that servers read, and ratios that it judges."""

from __future__ import annotations

import http.client
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.world import ROOT

sys.path.insert(0, str(ROOT / "scripts"))  # where `python scripts/benchmark_inference.py` finds its modules
benchmark = import_module("benchmark_inference")
place = import_module("inference_place")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory):
    return place.prepare(tmp_path_factory.mktemp("inference"), {"durable": "batch"})


@pytest.mark.parametrize("logs", [True, False])
def test_the_endpoint_answers_every_form_and_logs_where_it_should(prepared, logs):
    requests = prepared.place.serving.requests
    before = _bytes(requests)
    with benchmark.endpoint("endpoint", prepared, logs=logs) as server:
        assert server.first > 0 and benchmark.memory(server) > 20 and len(benchmark.processes(server)) == 2
        for form in server.forms:
            media_type, content = place.bodies()[form]
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("POST", server.path, content, {**server.headers, "content-type": media_type})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
    written = _bytes(requests) - before
    assert (written > 50_000) == logs


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_second_look_at_a_token_is_cheap(prepared):
    assert 0 < benchmark.token_time(prepared) < benchmark.ASKED_TOKEN


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"token_us": 30.0}, "token"),
        ({"memory": 200.0}, "MB"),
        ({"own": 90.0}, "FastAPI"),
        ({"bare": 30.0}, "log costs"),
    ],
)
def test_a_ratio_that_is_missed_is_named(changed, words):
    given = {"token_us": 1.0, "memory": 80.0, "own": 50.0, "bare": 45.0, **changed}
    results = {
        "endpoint": {"forms": {"1 row": {"cpu_us": given["own"]}}, "memory": given["memory"]},
        "endpoint, unlogged": {"forms": {"1 row": {"cpu_us": given["bare"] * given["own"] / 50.0}}},
        "fastapi": {"forms": {"1 row": {"cpu_us": 170.0}}},
        "token_us": given["token_us"],
    }
    missed = benchmark.missed(results)
    assert [words in each for each in missed] == ([True] if words else [])


def test_times_of_wrk_are_read_in_milliseconds():
    text = "     50%    839.00us\n     99%    1.50s \n"
    assert (benchmark._milliseconds(text, 50), benchmark._milliseconds(text, 99)) == (0.839, 1500.0)
