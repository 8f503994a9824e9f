"""A region's bench in a process of its own (`fedsov.region.bench.tasks.Bench`).

For each region that is opened there is one process, forked at the first task from a fork server that opened nothing
and whose environment holds no secret (`BenchServer`). It is given rows and parameters, and holds no key, ledger, budget
or socket; `fedsov.runtimes.bench.confinement` has what is taken from it. A process that ends, takes longer than
`seconds` for a task, or answers what is no answer costs that task: it raises BenchFailed, and the next task has a new
process.

    with BenchServer() as server:
        region = open_region(start, bench=ProcessBench(server, keep_out=[home]))
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from fedsov.errors import BenchFailed, ConfigurationError, FedsovError, InputError, TrainingFailed, printable
from fedsov.region.bench.tasks import Task
from fedsov.runtimes.bench.confinement import passed_on
from fedsov.runtimes.bench.wire import BenchLine
from fedsov.runtimes.fork_server import ForkServer
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket

T = TypeVar("T")

TO_RUN = (
    "torch",
    "torch.nn.functional",
    "fedsov.region.bench.rounds",
    "fedsov.region.strategies.selection",
    "fedsov.region.strategies.synthetic",
    "fedsov.runtimes.bench.child",
)
"""What model code's processes find imported."""
SECONDS, TO_BEGIN = 3600.0, 120.0
"""For a task, and for a process to begin, the first of which waits for the imports."""
KNOWN: Mapping[str, type[FedsovError]] = {
    each.__name__: each for each in (TrainingFailed, InputError, ConfigurationError, BenchFailed)
}
"""Errors that a task may end with. Those whose text would leave the region are not among them."""
_LOG = logging.getLogger(__name__)


class BenchServer:
    """The fork server of benches, begun at once, and again where it ended; a context manager, which stops it."""

    def __init__(self) -> None:
        self._server: ForkServer = _started()

    def __enter__(self) -> BenchServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def fork(self) -> FramedSocket:
        """The socket to a new process."""
        if not self._server.is_running:
            self._server.stop()
            self._server = _started()
        return self._server.fork("bench")


def _started() -> ForkServer:
    return ForkServer.start(TO_RUN, environment=passed_on(os.environ))


@dataclass(frozen=True, slots=True)
class _Child:
    """A process of model code.

    Attributes:
        line: the line to it.
        pid: its number, which another process may have once it ended.
        process: a descriptor that stands for this process alone; None where the system has none.
        scratch: its folder.
    """

    line: BenchLine
    pid: int
    process: int | None
    scratch: Path

    def end(self) -> None:
        """Kills it, and removes its folder."""
        with suppress(ProcessLookupError):
            if self.process is not None:
                signal.pidfd_send_signal(self.process, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)
        if self.process is not None:
            os.close(self.process)
        self.line.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


class ProcessBench:
    """The bench of one region.

    Args:
        server: where its process is forked.
        keep_out: folders that model code must not see: the party's home, at least.
        seconds: that a task may take.
        memory: bytes that model code may take; half of the machine's by default.
    """

    def __init__(
        self, server: BenchServer, *, keep_out: Sequence[Path] = (), seconds: float = SECONDS, memory: int | None = None
    ) -> None:
        self._server, self._seconds = server, seconds
        self._keep_out = [folder.resolve() for folder in keep_out]
        self._memory = _half_of_all() if memory is None else memory
        self._child: _Child | None = None
        self._lacking: Sequence[str] = ()

    def do(self, task: Task[T]) -> T:
        """The task's answer.

        Raises:
            BenchFailed: the process ended, took too long, or answered what is no answer.
            TrainingFailed, InputError, ConfigurationError: as the task raises them; TrainingFailed also for an error
                that is none of fedsov's.
        """
        try:
            answer = self._begun().line.ask(task, until=time.monotonic() + self._seconds)
            if isinstance(answer, Mapping):
                raise _error(answer["error"])
            return task.read(answer)
        except TimeoutError:
            self.close()
            raise BenchFailed(
                f"model code took longer than the {self._seconds:g} seconds that a task may take; its process was ended"
            ) from None
        except (EOFError, OSError, ConnectionClosed) as problem:
            self.close()
            raise BenchFailed(f"the process that runs model code ended during a task ({problem})") from None
        except BenchFailed:
            self.close()
            raise
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as problem:
            self.close()
            raise BenchFailed(f"model code answered what cannot be read ({type(problem).__name__})") from None

    @property
    def lacking(self) -> Sequence[str]:
        """What the system did not give its process, by name with the reason; empty before the first task."""
        return self._lacking

    @property
    def pid(self) -> int | None:
        """The number of its process; None where it has none now."""
        return None if self._child is None else self._child.pid

    def close(self) -> None:
        """Ends the process; another task begins a new one."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _begun(self) -> _Child:
        if self._child is None:
            self._child = self._begin()
        return self._child

    def _begin(self) -> _Child:
        scratch = Path(tempfile.mkdtemp(prefix="fedsov-bench-"))
        connection = self._server.fork()
        try:
            keep_out = [str(folder) for folder in self._keep_out]
            connection.send(Frame({"scratch": str(scratch), "keep_out": keep_out, "memory": self._memory}))
            line = BenchLine(connection.stream)
            told = line.hear(time.monotonic() + TO_BEGIN)  # its own words: no model code ran in it yet
            pid: int = told["pid"]
            process = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        except BaseException:  # boundary: an interruption, too, leaves no process and no folder
            connection.close()
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        self._say(told["lacking"])
        return _Child(line, pid, process, scratch)

    def _say(self, lacking: Sequence[str]) -> None:
        """Says once in the region's log what the system did not permit."""
        if lacking and lacking != self._lacking:
            _LOG.warning(
                "model code runs in a process of its own, but this system does not give it: %s", "; ".join(lacking)
            )
        self._lacking = lacking


def _error(told: Any) -> FedsovError:
    """The error that a process told of. Its text is somebody else's, and stays in the region's log."""
    kind, text = told
    words, known = printable(str(text)), KNOWN.get(str(kind))
    if known is not None:
        return known(words)
    name = str(kind) if str(kind).isidentifier() and len(str(kind)) < 100 else "an error"
    return TrainingFailed(f"model code ended with {name}: {words}")


def _half_of_all() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
