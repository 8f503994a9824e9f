"""A room for each party of a trial: the walls that this system permits, tried before anything runs behind them.

    rooms = prepared({"DE": Walls(own=[...], hidden=[...], port=9092)}, host="127.0.0.1")
    rooms["DE"].command(["/usr/bin/python", "-m", "..."])     # the same program, behind the walls
    rooms["DE"].sentence()                                    # what stands, and what does not

A process of its own makes the namespaces and tries all of it, for they are for processes with one thread. In a room's
network the hub's port is a socket that this process holds and the hub listens on (`listener`): nothing is between them,
no right is needed, and a hub that begins anew listens on the same one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from fedsov.runtimes.bench import linux
from fedsov.runtimes.isolation.walls import LANDLOCK, NAMESPACES, ROOT_AS, Walls, raise_walls

MEANS = (NAMESPACES, LANDLOCK)
SECONDS = 20.0
LARGEST = 1 << 16
WAY_OUT = (
    "Linux permits them to users where user.max_user_namespaces is above 0 (with Ubuntu, "
    "kernel.apparmor_restrict_unprivileged_userns=0), and in a container where its profile does "
    "(docker: --security-opt seccomp=unconfined)"
)


@dataclass(frozen=True, slots=True)
class Room:
    """What stands around one party.

    Attributes:
        walls: None where the system permits none.
        listener: the descriptor of the hub's socket in its network; -1 where it has none of its own.
        lacking: what the system did not permit, by name with the reason.
    """

    party: str
    walls: Walls | None = None
    listener: int = -1
    lacking: Sequence[str] = field(default=())

    def command(self, program: Sequence[str]) -> list[str]:
        """The words that run a program in this room."""
        if self.walls is None:
            return list(program)
        return [sys.executable, "-m", "fedsov.runtimes.isolation.enter", self.walls.to_json(), *program]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What its process is handed, to enter its namespaces."""
        return () if self.walls is None else tuple(each for each in (self.walls.user, self.walls.network) if each >= 0)

    def stands(self) -> str:
        """What stands around it, as the end of "DE: ..."."""
        if self.walls is None:
            return "a process of its own and nothing more: it can read whatever this user can, and reach any network"
        seen = "seen" if self.walls.means == NAMESPACES else "opened"
        folders = f"no other party's folder can be {seen}, its own alone can be written"
        reached = "its network is this machine's"
        if self.walls.port:
            only = self.walls.means == NAMESPACES
            reached = "it reaches the hub's port and nothing else" if only else "TCP reaches the hub's port alone"
        return f"{self.walls.means}: {folders}; {reached}"

    def sentence(self) -> str:
        """What stands, and what does not."""
        return f"{self.stands()}{'; not there: ' + '; '.join(self.lacking) if self.lacking else ''}"


def prepared(asked: Mapping[str, Walls], host: str, *, means: Sequence[str] = MEANS) -> dict[str, Room]:
    """The rooms of parties, by name: the strongest of these means that this system permits, each tried.

    Args:
        host: the address of the hub's socket in a network that has nothing else.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    text = json.dumps(
        {"host": host, "means": list(means), "asked": {name: asdict(each) for name, each in asked.items()}}
    )
    words = [sys.executable, "-m", "fedsov.runtimes.isolation.rooms", str(theirs.fileno())]
    with ours:
        try:
            process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        finally:
            theirs.close()
        with process:
            if process.stdin is not None:
                process.stdin.write(text.encode())
                process.stdin.close()
            ours.settimeout(SECONDS)
            return {name: _received(ours, name, asked[name]) for name in asked}


def _received(connection: socket.socket, name: str, asked: Walls) -> Room:
    """What the process told of one party, whose descriptors are ours now."""
    try:
        told, descriptors, *_ = socket.recv_fds(connection, LARGEST, 3)
        room = json.loads(told)
    except (OSError, ValueError) as problem:
        return Room(name, lacking=(f"walls (nothing told which ones there are: {problem})",))
    if not room["means"]:
        return Room(name, lacking=tuple(room["lacking"]))
    user, network, listener = [*descriptors, -1, -1, -1][:3]
    walls = replace(asked, means=room["means"], user=user, network=network)
    return Room(name, walls, listener, tuple(room["lacking"]))


def main() -> None:
    """Makes and tries the rooms that are asked for on standard input, and sends them over a socket."""
    asked = json.load(sys.stdin)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        for walls in asked["asked"].values():
            _send(connection, Walls(**walls), asked["host"], asked["means"])


def _send(connection: socket.socket, walls: Walls, host: str, means: Sequence[str]) -> None:
    lacking = list[str]()
    for each in means:
        descriptors = list[int]()
        try:
            descriptors = _namespaces(walls, host) if each == NAMESPACES else []
            user, network = [*descriptors, -1, -1][:2]
            lesser = _tried(replace(walls, means=each, user=user, network=network))
        except OSError as error:
            hint = f"; {WAY_OUT}" if each == NAMESPACES else ""
            lacking.append(f"{each} ({error.strerror or error}{hint})")
            continue
        socket.send_fds(connection, [json.dumps({"means": each, "lacking": [*lacking, *lesser]}).encode()], descriptors)
        return
    connection.send(json.dumps({"means": "", "lacking": lacking}).encode())


def _namespaces(walls: Walls, host: str) -> list[int]:
    """Descriptors of a namespace of users; of a network and its only socket as well, where there is a port.

    Raises OSError.
    """
    ours, theirs = socket.socketpair()

    def make() -> str:
        """Makes them in a child, and sends their descriptors."""
        linux.own_namespaces(["user", "network"] if walls.port else ["user"], root_as=ROOT_AS)
        descriptors = [os.open("/proc/self/ns/user", os.O_RDONLY)]
        if walls.port:
            linux.start_loopback()
            listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            listener.bind((host, walls.port))
            descriptors += [os.open("/proc/self/ns/net", os.O_RDONLY), listener.fileno()]
        socket.send_fds(theirs, [b"made"], descriptors)
        return ""

    with ours, theirs:
        _in_a_child(make)
        _, descriptors, *_ = socket.recv_fds(ours, 16, 3)
        return descriptors


def _tried(walls: Walls) -> list[str]:
    """What these walls lack of the lesser things. Raises OSError where they do not rise."""
    found: list[str] = json.loads(_in_a_child(lambda: json.dumps(raise_walls(walls))))
    return found


def _in_a_child(act: Callable[[], str]) -> str:
    """What a function gives in a child of this process. Raises OSError as it raised it there."""
    read, write = os.pipe()
    if not (child := os.fork()):
        _answer(write, act)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    kind, _, rest = text.partition(" ")
    if kind == "done":
        return rest
    number, _, words = rest.partition(" ")
    raise OSError(int(number or 0), words or "its process ended")


def _answer(write: int, act: Callable[[], str]) -> None:
    text = "failed 0 "
    try:
        text = f"done {act()}"
    except OSError as error:
        text = f"failed {error.errno or 0} {error.strerror or error}"
    finally:
        os.write(write, text.encode())
        os._exit(0)


if __name__ == "__main__":
    main()
