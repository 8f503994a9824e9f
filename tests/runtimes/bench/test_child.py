"""The life of a process of model code: it holds one line, answers in turn, and survives what a task raises."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fedsov.errors import TrainingFailed
from fedsov.region.bench.tasks import Written
from fedsov.runtimes.bench.child import LONGEST_TEXT, answer
from fedsov.runtimes.bench.wire import BenchLine
from tests.world import ROOT


@dataclass
class Failing:
    """A task that raises."""

    error: Exception | None

    def run(self) -> Written:
        if self.error is not None:
            raise self.error
        return Written({"fine": True}, {})

    def read(self, answer: Written) -> Any:
        return answer


@pytest.fixture
def near() -> Iterator[BenchLine]:
    """The region's end; a thread plays the process."""
    ours, theirs = socket.socketpair()
    far = BenchLine(theirs)

    def live() -> None:
        try:
            while True:
                answer(far, *far.task())
        except EOFError:
            return

    thread = threading.Thread(target=live)
    thread.start()
    yield BenchLine(ours)
    ours.close()
    thread.join()
    theirs.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TrainingFailed("why"), ["TrainingFailed", "why"]),
        (ZeroDivisionError("a row"), ["ZeroDivisionError", "a row"]),
        (ValueError("x" * 10_000), ["ValueError", "x" * LONGEST_TEXT]),
    ],
)
def test_an_error_is_told_and_the_next_task_is_answered(error: Exception, told: list[str], near: BenchLine) -> None:
    until = time.monotonic() + 10
    assert near.ask(Failing(error), until=until) == {"error": told}
    assert near.ask(Failing(None), until=until) == Written({"fine": True}, {})


def test_of_what_a_process_was_forked_with_it_keeps_the_line_alone() -> None:
    asks = (
        "import os, sys\nfrom fedsov.runtimes.bench.child import _close_all_but\n"
        "line = int(sys.argv[1])\nreport = os.dup(1)\nos.dup2(report, line)\n_close_all_but(line)\n"
        "found = [each for each in range(256) if os.path.exists(f'/proc/self/fd/{each}')]\n"
        "targets = {os.readlink(f'/proc/self/fd/{each}') for each in (0, 1, 2)}\n"
        "os.write(line, repr((found, targets)).encode())\n"
    )
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(9)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", asks, "77"], capture_output=True, text=True, cwd=ROOT, timeout=60, pass_fds=opened
        )
    finally:
        for each in opened:
            os.close(each)
    assert done.stdout == repr(([0, 1, 2, 77], {"/dev/null"})), done.stderr
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
