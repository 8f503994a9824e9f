"""The life of a process that runs model code: it confines itself, then answers tasks until the line closes.

It is forked from a process that imported libraries and opened nothing (`fedsov.runtimes.fork_server`). Before the first
task it closes every descriptor but the line, so that it holds no file, lock or socket of anybody's, and tells what of
its confinement the system did not permit. What model code prints goes nowhere, for it may be rows.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fedsov.errors import FedsovError
from fedsov.processes import reuse_memory
from fedsov.region.bench.tasks import Task
from fedsov.runtimes.bench.confinement import Confinement, confine
from fedsov.runtimes.bench.wire import BenchLine
from fedsov.runtimes.framed_socket import ConnectionClosed, FramedSocket

LONGEST_TEXT = 2000
"""Letters of an error's text."""


def run(connection: FramedSocket) -> None:
    """The life of the process."""
    try:
        told = connection.receive().header
    except ConnectionClosed:
        return
    _close_all_but(connection.fileno())
    reuse_memory()
    keep_out = [Path(folder) for folder in told["keep_out"]]
    lacking = confine(Confinement(Path(told["scratch"]), keep_out, told["memory"]))
    line = BenchLine(connection.stream)
    line.tell(0, {"pid": os.getpid(), "lacking": lacking})
    try:
        while True:
            answer(line, *line.task())
    except (EOFError, OSError):
        return


def answer(line: BenchLine, number: int, task: Task[Any]) -> None:
    """Runs a task and sends its answer, or what it failed with."""
    try:
        written = task.run()
    except FedsovError as error:
        line.tell(number, {"error": [type(error).__name__, str(error)[:LONGEST_TEXT]]})
    except Exception as error:  # boundary: model code may raise anything, and the next task is another's
        line.tell(number, {"error": [type(error).__name__, str(error)[:LONGEST_TEXT]]})
    else:
        line.answer(number, written)


def _close_all_but(kept: int) -> None:
    """Closes every descriptor but one; the three of every process lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    last = max(kept, *(int(name) for name in os.listdir("/dev/fd") if name.isdigit()))
    os.closerange(3, kept)
    os.closerange(kept + 1, last + 1)
