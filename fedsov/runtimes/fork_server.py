"""Processes that are born warm: one process imports the slow libraries, and each region is a fork of it.

The warm process holds neither keys nor rows: it is started before anything is read, told only which modules to
import, and forks on request. The request is a byte string of JSON, the socket of the new process comes with it, and
what the new process runs is a name from `ROLES`, never an import path. Children leave the terminal's process group,
so that Ctrl-C reaches the person's process alone, which then closes the lines; a child whose line closes ends, and
one that goes on computing is killed (its files are written so that any instant is a good one).

    $ python -m fedsov.runtimes.fork_server 5 numpy,torch        # 5: file descriptor of the control socket
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from fedsov.border.law.bundle_loader import load_bundle, load_words
from fedsov.errors import FedsovError
from fedsov.runtimes.framed_socket import FramedSocket

LARGEST_REQUEST = 1 << 16


def _region(line: FramedSocket) -> None:
    from fedsov.runtimes import region_process

    region_process.run(line)


def _ingestion(line: FramedSocket) -> None:
    from fedsov.runtimes import ingestion_process

    ingestion_process.run(line)


def _registrar(line: FramedSocket) -> None:
    from fedsov.runtimes import registry_process

    registry_process.run(line)


ROLES: Mapping[str, Callable[[FramedSocket], None]] = {
    "region": _region,
    "ingestion": _ingestion,
    "registrar": _registrar,
}


@dataclass(frozen=True, slots=True)
class ForkServer:
    """The near end of a warm process."""

    process: subprocess.Popen[bytes]
    control: socket.socket

    @staticmethod
    def start(modules: Sequence[str]) -> ForkServer:
        """Starts a process that imports the modules at once, in the background of the caller."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen(
            [sys.executable, "-m", "fedsov.runtimes.fork_server", str(theirs.fileno()), ",".join(modules)],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **QUIET},
        )
        theirs.close()
        return ForkServer(process, ours)

    def fork(self, role: str, tap: Callable[[bytes], None] | None = None, *, hold: int | None = None) -> FramedSocket:
        """A new process in the given role, and the line to it. Returns at once; the fork waits for the imports.

        Args:
            hold: a descriptor that the new process holds for as long as it lives, such as the workspace's lock.
        """
        if role not in ROLES:
            raise FedsovError(f"no such role: {role!r}; the roles are {', '.join(ROLES)}")
        ours, theirs = socket.socketpair()
        held = [theirs.fileno(), *([] if hold is None else [hold])]
        try:
            socket.send_fds(self.control, [json.dumps({"role": role}).encode()], held)
        except OSError as error:
            raise FedsovError("the warm process ended; start again, or look for a lack of memory") from error
        finally:
            theirs.close()
        return FramedSocket(ours, tap)

    def stop(self, seconds: float = 5.0) -> None:
        """Ends the warm process, at once where it still imports; its children end when their lines close."""
        self.control.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
}


def serve(control: socket.socket) -> None:
    """Forks one child for each request until the other end closes; a request to terminate waits for that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while True:
        request, received, _, _ = socket.recv_fds(control, LARGEST_REQUEST, 2)
        if not request:
            _end_children()
            return
        if os.fork() == 0:
            control.close()
            _live(json.loads(request), socket.socket(fileno=received[0]))
        for descriptor in received:
            os.close(descriptor)


def _end_children(seconds: float = 2.0) -> None:
    """Waits for children to notice that their lines are closed; what still computes then is killed, with this group."""
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            os.waitpid(-1, os.WNOHANG)
            time.sleep(0.02)
    except ChildProcessError:
        return
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _live(request: Mapping[str, Any], stream: socket.socket) -> None:
    """The child's whole life; leaves without the parent's exit functions, its state written by then."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = 1
    try:
        ROLES[request["role"]](FramedSocket(stream))
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


@contextmanager
def _ending_with(control: socket.socket) -> Iterator[None]:
    """Ends this process where the other end closes while it still imports: whom it would serve was killed."""
    imported, hung_up = threading.Event(), select.poll()
    hung_up.register(control, 0)

    def watch() -> None:
        while not imported.is_set():
            if hung_up.poll(100):
                os._exit(0)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        imported.set()
        watcher.join()  # a process that forks has one thread


def main(arguments: Sequence[str]) -> None:
    """The warm process itself: import, then fork on request."""
    descriptor, modules = arguments
    control = socket.socket(fileno=int(descriptor))
    with _ending_with(control):
        for module in filter(None, modules.split(",")):
            importlib.import_module(module)
        load_bundle()  # the packaged law is nobody's secret; children find it read
        load_words()
    serve(control)


if __name__ == "__main__":
    main(sys.argv[1:])


TO_READ = (
    "fedsov.region.worker",
    "fedsov.runtimes.ingestion_process",
    "pyarrow.parquet",
    "pyarrow.compute",
    "flwr.clientapp",
)


TO_TRAIN = ("torch", "torch.nn.functional", *TO_READ)


TO_REGISTER = ("fedsov.registry.tracking", "fedsov.runtimes.registry_process")


class WarmFor(AbstractContextManager[ForkServer]):
    """A warm process for the length of a block."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.warm = ForkServer.start(modules)

    def __enter__(self) -> ForkServer:
        return self.warm

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.warm.stop()
