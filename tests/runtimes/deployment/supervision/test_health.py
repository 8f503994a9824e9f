import asyncio
import resource
import socket
import threading
import time

import pytest

from fedsov.errors import ConfigurationError, FedsovError
from fedsov.runtimes.deployment.supervision.health import (
    MOST_ASKING,
    SILENT,
    Health,
    HealthListener,
    HealthState,
    continued,
    metrics,
    page,
    serve_health,
)


def _asked(health, *requests):
    """The answers of a listener to requests, as bytes."""

    async def ask():
        async with serve_health(health, HealthListener(), party="DE", role="region") as port:
            return [await _one(port, request) for request in requests]

    return asyncio.run(ask())


async def _one(port, request):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def _get(path):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_ready_is_told_with_what_is_waited_for():
    health = Health()
    health.tell(waits_for="the hub at h:1 to answer")
    alive, waiting = _asked(health, _get("/healthz"), _get("/readyz?x=1"))
    assert alive.startswith(b"HTTP/1.1 200 OK\r\n") and alive.endswith(b"\r\n\r\nok\n")
    assert waiting.startswith(b"HTTP/1.1 503 ") and waiting.endswith(b"DE waits for the hub at h:1 to answer\n")
    health.tell(waits_for="")
    assert _asked(health, _get("/readyz"))[0].startswith(b"HTTP/1.1 200 OK")


def test_other_paths_methods_and_languages_get_nothing():
    missing, posted, head, garbage, long = _asked(
        Health(),
        _get("/"),
        b"POST /metrics HTTP/1.1\r\n\r\n",
        b"HEAD /healthz HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\r\n\r\n",
        b"GET /" + b"x" * 20_000,
    )
    assert missing.startswith(b"HTTP/1.1 404") and posted.startswith(b"HTTP/1.1 405")
    assert head.endswith(b"\r\n\r\n") and garbage.startswith(b"HTTP/1.1 405") and long == b""


def test_metrics_are_prometheus_text():
    day = 86400.0
    state = HealthState(
        waits_for="", connected=True, answered=3, refusals=1, bytes_in=10, bytes_out=12, last_round=0.25
    )
    text = metrics(state, party='a"b\\c', role="region", is_ready=True, now=0.0)
    assert '# TYPE fedsov_restarts_total counter\nfedsov_restarts_total{party="a\\"b\\\\c",role="region"} 0\n' in text
    values = {line.partition("{")[0]: line.rpartition(" ")[2] for line in text.splitlines() if line[0] != "#"}
    assert values == {
        "fedsov_ready": "1",
        "fedsov_connected": "1",
        "fedsov_restarts_total": "0",
        "fedsov_messages_answered_total": "3",
        "fedsov_refusals_total": "1",
        "fedsov_received_bytes_total": "10",
        "fedsov_sent_bytes_total": "12",
        "fedsov_last_round_seconds": "0.25",
    }
    ends = metrics(HealthState(certificate_ends=3 * day), party="DE", role="region", is_ready=True, now=2 * day)
    assert 'fedsov_certificate_days{party="DE",role="region"} 1\n' in ends


def test_a_process_that_falls_silent_is_not_ready():
    now = [0.0]
    health = Health(clock=lambda: now[0])
    health.tell(waits_for="")
    now[0] = SILENT + 1
    assert page("/readyz", health, party="DE", role="region") == (
        503,
        "DE waits for a word of its process, which has said nothing for 61 s and may be frozen\n",
    )
    health.beat()
    assert page("/readyz", health, party="DE", role="region")[0] == 200


def test_threads_lose_no_count():
    health = Health()
    threads = [threading.Thread(target=lambda: [health.count(answered=1) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert health.state.answered == 2000


def test_a_state_is_a_line_and_totals_go_on_after_a_restart():
    state = HealthState(waits_for="x\ny", answered=2, last_round=1.5, certificate_ends=9.0)
    assert HealthState.from_json(state.to_json()) == state and "\n" not in state.to_json()
    earlier = HealthState(answered=5, bytes_in=7, last_round=3.0, restarts=4)
    assert continued(earlier, HealthState(answered=2, bytes_in=1, waits_for="")) == HealthState(
        answered=7, bytes_in=8, last_round=3.0, restarts=4, waits_for=""
    )
    for line in ("", "[]", "{}", '{"answered": "x"}', state.to_json().replace("2", "Infinity")):
        with pytest.raises(FedsovError, match="no state"):
            HealthState.from_json(line)


def test_a_port_in_use_and_one_that_there_is_not_are_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = HealthListener(port=taken.getsockname()[1])

        async def listen():
            async with serve_health(Health(), listener, party="DE", role="region"):
                pass

        with pytest.raises(ConfigurationError, match=r"DE cannot tell its health .* name a free port"):
            asyncio.run(listen())
    with pytest.raises(ConfigurationError, match=r"health\.port"):
        HealthListener(port=65536)


def test_idle_costs_no_cpu_and_crowds_are_sent_away():
    async def idle():
        async with serve_health(Health(), HealthListener(), party="DE", role="region") as port:
            before = resource.getrusage(resource.RUSAGE_SELF)
            began = time.monotonic()
            await asyncio.sleep(0.5)
            after = resource.getrusage(resource.RUSAGE_SELF)
            share = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (time.monotonic() - began)
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_ASKING)]
            crowded = await _one(port, _get("/healthz"))
            for _, writer in silent:
                writer.close()
            await asyncio.sleep(0.05)
            return share, crowded, await _one(port, _get("/healthz"))

    share, crowded, later = asyncio.run(idle())
    assert share < 0.02 and crowded == b"" and later.startswith(b"HTTP/1.1 200")
