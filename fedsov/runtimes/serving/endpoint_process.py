"""An endpoint's process: it listens, and keeps as many workers as its place says; it answers nothing itself.

    python -m fedsov.runtimes.serving.endpoint_process FOLDER/serving/endpoint.json REGION_KEY

Workers are forks that share one listening socket, so that a worker that ends takes no other's connections with it, and
the next one is there at once. SIGTERM ends them: each lets its requests end, and its log. It imports what workers need
before it forks, but for ONNX Runtime, which begins a thread.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError, FedsovError
from fedsov.inference.use.usage import joined
from fedsov.processes import freeze, live
from fedsov.runtimes.deployment.supervision.health import Health
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, write_python_logging
from fedsov.runtimes.deployment.supervision.supervised import under_supervisor
from fedsov.runtimes.serving.asgi_server import bound_socket
from fedsov.runtimes.serving.place import read_place
from fedsov.runtimes.serving.running import Running, write_running
from fedsov.runtimes.serving.shared_counts import SharedCounts

BEAT = 5.0
"""Seconds between two words to the supervisor."""
LIVED = 2.0
"""Seconds that a worker must live for the next one to be started at once."""
LONGEST_PAUSE = 5.0
SECONDS_TO_END = 18.0


@dataclass(slots=True)
class _Worker:
    """One worker's process: its number there, what it reports, and when it began."""

    number: int
    pid: int = 0
    report: int = -1
    began: float = 0.0
    again: float = 0.0
    pause: float = 0.0
    waits_for: str = "a worker to start"
    last: dict[str, Any] = field(default_factory=dict)
    text: bytes = field(default=b"", repr=False)


