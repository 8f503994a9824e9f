import asyncio
import socket
import threading
from dataclasses import replace

import pytest

from fedsov.runtimes.deployment.supervision.health import Health, HealthListener, serve_health
from tests.runtimes.deployment.preflight.a_party import findings, hub_of, problems, region_of


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        ((), "fedsov is not installed here as a package"),
        (("flwr==1.0.0", "torch>=2"), "flwr is 1."),
        (("flwr>=1", "no-such-package>=3"), "no-such-package is missing; install fedsov by its lock file"),
    ],
)
def test_packages_are_those_that_fedsov_states(workspace, hub, requirements, said):
    line = problems(region_of(workspace, requirements=requirements))
    assert list(line) == ["software"] and said in line["software"]


def test_requirements_of_extras_do_not_count(workspace, hub):
    examined = region_of(workspace, requirements=("flwr>=1", 'no-such-package>=3; extra == "test"', "?"))
    assert findings(examined)["software"].seen.endswith("1 package as stated")


def test_telemetry_that_is_on_is_told(workspace, hub):
    line = problems(region_of(workspace, environment={"FLWR_TELEMETRY_ENABLED": "1"}))
    assert line == {
        "telemetry": "PROBLEM    telemetry: the environment has FLWR_TELEMETRY_ENABLED=1; "
        "unset it, or set FLWR_TELEMETRY_ENABLED=0"
    }
    assert "telemetry" not in problems(region_of(workspace, environment={"DO_NOT_TRACK": "1"}))


def test_a_full_disk_and_a_missing_home_are_told(workspace, hub):
    assert "1.5 GiB are free" in problems(region_of(workspace, free=lambda _: 3 << 29))["disk"]
    assert "is no folder" in problems(replace(region_of(workspace), home=workspace / "absent"))["disk"]


def test_a_port_that_another_has_is_told(workspace, hub):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = problems(replace(region_of(workspace), health_port=port))["ports"]
    assert f"port {port} cannot be listened on (Address already in use)" in line and "--health-port" in line
    assert findings(replace(region_of(workspace), health_port=port))["ports"].seen == f"{port} is free"


def test_a_port_on_which_the_party_itself_tells_its_health_is_its_own(workspace, hub):
    ports, done = list[int](), threading.Event()

    async def serve():
        async with serve_health(Health(), HealthListener(), party="EU", role="region") as port:
            ports.append(port)
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        while not ports:
            thread.join(0.01)
        own = replace(region_of(workspace), health_port=ports[0])
        assert findings(own)["ports"].seen == f"{ports[0]} is this party's own, which runs"
        assert "cannot be listened on" in problems(replace(region_of(workspace, "US"), health_port=ports[0]))["ports"]
    finally:
        done.set()
        thread.join()


def test_a_hub_that_runs_has_its_port(workspace, hub):
    own = f"{hub.address.port} is this party's own, which runs"
    assert findings(hub_of(workspace))["ports"].seen == ", ".join([own] * 3)
