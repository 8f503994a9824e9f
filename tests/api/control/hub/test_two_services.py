"""Two services of one hub, on one PostgreSQL database, behind one address of HAProxy: either may be killed."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fedsov.control_plane.database.notices import announce
from fedsov.control_plane.database.place import name_database
from fedsov.protocol.control import APPROVED
from fedsov.runtimes.deployment.hub_connection import Credentials, HubUnreachable
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.party_file import HubAddress
from tests.api.control.processes import SECONDS, ControlProcesses, until
from tests.postgresql_server import postgresql_server
from tests.runtimes.deployment.world import free_port

CONFIGURATION = """
global
  maxconn 2000
defaults
  mode tcp
  timeout connect 2s
  timeout client 1m
  timeout server 1m
frontend control
  bind 127.0.0.1:{front}
  default_backend services
backend services
  balance random
  option redispatch
  retries 3
  default-server check inter 100ms fall 2 rise 1 on-marked-down shutdown-sessions
  server a 127.0.0.1:{a}
  server b 127.0.0.1:{b}
"""
SERVICES = "a", "b"


@contextmanager
def haproxy(folder: Path, front: int, ports: dict[str, int]) -> Iterator[None]:
    """A balancer in front of the services, while the block runs."""
    configured = folder / "haproxy.cfg"
    configured.write_text(CONFIGURATION.format(front=front, **ports))
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    running = subprocess.Popen([program, "-db", "-f", configured], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait(SECONDS)


class Balanced(ControlProcesses):
    """Two services behind one address, and the agent of a region that calls it."""

    def __init__(self, home: Path, database: str) -> None:
        self.front = free_port()
        super().__init__(home, ["DE", "FR"], ways=dict.fromkeys(("DE", "FR"), self.front))
        self.ports = {name: free_port() for name in SERVICES}
        name_database(HubControlFolder(home), database)

    def begin_service(self, name: str) -> None:
        self.begin_hub(name, "--regions-port", str(self.ports[name]), "--pages-port", str(free_port()))

    def client(self, port: int) -> ControlClient:
        return ControlClient(HubAddress("127.0.0.1", port), Credentials.of(self.trial.regions["FR"]))

    def answering(self) -> str:
        """The service that answers a new connection; "" where none does."""
        try:
            with self.client(self.front) as client:
                return client.hello(timeout=5).instance
        except HubUnreachable:
            return ""


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    server = postgresql_server()
    folder = tmp_path_factory.mktemp("balanced")
    try:
        with Balanced(folder, server.get_uri()) as parties, haproxy(folder, parties.front, parties.ports):
            for name in SERVICES:
                parties.begin_service(name)
            parties.begin_region("DE")
            parties.until_seen("DE")
            yield parties
    finally:
        server.cleanup()


def test_both_services_answer_behind_the_one_address(parties: Balanced) -> None:
    instances: set[str] = set()

    def both() -> bool:
        instances.add(parties.answering())
        return len(instances - {""}) == 2

    until(both, "both services to answer")
    assert len(instances - {""}) == 2


@pytest.mark.parametrize("name", SERVICES)
def test_news_that_a_command_writes_wake_a_region_that_waits_at_either(parties: Balanced, name: str) -> None:
    with parties.client(parties.ports[name]) as client:
        client.hello()
        seen, news = client.watch({}, wait=0.0), list[dict[str, int]]()
        waiting = threading.Thread(target=lambda: news.append(client.watch(seen, wait=20.0)))
        waiting.start()
        with closing(parties.database()) as database, database.changing() as connection:
            announce(connection, APPROVED, "FR")
        waiting.join(SECONDS)
        assert list(news[0]) == [APPROVED]


@pytest.mark.parametrize("name", SERVICES)
def test_either_service_is_killed_and_the_region_goes_on_with_the_other(parties: Balanced, name: str) -> None:
    parties.kill(name)
    parties.until_seen("DE", after=time.time())
    until(parties.answering, "the other service to answer")
    parties.begin_service(name)
    seen: set[str] = set()

    def both() -> bool:
        seen.add(parties.answering())
        return len(seen - {""}) == 2

    until(both, "both services to answer again")
    assert len(seen - {""}) == 2


def test_two_services_leave_one_row_for_a_region_and_none_says_less_than_the_other(parties: Balanced) -> None:
    state = parties.until_seen("DE", after=time.time())
    later = parties.until_seen("DE", after=state.seen_at.timestamp())
    assert (later.changed_at, later.reachable_since) == (state.changed_at, state.reachable_since)
