"""Walls between parties on one machine: what is behind them reaches its own folders and the hub's port alone.

Where this system does not permit one of the means its tests are passed over: they run where users may make namespaces,
and where the kernel has Landlock.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from fedsov.runtimes.isolation.rooms import MEANS, Room, prepared
from fedsov.runtimes.isolation.walls import LANDLOCK, NAMESPACES, Walls
from tests.world import ROOT

RUNS = {
    NAMESPACES: "it runs where users may make namespaces: user.max_user_namespaces above 0, no seccomp against unshare",
    LANDLOCK: "it runs on Linux 5.13 or newer with landlock in /sys/kernel/security/lsm",
}
"""Where the tests of each means do run."""
NEEDED = {"read its own file", "write its own file", "write a temporary file", "reach the hub", "run a program"}
NEEDED |= {"read a file that it is shown", "read what lies beside hidden folders"}
UDP, UNMOUNT = "send a datagram", "take down a wall"


@pytest.fixture
def told(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A workspace of two regions, and servers of this machine: the hub's port, another, and one of datagrams."""
    workspace = tmp_path / "w"
    paths = {"mine": "regions/DE/rows", "theirs": "regions/FR/rows", "hub": "hub/ledger"}
    paths |= {"shown": "quarantine/report", "beside": "law/rules"}
    for path in paths.values():
        (workspace / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace / path).write_text("x")
    (workspace / "deployment" / "DE").mkdir(parents=True)
    with ExitStack() as opened:
        other = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        datagrams = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        threading.Thread(target=_echo, args=(datagrams,), daemon=True).start()
        yield {
            **{name: str(workspace / path) for name, path in paths.items()},
            "regions": str(workspace / "regions"), "elsewhere": str(ROOT / f".written-{os.getpid()}"),
            "outside": os.getpid(), "other_port": other.getsockname()[1],
            "datagram_port": datagrams.getsockname()[1], "workspace": str(workspace),
        }  # fmt: skip
    (ROOT / f".written-{os.getpid()}").unlink(missing_ok=True)


def _echo(datagrams: socket.socket) -> None:
    with suppress(OSError):
        while True:
            datagrams.sendto(b"x", datagrams.recvfrom(16)[1])


def walls(told: dict[str, Any], port: int) -> Walls:
    workspace = told["workspace"]
    hidden = [f"{workspace}/{name}" for name in ("hub", "regions", "quarantine", "deployment")]
    own = [f"{workspace}/regions/DE", f"{workspace}/deployment/DE"]
    return Walls(own=own, hidden=hidden, shown=[told["shown"]], port=port)


def reached(room: Room, told: dict[str, Any], hub_port: int) -> set[str]:
    """What a process in a room reaches."""
    program = [sys.executable, str(Path(__file__).with_name("reach.py")), json.dumps({**told, "hub_port": hub_port})]
    done = subprocess.run(
        room.command(program), capture_output=True, text=True, pass_fds=room.descriptors, timeout=60,
        cwd=f"{told['workspace']}/regions/DE", env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def room_of(means: str, told: dict[str, Any], port: int) -> Room:
    room = prepared({"DE": walls(told, port)}, "127.0.0.1", means=[means])["DE"]
    if room.walls is None:
        pytest.skip(f"this system has no {means} ({'; '.join(room.lacking)}); {RUNS[means]}")
    return room


def test_without_walls_the_same_program_reaches_everything(told: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        everything = reached(Room("DE"), told, hub.getsockname()[1])
    assert everything >= NEEDED | {"read another's file", "read the hub's file", "signal a process outside", UDP}
    assert everything >= {"reach another port", "write outside", "listen", "list what the workspace held before"}
    assert everything >= {
        "read another's file past its own working folder",
        "read the environment of a process outside",
    }


def test_in_namespaces_it_reaches_its_own_folders_and_the_hub_s_socket_alone(told: dict[str, Any]) -> None:
    room = room_of(NAMESPACES, told, 9092)
    hub = socket.socket(fileno=room.listener)
    with hub:
        hub.listen()
        assert reached(room, told, 9092) - {"listen"} == NEEDED  # it may listen where nobody else is
        hub.shutdown(socket.SHUT_RDWR)  # as a coordinator does at its end
        assert "reach the hub" not in reached(room, told, 9092)
        hub.listen()
        assert "reach the hub" in reached(room, told, 9092), "the one that begins anew listens there again"


def test_by_landlock_it_opens_its_own_folders_and_reaches_the_hub_s_port_and_udp_is_said(told: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        port = hub.getsockname()[1]
        room = room_of(LANDLOCK, told, port)
        expected = NEEDED | ({UDP} if any("UDP" in each for each in room.lacking) else set())
        lacks_tcp, lacks_signals = (any(word in each for each in room.lacking) for word in ("TCP", "signals"))
        expected |= {"reach another port", "listen"} if lacks_tcp else set()
        expected |= {"signal a process outside"} if lacks_signals else set()
        assert reached(room, told, port) == expected
    assert "UDP" in room.sentence()


def test_who_needs_the_machine_s_network_keeps_it_and_that_is_said(told: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        room = room_of(NAMESPACES, told, 0)
        found = reached(room, told, hub.getsockname()[1])
    assert {"reach another port", UDP} <= found
    assert not found & {"read another's file", "read the hub's file", "write outside", UNMOUNT}
    assert "its network is this machine's" in room.sentence()


def test_a_folder_that_hides_some_of_its_own_needs_namespaces(told: dict[str, Any]) -> None:
    workspace = told["workspace"]
    hub = Walls(own=[workspace], hidden=[f"{workspace}/regions"])
    room = prepared({"hub": hub}, "", means=[LANDLOCK])["hub"]
    assert room.walls is None
    assert "cannot hide folders that lie in its own" in room.sentence()
    room = prepared({"hub": hub}, "", means=[NAMESPACES])["hub"]
    if room.walls is not None:
        assert not reached(room, told, 0) & {"read another's file", "read its own file"}
        assert "read the hub's file" in reached(room, told, 0)


def test_where_nothing_is_permitted_it_says_what_can_be_read_and_how_to_get_more(
    told: dict[str, Any],
) -> None:
    room = prepared({"DE": walls(told, 9092)}, "not an address", means=MEANS[:1])["DE"]
    assert room.walls is None
    assert room.command(["program"]) == ["program"]
    assert "it can read whatever this user can" in room.sentence()
    assert "max_user_namespaces" in room.sentence()


def test_the_stronger_of_two_is_taken_and_the_other_s_reason_is_said(told: dict[str, Any]) -> None:
    room = prepared({"DE": walls(told, 9092)}, "not an address")["DE"]  # no socket can be made: no namespaces
    if room.walls is None:
        pytest.skip(f"this system has no {LANDLOCK}; {RUNS[LANDLOCK]}")
    assert room.walls.means == LANDLOCK
    assert "not there: namespaces (" in room.sentence()
