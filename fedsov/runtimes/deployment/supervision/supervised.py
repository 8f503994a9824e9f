"""What a process knows of its supervisor: two pipes, by which it ends with it and tells it how it fares.

    health = under_supervisor()      # first thing in `main`
    health.tell(waits_for="")

The *leash* is a pipe whose other end only the supervisor has, and into which nothing is ever written. Linux is asked to
kill this process's group once that end closes (`fcntl.F_SETSIG`), so that a supervisor that is killed leaves no orphan,
not even a frozen one. A clean end is asked for by SIGTERM.

The *report* takes one line a change (`HealthState.to_json`), the whole state. Where the supervisor does not read, this
process goes on and does not wait: a thread writes the newest state once there is room, and ends.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import threading
from contextlib import suppress

from fedsov.runtimes.deployment.supervision.health import Health, HealthState

DESCRIPTORS = "FEDSOV_SUPERVISOR"
"""The variable with the descriptors of leash and report, as ``5,7``."""
CAN_LEASH = hasattr(fcntl, "F_SETSIG")
"""Whether this system kills a process whose supervisor was killed."""


def leash(descriptor: int, group: int) -> None:
    """Has the system kill a group of processes once the other end of this pipe closes; Linux alone can."""
    if CAN_LEASH:
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -group)
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)


def under_supervisor() -> Health:
    """The health of this process, told to its supervisor; one that tells nobody where it was started by hand.

    Ends the process where its supervisor is gone already. Its own children get neither pipe.
    """
    descriptors = os.environ.pop(DESCRIPTORS, "")
    if not descriptors:
        return Health()
    leash_end, report_end = map(int, descriptors.split(","))
    for descriptor in (leash_end, report_end):
        os.set_inheritable(descriptor, False)
    os.set_blocking(report_end, False)
    leash(leash_end, os.getpgrp())
    if select.select([leash_end], [], [], 0)[0]:
        sys.exit("fedsov: its supervisor is gone")
    return Health(_Report(report_end).write)


class _Report:
    """The end of the pipe that a supervisor reads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._unwritten: HealthState | None = None

    def write(self, state: HealthState) -> None:
        """Writes a state, or leaves it to the thread that waits for room."""
        with self._lock:
            waits, self._unwritten = self._unwritten is not None, state
            if waits or self._wrote():
                return
        threading.Thread(target=self._write_later, name="report", daemon=True).start()

    def _wrote(self) -> bool:
        """Whether the newest state was written; a line is whole or not there, for it is shorter than PIPE_BUF."""
        if self._unwritten:
            with suppress(BrokenPipeError):  # a supervisor that ends reads no more
                try:
                    os.write(self._descriptor, self._unwritten.to_json().encode() + b"\n")
                except BlockingIOError:
                    return False
        self._unwritten = None
        return True

    def _write_later(self) -> None:
        while True:
            select.select([], [self._descriptor], [])
            with self._lock:
                if self._wrote():
                    return
