"""A supervisor as a process of its own, for tests: what it logs, line by line, and what it supervises."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = """
import sys
from fedsov.runtimes.deployment.supervision.health import HealthListener
from fedsov.runtimes.deployment.supervision.supervisor import Backoff, Service, run
run([Service("DE", "region", [sys.executable, sys.argv[1]], {options})], HealthListener())
"""
QUICK = "backoff=Backoff(first=0.02, most=0.08, lived=0.5), grace=0.5"


class ASupervisor:
    """A running supervisor."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    def until(self, event: str) -> dict[str, Any]:
        """The next line of an event. Fails at the end of the log."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"no {event} in {self.lines}")

    def started(self) -> int:
        """The number of the next process that becomes ready."""
        pid = int(self.until("start")["fields"]["process"])
        self.until("ready")
        return pid

    def get(self, path: str) -> tuple[int, str]:
        """What the health listener answers."""
        port = next(line["fields"]["port"] for line in self.lines if line["event"] == "listening")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks for the end and waits for it; gives the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=10)


@contextmanager
def a_supervisor(folder: Path, child: str, options: str = QUICK) -> Iterator[ASupervisor]:
    """A supervisor of a Python program, which begins under its supervisor, with `health` as its health."""
    script = folder / "child.py"
    script.write_text(
        "from fedsov.runtimes.deployment.supervision.supervised import under_supervisor\n"
        f"health = under_supervisor()\n{child}"
    )
    program = PROGRAM.replace("{options}", options)
    process = subprocess.Popen([sys.executable, "-c", program, str(script)], stderr=subprocess.PIPE, text=True)
    try:
        yield ASupervisor(process)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()  # type: ignore[union-attr]


def is_running(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within some seconds."""
    until = time.monotonic() + seconds
    while is_running(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def written(path: Path, seconds: float = 5.0) -> str:
    """The text of a file, once there is one."""
    until = time.monotonic() + seconds
    while not path.exists() or not path.read_text():
        assert time.monotonic() < until, f"nobody wrote {os.fspath(path)}"
        time.sleep(0.01)
    return path.read_text()
