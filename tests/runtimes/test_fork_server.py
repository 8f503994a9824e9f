"""A real fork server: it forks what its table names, is shared by those who hold it, and ends with the last."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from fedsov.errors import FedsovError
from fedsov.runtimes.fork_server import ROLES, ForkServer, shared_fork_server
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame

QUICK = ["json"]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer.start(QUICK) as started:
        yield started


def _ended(pid: int, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_role_that_the_table_does_not_name_is_not_run(server: ForkServer) -> None:
    with pytest.raises(FedsovError, match="no such role: 'os.system'; the roles are region, deployed region, ing"):
        server.fork("os.system")
    assert set(ROLES) == {"region", "deployed region", "ingestion", "registrar", "bench"}


def test_a_forked_process_answers_on_its_socket_and_ends_with_it(server: ForkServer) -> None:
    first, second = server.fork("registrar"), server.fork("registrar")
    for connection in (first, second):
        connection.send(Frame({"act": "models", "folder": "/nowhere"}))
    assert [connection.receive().header for connection in (first, second)] == [{"models": []}] * 2
    first.close()
    second.send(Frame({"act": "models", "folder": "/nowhere"}))  # the end of one is not the other's
    assert second.receive().header == {"models": []}
    second.close()


def test_what_a_process_is_told_to_hold_it_holds_until_it_ends(server: ForkServer) -> None:
    reading, writing = os.pipe()
    connection = server.fork("registrar", hold=writing)
    os.close(writing)
    connection.send(Frame({"act": "models", "folder": "/nowhere"}))
    connection.receive()
    os.set_blocking(reading, False)
    with pytest.raises(BlockingIOError):  # somebody still holds the writing end
        os.read(reading, 1)
    connection.close()
    os.set_blocking(reading, True)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_every_byte_between_the_processes_can_be_heard(server: ForkServer) -> None:
    heard: list[bytes] = []
    connection = server.fork("registrar", heard.append)
    connection.send(Frame({"act": "models", "folder": "/nowhere"}))
    connection.receive()
    connection.close()
    assert b"/nowhere" in heard[0] and b'"models"' in heard[1]


def test_a_block_stops_its_server_and_the_processes_of_it() -> None:
    with ForkServer.start(QUICK) as started:
        connection = started.fork("registrar")
        assert started.is_running
    assert not started.is_running and _ended(started.process.pid)
    with pytest.raises(ConnectionClosed):
        connection.receive()
    with pytest.raises(FedsovError, match="the fork server ended"):
        started.fork("registrar")


def test_those_who_hold_a_server_at_once_share_it_and_the_last_one_stops_it() -> None:
    with shared_fork_server(["json", "csv"]) as first:
        with shared_fork_server(["csv"]) as second, shared_fork_server(["json", "csv"]) as third:
            assert first is second is third
        assert first.is_running
        with shared_fork_server(["json", "wave"]) as other:  # it imports more: another one
            assert other is not first
        assert not other.is_running and first.is_running
    assert not first.is_running


def test_a_server_that_was_killed_is_not_shared_any_more() -> None:
    with shared_fork_server(QUICK) as killed:
        killed.process.kill()
        killed.process.wait()
        with shared_fork_server(QUICK) as fresh:
            assert fresh is not killed and fresh.is_running
