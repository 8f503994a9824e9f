"""Fork server: slow libraries are imported once; region processes are forked from it.

The fork server holds neither keys nor rows: it is started before anything is read, told only which modules to
import, and forks on request. The request is a byte string of JSON, the socket of the new process comes with it, and
what the new process runs is a name from `ROLES`, never an import path. Children leave the terminal's process group,
so that Ctrl-C reaches the person's process alone, which then closes the sockets; a child whose socket closes ends, and
one that goes on computing is killed (its files are written so that any instant is a good one).

    $ python -m fedsov.runtimes.fork_server 5 numpy,torch        # 5: file descriptor of the control socket

    with ForkServer.start(TO_READ) as server:
        socket = server.fork("region")
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any

from fedsov import registry
from fedsov.border.law.bundle_loader import load_bundle, load_words
from fedsov.errors import FedsovError
from fedsov.processes import ending_with, freeze, live
from fedsov.runtimes.framed_socket import FramedSocket
from fedsov.storage.private_files import keep_private

LARGEST_REQUEST = 1 << 16
TO_READ = (
    "fedsov.region.worker",
    "fedsov.runtimes.region_process",
    "fedsov.runtimes.ingestion_process",
    "pyarrow.parquet",
    "pyarrow.compute",
    "flwr.clientapp",
)
"""What regions need that are asked what they have, and nothing more."""
TO_TRAIN = ("torch", "torch.nn.functional", *TO_READ)
TO_REGISTER = ("fedsov.registry.tracking", "fedsov.runtimes.registry_process")


ROLES: Mapping[str, str] = {
    "region": "fedsov.runtimes.region_process",
    "deployed region": "fedsov.runtimes.deployment.region.enveloped_region",
    "ingestion": "fedsov.runtimes.ingestion_process",
    "registrar": "fedsov.runtimes.registry_process",
    "bench": "fedsov.runtimes.bench.child",
}
"""What a forked process may be: the module of each, whose `run` is called with the socket."""


@dataclass(frozen=True, slots=True)
class ForkServer:
    """The near end of a fork server; a context manager, which stops it.

    `modules` are those that it was told to import.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket
    modules: frozenset[str] = frozenset()
    owner: int = field(default_factory=os.getpid)

    @property
    def is_running(self) -> bool:
        """False where it has ended, as far as this process can tell: only the one that started it knows."""
        return self.owner != os.getpid() or self.process.poll() is None

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @staticmethod
    def start(modules: Sequence[str], *, environment: Mapping[str, str] | None = None) -> ForkServer:
        """Starts a process that imports the modules at once, in the background of the caller.

        Args:
            environment: what it and its forks find in theirs, beside what fedsov sets; the caller's by default.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen(
            [sys.executable, "-m", "fedsov.runtimes.fork_server", str(theirs.fileno()), ",".join(modules)],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={
                **(os.environ if environment is None else environment),
                "OMP_NUM_THREADS": "1",
                "MKL_NUM_THREADS": "1",
                **QUIET,
            },
        )
        theirs.close()
        return ForkServer(process, ours, frozenset(modules))

    def fork(
        self, role: str, on_bytes: Callable[[bytes], None] | None = None, *, hold: int | None = None
    ) -> FramedSocket:
        """A new process in the given role, and the socket to it. Returns at once; the fork waits for the imports.

        Args:
            hold: a descriptor that the new process holds for as long as it lives, such as the workspace's lock.
        """
        if role not in ROLES:
            raise FedsovError(f"no such role: {role!r}; the roles are {', '.join(ROLES)}")
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), *([] if hold is None else [hold])]
        try:
            socket.send_fds(self.control, [json.dumps({"role": role}).encode()], descriptors)
        except OSError as error:
            raise FedsovError("the fork server ended; start again, or look for a lack of memory") from error
        finally:
            theirs.close()
        return FramedSocket(ours, on_bytes)

    def stop(self, seconds: float = 5.0) -> None:
        """Ends the fork server, at once where it still imports; its children end when their sockets close."""
        self.control.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class _Shared:
    """Fork servers that are open, and how many hold each. A fork of this process shares them, and never stops one."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    holders: list[tuple[ForkServer, int]] = field(default_factory=list)

    def take(self, modules: Sequence[str]) -> ForkServer:
        """A running server that imports at least these modules, begun where there is none; held once more."""
        with self.lock:
            for place, (server, count) in enumerate(self.holders):
                if server.modules.issuperset(modules) and server.is_running:
                    self.holders[place] = (server, count + 1)
                    return server
            server = ForkServer.start(modules)
            self.holders.append((server, 1))
            return server

    def give_back(self, server: ForkServer) -> None:
        """Held once less; the last holder stops it."""
        with self.lock:
            counts = [(each, count - (each is server)) for each, count in self.holders]
            self.holders = [(each, count) for each, count in counts if count]
            last = (server, 0) in counts
        if last:
            server.stop()


_shared = _Shared()


@contextmanager
def shared_fork_server(modules: Sequence[str]) -> Iterator[ForkServer]:
    """A fork server for the length of the block, the same one for all blocks of this process that are open at once.

    So a command can have it started while settings are still composed, and several runs of one command share it. It
    imports at least these modules.
    """
    server = _shared.take(modules)
    try:
        yield server
    finally:
        _shared.give_back(server)


ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    **registry.QUIET,
}


def serve(control: socket.socket) -> None:
    """Forks one child for each request until the other end closes; a request to terminate waits for that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    freeze()
    while True:
        request, received, _, _ = socket.recv_fds(control, LARGEST_REQUEST, 2)
        if not request:
            _end_children()
            return
        if os.fork() == 0:
            control.close()
            live(partial(_play, json.loads(request), socket.socket(fileno=received[0])))
        for descriptor in received:
            os.close(descriptor)


def _end_children(seconds: float = 2.0) -> None:
    """Waits for children to notice that their sockets are closed; what still computes then is killed with its group."""
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            os.waitpid(-1, os.WNOHANG)
            time.sleep(0.02)
    except ChildProcessError:
        return
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _play(request: Mapping[str, Any], stream: socket.socket) -> None:
    """What a child does: its role, until its socket closes."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    importlib.import_module(ROLES[request["role"]]).run(FramedSocket(stream))


def main(arguments: Sequence[str]) -> None:
    """The fork server itself: import, then fork on request."""
    descriptor, modules = arguments
    keep_private()
    logging.getLogger("flwr").setLevel(logging.ERROR)
    control = socket.socket(fileno=int(descriptor))
    with ending_with(control):
        for module in filter(None, modules.split(",")):
            importlib.import_module(module)
        load_bundle()  # the packaged law is nobody's secret; children find it read
        load_words()
    serve(control)


if __name__ == "__main__":
    main(sys.argv[1:])
