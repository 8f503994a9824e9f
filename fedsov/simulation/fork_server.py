"""Processes forked from a process that has one thread, not from the caller, whatever its other threads do.

A fork of the caller copies the locks of torch, OpenMP, MKL and imports as other threads hold them at that instant, and
nobody opens them in the copy; it also copies every open pipe, so that no end of file is seen while a copy lives. So the
first request starts one fresh process: it imports what its forks need, has one thread, and forks on request. It passes
on the line to the new process, whose other end that process alone holds.

No process outlives the caller, also where the caller is killed: the server ends when its control socket closes or its
parent changes, and the system kills a fork when the server ends (Linux; elsewhere a fork ends at the end of its line).
Forks are waited for by the server alone: no child of the caller's own is reaped.

    server = PoolForkServer("fedsov.simulation.pool_worker")     # has prepare() and run(connection, descriptors)
    process = server.fork([])
    process.connection.send_bytes(b"...")
    server.end(process)
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

from fedsov.errors import TrainingFailed
from fedsov.processes import ending_with, freeze, live

Run = Callable[[Connection, Sequence[int]], None]
"""What a fork does: it is given its line to the caller, and the descriptors that the caller sent."""

_REQUEST, _REPLY = struct.Struct("!cQq"), struct.Struct("!Qqq")
_FORK, _END = b"F", b"E"
_MOST_DESCRIPTORS = 8
_PR_SET_PDEATHSIG = 1
_WITH_SERVER = "with the process that it was forked from"
_SERVER_ENDED = "the process that they are forked from ended"
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_START = (
    "import json, sys; path, *rest = sys.argv[1:]; sys.path[:] = json.loads(path); "
    "from fedsov.simulation.fork_server import main; main(rest)"
)


@dataclass(frozen=True, slots=True)
class ForkedProcess:
    """A fork and the line to it; `server` is the process that it is a fork of."""

    pid: int
    connection: Connection
    server: int


class PoolForkServer:
    """The caller's side; safe to use from several threads."""

    def __init__(self, target: str) -> None:
        """Starts nothing yet.

        Args:
            target: name of a module, which the server imports. It calls the module's ``prepare()`` once, and in each
                fork its ``run``, a `Run`.
        """
        self._target, self._lock, self._number = target, threading.Lock(), 0
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._is_registered = False

    def start(self) -> None:
        """Starts the server where it does not run; returns at once, while it imports.

        Raises OSError where no process can be started.
        """
        with self._lock:
            self._started()

    def fork(self, descriptors: Sequence[int] = ()) -> ForkedProcess:
        """A new process, which gets copies of the descriptors. A server that was killed is started again, once.

        Raises:
            TrainingFailed: no process can be started.
        """
        with self._lock:
            try:
                return self._forked(descriptors)
            except (OSError, EOFError):
                self._stop()
            try:
                return self._forked(descriptors)
            except (OSError, EOFError) as error:
                self._stop()
                raise TrainingFailed(
                    f"worker processes cannot be started: {error}; look for a lack of memory"
                ) from error

    def end(self, process: ForkedProcess) -> str:
        """Kills a fork, waits until it is gone, and says what ended it: this, or something before."""
        process.connection.close()
        with self._lock:
            if self._control is None or self._process is None or self._process.pid != process.server:
                return _WITH_SERVER
            try:
                _, status, _ = self._answer(self._control, self._process, _END, process.pid)
            except (OSError, EOFError):
                self._stop()
                return _WITH_SERVER
        code = os.waitstatus_to_exitcode(status)
        return f"with exit code {code}" if code >= 0 else f"by signal {-code} ({signal.Signals(-code).name})"

    def stop(self) -> None:
        """Ends the server, and with it every fork."""
        with self._lock:
            self._stop()

    def _started(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control, self._process
        self._stop()
        if not self._is_registered:
            atexit.register(self.stop)
            os.register_at_fork(after_in_child=self._forget)
            self._is_registered = True
        ours, theirs = socket.socketpair()
        arguments = [json.dumps(sys.path), str(theirs.fileno()), str(os.getpid()), self._target]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *arguments],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the caller, which ends its forks
                env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
            )
        self._control = ours
        return ours, self._process

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None

    def _forget(self) -> None:
        """In a fork of the caller's own: the server is the caller's, and must see when the caller ends."""
        self._lock = threading.Lock()
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.returncode = 0  # not a child of this process: never waited for
        self._control = self._process = None

    def _forked(self, descriptors: Sequence[int]) -> ForkedProcess:
        control, process = self._started()
        pid, failure, lines = self._answer(control, process, _FORK, 0, descriptors)
        if failure or len(lines) != 1:
            raise OSError(failure, os.strerror(failure))
        os.set_inheritable(lines[0], False)
        return ForkedProcess(pid, Connection(lines[0]), process.pid)

    def _answer(
        self, control: socket.socket, process: subprocess.Popen[bytes], kind: bytes, pid: int,
        descriptors: Sequence[int] = (),
    ) -> tuple[int, int, list[int]]:  # fmt: skip
        """What the server answers to a request: two numbers, and descriptors. Raises OSError, or EOFError."""
        self._number += 1
        try:
            socket.send_fds(control, [_REQUEST.pack(kind, self._number, pid)], descriptors)
            while True:
                number, first, second, received = _reply(control, process)
                if number == self._number:
                    return first, second, received
                for descriptor in received:  # the answer to a request that was interrupted; its fork ends at once
                    os.close(descriptor)
        except ConnectionError as error:
            raise EOFError(_SERVER_ENDED) from error


