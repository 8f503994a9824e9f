"""A process that forks on request: it ends with its caller while it imports, and its forks leave by themselves."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

IMPORTING = """
import os, socket, sys, threading, time
from fedsov.processes import ending_with
control = socket.socket(fileno=int(sys.argv[1]))
print("begun", flush=True)
with ending_with(control, *map(int, sys.argv[3:])):
    time.sleep(float(sys.argv[2]))
print(threading.active_count(), flush=True)
sys.stdin.read()
"""
FORK = """
import atexit, os, sys
from fedsov.processes import freeze, live
atexit.register(print, "the parent's own end", flush=True)
freeze()
pid = os.fork()
if pid == 0:
    live({run})
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def _importing(seconds: float, *caller: int) -> tuple[subprocess.Popen[str], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", IMPORTING, str(theirs.fileno()), str(seconds), *map(str, caller)],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    return process, ours


def test_a_process_whose_caller_lives_goes_on_with_one_thread() -> None:
    process, ours = _importing(0.3)
    with ours:
        assert process.communicate("", timeout=20)[0] == "1\n" and process.returncode == 0


def test_a_process_whose_caller_ends_while_it_imports_ends_too() -> None:
    process, ours = _importing(60.0)
    ours.close()
    assert process.communicate("", timeout=20)[0] == "" and process.returncode == 0


def test_a_process_whose_parent_is_another_than_its_caller_ends_though_the_socket_is_open() -> None:
    process, ours = _importing(60.0, 1)  # as after the caller's end
    with ours:
        assert process.communicate("", timeout=20)[0] == "" and process.returncode == 0


@pytest.mark.parametrize(
    ("run", "code", "trace"), [("lambda: None", 0, ""), ("lambda: 1 / 0", 1, "ZeroDivisionError"), ("sys.exit", 1, "")]
)
def test_a_fork_leaves_without_its_parent_s_exit_functions(run: str, code: int, trace: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK.format(run=run)], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout.splitlines() == [str(code), "the parent's own end"]
    assert trace in done.stderr


REUSES = """
import os, sys
import numpy as np
from fedsov.processes import reuse_memory
kept = reuse_memory() if sys.argv[1] == "reuse" else None
def faults():
    return sum(int(open("/proc/self/stat").read().rpartition(")")[2].split()[place]) for place in (7, 9))
for _ in range(3):
    np.ones(20_000_000, np.float32)
before = faults()
for _ in range(5):
    np.ones(20_000_000, np.float32)
print(kept, faults() - before)
"""


def test_a_process_that_keeps_what_it_frees_has_no_large_array_zeroed_again() -> None:
    told = [
        subprocess.run([sys.executable, "-c", REUSES, way], capture_output=True, text=True, check=True).stdout.split()
        for way in ("reuse", "as it comes")
    ]
    (kept, few), (_, many) = told
    assert kept == "False" or 10 * int(few) < int(many)