class EndpointProcess:
    """The parent of the workers."""

    def __init__(self, path: Path, region_key: str, health: Health) -> None:
        """Listens. Raises ConfigurationError, CertificateRefused."""
        self._path, self._region_key, self._health = path, region_key, health
        self.place = read_place(path, region_key)
        self._lines = LogLines(self.place.region)
        self.listener = _listening(self.place.host, self.place.port)
        self.zone = _listening("127.0.0.1", self.place.zone_port) if self.place.zone_port else None
        self._counts = SharedCounts(self.place.workers)
        self._workers = [_Worker(number) for number in range(self.place.workers)]
        self._alive, self._parent = os.pipe()
        self._wakeup, wakeup = os.pipe()
        for descriptor in (self._wakeup, wakeup):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self._is_ending, self._running, self._unwritten = False, Running(), ""

    def run(self) -> None:
        """Keeps the workers until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        host, port = self.listener.getsockname()[:2]
        self._lines.info("listening", f"its endpoint listens on {host}:{port}", host=host, port=port)
        _warm_up()
        while not self._is_ending:
            self._reap()
            now = time.monotonic()
            for worker in self._workers:
                if not worker.pid and now >= worker.again and not self._is_ending:
                    self._fork(worker)
            self._tell()
            self._show()
            self._wait(min([BEAT, *(worker.again - now for worker in self._workers if not worker.pid)]))
        self._stop()

    def _end(self, number: int, frame: object) -> None:
        self._is_ending = True

    def _fork(self, worker: _Worker) -> None:
        report, report_end = os.pipe()
        os.set_blocking(report, False)
        os.set_blocking(report_end, False)
        worker.began = time.monotonic()
        sys.stderr.flush()
        worker.pid = os.fork()
        if not worker.pid:
            signal.set_wakeup_fd(-1)
            for own in (self._parent, report, *(other.report for other in self._workers if other.report >= 0)):
                os.close(own)
            live(lambda: self._live(worker.number, report_end))
        os.close(report_end)
        worker.report, worker.text = report, b""

    def _live(self, number: int, report: int) -> None:
        """A worker's whole life, in a fork."""
        from fedsov.runtimes.serving.worker import WorkerStart, run

        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(each, signal.SIG_DFL)
        try:
            run(
                WorkerStart(
                    path=self._path,
                    region_key=self._region_key,
                    listener=self.listener,
                    zone=self.zone,
                    counts=self._counts,
                    number=number,
                    report=report,
                    parent=self._alive,
                )
            )
        except FedsovError as error:
            with suppress(OSError):
                os.write(report, json.dumps({"worker": number, "waits_for": str(error)}).encode() + b"\n")
            self._lines.fault(f"worker {number + 1} ends", error)
            os._exit(error.exit_code)
        except Exception as error:  # boundary: its text may quote a row; the parent starts the next worker
            self._lines.fault(f"worker {number + 1} ends", error)
            os._exit(1)

    def _reap(self) -> None:
        """Notes which workers have ended, and when each is started again."""
        for worker in self._workers:
            self._read(worker)
            if not worker.pid or os.waitpid(worker.pid, os.WNOHANG)[0] == 0:
                continue
            self._read(worker)
            os.close(worker.report)
            now = time.monotonic()
            lived = now - worker.began
            worker.pause = 0.0 if lived >= LIVED else min(max(0.1, 2 * worker.pause), LONGEST_PAUSE)
            worker.pid, worker.report, worker.again, worker.last = 0, -1, now + worker.pause, {}
            if not self._is_ending:
                text = f"worker {worker.number + 1} ended after {lived:.1f} s; it starts again in {worker.pause:.3g} s"
                self._lines.warning("restart", text, worker=worker.number + 1, pause=worker.pause)
                if lived >= LIVED:
                    worker.waits_for = "a worker to start again"

    def _read(self, worker: _Worker) -> None:
        """The newest line of a worker's report."""
        if worker.report < 0:
            return
        with suppress(BlockingIOError):
            while text := os.read(worker.report, 65536):
                worker.text += text
        *lines, worker.text = worker.text.split(b"\n")
        with suppress(IndexError, ValueError):  # a line that had no room comes again within a second
            line = json.loads(lines[-1])
            worker.waits_for, worker.last = str(line["waits_for"]), line if "runs" in line else {}

    def _tell(self) -> None:
        """The supervisor hears that requests are answered where one worker answers."""
        waits = [worker.waits_for for worker in self._workers]
        is_ready = any(worker.pid and not worker.waits_for for worker in self._workers)
        self._health.tell(
            waits_for="" if is_ready else next(filter(None, waits), "a worker to start"), connected=is_ready
        )

    def _show(self) -> None:
        """What the workers have is written where others of the region read it, when it changed."""
        reports = [worker.last for worker in self._workers if worker.last]
        usage = joined(self._counts.read_all())
        running = Running.of(
            reports, self._running, at=datetime.now(UTC).isoformat(timespec="milliseconds"), usage=usage
        )
        if running == self._running and not self._unwritten:
            return
        try:
            write_running(self.place.serving.running, running)
            self._running, self._unwritten = running, ""
        except OSError as error:
            if str(error) != self._unwritten:
                text = f"what runs here cannot be told ({error.strerror}), and no rollout sees this region; make room"
                self._lines.warning("running", text)
            self._unwritten = str(error)

    def _wait(self, seconds: float) -> None:
        reports = [worker.report for worker in self._workers if worker.report >= 0]
        ready, _, _ = select.select([self._wakeup, *reports], [], [], max(0.0, seconds))
        if self._wakeup in ready:
            with suppress(BlockingIOError):
                os.read(self._wakeup, 4096)

    def _stop(self) -> None:
        """Asks the workers to end, and kills what has not after `SECONDS_TO_END`."""
        self.listener.close()
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)
        deadline = time.monotonic() + SECONDS_TO_END
        while any(worker.pid for worker in self._workers) and time.monotonic() < deadline:
            self._wait(0.2)
            self._reap()
        for worker in self._workers:
            if worker.pid:
                self._lines.warning("killed", f"worker {worker.number + 1} did not end, and is killed")
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ConfigurationError where it cannot."""
    try:
        return bound_socket(host, port, listens=True)
    except OSError as error:
        hint = "name another with serve-port" if error.errno == errno.EADDRINUSE else "name an address of this machine"
        raise ConfigurationError(f"the endpoint cannot listen on {host}:{port} ({error.strerror}); {hint}") from error


def _warm_up() -> None:
    """Imports what workers need, once for all of them; not ONNX Runtime, which begins a thread."""
    import uvloop  # noqa: F401

    import fedsov.inference.approved
    import fedsov.inference.bodies.body_reader
    import fedsov.inference.request_log
    import fedsov.inference.tokens.token_check
    import fedsov.inference.use.usage
    import fedsov.runtimes.serving.asgi_server
    import fedsov.runtimes.serving.http_protocol  # noqa: F401

    freeze()


def main(arguments: Sequence[str]) -> None:
    """The process's whole life."""
    health = under_supervisor()
    write_python_logging(LogLines("endpoint"))
    try:
        process = EndpointProcess(Path(arguments[0]), arguments[1], health)
        write_python_logging(LogLines(process.place.region))
        process.run()
    except FedsovError as error:
        LogLines("endpoint").fault("the endpoint", error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(sys.argv[1:])