def _reply(control: socket.socket, process: subprocess.Popen[bytes]) -> tuple[int, int, int, list[int]]:
    """The server's next reply; no wait for one that ended, whoever else holds the other end of its socket."""
    while not select.select([control], [], [], 0.5)[0]:
        if process.poll() is not None:
            raise EOFError(_SERVER_ENDED)
    reply, received, _, _ = socket.recv_fds(control, _REPLY.size, 1)
    if not reply:
        raise EOFError(_SERVER_ENDED)
    return *_REPLY.unpack(reply), received


def main(arguments: Sequence[str]) -> None:
    """The server itself: imports the target, then forks on request until the caller ends."""
    descriptor, caller, target = int(arguments[0]), int(arguments[1]), arguments[2]
    control = socket.socket(fileno=descriptor)
    with ending_with(control, caller):
        module = importlib.import_module(target)
        module.prepare()
        run: Run = module.run
        die_with_parent = _killer()
    freeze()
    forks = set[int]()
    try:
        with suppress(ConnectionError):  # the caller was killed in the middle of a request
            _serve(control, caller, forks, partial(_run_to_end, run, die_with_parent, control))
    finally:
        for fork in forks:
            os.kill(fork, signal.SIGKILL)


def _serve(control: socket.socket, caller: int, forks: set[int], work: Callable[..., None]) -> None:
    """Answers requests until the caller ends. `forks` are those that were not waited for yet."""
    while True:
        if not select.select([control], [], [], 1.0)[0]:
            if os.getppid() != caller:  # another process may still hold the socket's other end
                return
            continue
        request, received, _, _ = socket.recv_fds(control, _REQUEST.size, _MOST_DESCRIPTORS)
        if not request:
            return
        kind, number, pid = _REQUEST.unpack(request)
        if kind == _FORK:
            _fork(control, number, received, forks, work)
        else:
            os.kill(pid, signal.SIGKILL)  # not waited for yet, so that its number is its own
            forks.discard(pid)
            control.sendall(_REPLY.pack(number, pid, os.waitpid(pid, 0)[1]))


def _fork(control: socket.socket, number: int, received: list[int], forks: set[int], work: Callable[..., None]) -> None:
    """Forks once and answers with the number of the new process and the line to it."""
    near, far = socket.socketpair()
    server, pid, failure = os.getpid(), -1, 0
    with near, far:
        try:
            pid = os.fork()
        except OSError as error:
            failure = error.errno or -1
        if pid == 0:
            near.close()
            live(partial(work, Connection(far.detach()), received, server))
        for descriptor in received:
            os.close(descriptor)
        if failure:
            control.sendall(_REPLY.pack(number, 0, failure))
            return
        forks.add(pid)
        socket.send_fds(control, [_REPLY.pack(number, pid, 0)], [near.fileno()])


def _run_to_end(
    run: Run, die_with_parent: Callable[[], None], control: socket.socket,
    connection: Connection, descriptors: list[int], server: int,
) -> None:  # fmt: skip
    """What a fork does; nothing where the server has ended already."""
    control.close()
    die_with_parent()
    if os.getppid() == server:
        run(connection, descriptors)


def _killer() -> Callable[[], None]:
    """What makes the system kill this process when its parent ends; nothing where the system cannot."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return lambda: None
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
