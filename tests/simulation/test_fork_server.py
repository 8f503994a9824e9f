"""Forks of a server: each holds its own line alone, none outlives the caller, nothing waits for ever."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from fedsov.errors import TrainingFailed
from fedsov.simulation.fork_server import ForkedProcess, PoolForkServer
from tests.simulation.processes import children_of, end_within, is_running
from tests.world import ROOT

TARGET = "tests.simulation.echo_worker"


@pytest.fixture
def server() -> Iterator[PoolForkServer]:
    server = PoolForkServer(TARGET)
    yield server
    server.stop()


def asked(process: ForkedProcess, what: str) -> object:
    process.connection.send_bytes(what.encode())
    return json.loads(process.connection.recv_bytes())


def test_forks_are_children_of_a_prepared_server_of_one_thread_and_hold_their_own_line_alone(
    server: PoolForkServer,
) -> None:
    forks = [server.fork() for _ in range(3)]
    for fork in forks:
        facts = asked(fork, "where")
        assert facts == {"parent": fork.server, "prepared": [fork.server], "others": []}
        assert asked(fork, "threads of the server") == 1
    assert fork.server not in (os.getpid(), os.getppid())


def test_a_fork_is_given_copies_of_descriptors(server: PoolForkServer) -> None:
    reading, writing = os.pipe()
    fork = server.fork([writing])
    os.close(writing)
    assert asked(fork, "write") == 7 and os.read(reading, 7) == b"written"
    server.end(fork)
    assert os.read(reading, 1) == b""  # the server kept no copy
    os.close(reading)


def test_what_ended_a_fork_is_told_and_it_is_gone(server: PoolForkServer) -> None:
    busy, leaving, dying = (server.fork() for _ in range(3))
    busy.connection.send_bytes(b"sleep")
    leaving.connection.send_bytes(b"exit")
    dying.connection.send_bytes(b"die")
    with pytest.raises(EOFError):
        leaving.connection.recv_bytes()
    assert server.end(leaving) == "with exit code 7"
    assert server.end(dying) == server.end(busy) == "by signal 9 (SIGKILL)"
    assert not any(os.path.exists(f"/proc/{fork.pid}") for fork in (busy, leaving, dying))


def test_a_fork_whose_line_closes_ends(server: PoolForkServer) -> None:
    fork = server.fork()
    fork.connection.close()
    assert end_within([fork.pid], 10)


def test_the_caller_s_own_children_are_not_waited_for(server: PoolForkServer) -> None:
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(5)"])
    until = time.monotonic() + 20
    while is_running(child.pid) and time.monotonic() < until:
        time.sleep(0.01)
    for _ in range(3):
        server.end(server.fork())
    assert os.waitpid(child.pid, 0)[1] >> 8 == 5
    child.returncode = 5


def test_a_server_that_was_killed_takes_its_forks_along_and_is_started_again(server: PoolForkServer) -> None:
    forks = [server.fork() for _ in range(2)]
    forks[0].connection.send_bytes(b"sleep")
    os.kill(forks[0].server, signal.SIGKILL)
    assert end_within([fork.pid for fork in forks], 10)
    assert server.end(forks[0]) == "with the process that it was forked from"
    again = server.fork()
    assert again.server != forks[0].server and asked(again, "where")
    assert server.end(forks[1]) == "with the process that it was forked from"
    assert is_running(again.pid)


def test_what_cannot_be_started_is_named(server: PoolForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(TrainingFailed, match=r"worker processes cannot be started: .*/nowhere/python"):
        server.fork()
    nothing = PoolForkServer("tests.simulation.no_such_module")
    monkeypatch.undo()
    with pytest.raises(TrainingFailed, match="cannot be started: the process that they are forked from ended"):
        nothing.fork()


def test_threads_take_turns(server: PoolForkServer) -> None:
    answers = list[object]()

    def use() -> None:
        for _ in range(5):
            fork = server.fork()
            answers.append(asked(fork, "where")["others"])  # type: ignore[index]
            server.end(fork)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [[]] * 20


CALLER = """
import os, sys, threading, time
from fedsov.simulation.fork_server import PoolForkServer
server = PoolForkServer("tests.simulation.echo_worker")
if sys.argv[1] == "importing":
    server.start()
    print(server._process.pid, flush=True)
elif sys.argv[1] == "asking":
    fork = server.fork()
    print(fork.server, fork.pid, fork.pid, flush=True)
    while True:
        server.end(server.fork())
else:
    forks = [server.fork(), server.fork()]
    forks[0].connection.send_bytes(b"sleep")
    if sys.argv[1] == "forked" and os.fork() == 0:  # a child of the caller's own holds all its descriptors
        time.sleep(600)
    print(forks[0].server, *(fork.pid for fork in forks), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("when", ["importing", "serving", "asking", "forked"])
def test_no_process_outlives_a_caller_that_is_killed_and_none_complains(when: str) -> None:
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, when], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert caller.stdout is not None and caller.stderr is not None
    pids = [int(word) for word in caller.stdout.readline().split()]
    own = children_of(caller.pid) - set(pids) if when == "forked" else set()  # of the caller's own
    time.sleep(0.2 if when == "asking" else 0.0)
    assert len(pids) == (1 if when == "importing" else 3) and all(is_running(pid) for pid in pids)
    caller.kill()
    caller.wait()
    try:
        assert end_within(pids, 10)
        assert len(own) == (when == "forked") and all(is_running(pid) for pid in own)
    finally:
        for pid in own:
            os.kill(pid, signal.SIGKILL)
    assert caller.stderr.read() == ""  # at its end: whoever held it is gone
    caller.stdout.close()
    caller.stderr.close()


def test_a_fork_of_the_caller_s_own_starts_a_server_of_its_own(server: PoolForkServer) -> None:
    fork = server.fork()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        other = server.fork()
        os.write(writing, json.dumps([other.server, os.getpid(), asked(other, "where")["parent"]]).encode())  # type: ignore[index]
        server.stop()
        os._exit(0)
    os.close(writing)
    other, own, parent = json.loads(os.read(reading, 1000))
    os.close(reading)
    assert os.waitpid(child, 0) == (child, 0)
    assert other == parent != fork.server and own == child
    assert asked(fork, "where") and not is_running(other)
