"""The dispatcher of a hub: takes one job after another from the coordinator, and runs each in a process of its own.

    python -m fedsov.api.deployment.dispatcher HOME

It holds no state: what a job told is at the coordinator, and a job that was running when a dispatcher ended is handed
out again, to go on from its checkpoint. A job's process that was killed is begun again, a few times.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError
from fedsov.runtimes.deployment.hub.jobs import DONE, FAILED, STOPPED
from fedsov.runtimes.deployment.hub_connection import (
    Credentials,
    HubConnection,
    HubRefused,
    HubUnreachable,
    Pause,
    again,
)
from fedsov.runtimes.deployment.paths import JOBS
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, write_python_logging
from fedsov.runtimes.deployment.supervision.supervised import under_supervisor
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party
from fedsov.storage.private_files import keep_private

WAIT = 20.0
OFTEN = 3
"""How often a job's process may end by a signal before the job counts as failed."""
DAY = 86_400.0


class Dispatcher:
    """Takes jobs for a hub's home until it is told to stop."""

    def __init__(self, home: Path, lines: LogLines, stop: threading.Event) -> None:
        folder = DeploymentFolder(home)
        self._home, self._lines, self._stop = home, lines, stop
        self._name = secrets.token_hex(8)
        self._connection = HubConnection(read_party(folder.party).hub, Credentials.of(folder))
        self._running: tuple[str, subprocess.Popen[str]] | None = None
        self._stopping = ""
        self._spare = self._process()

    def serve(self, health: Any) -> None:
        """Takes jobs, and is told meanwhile which one is to be stopped."""
        health.tell(waits_for="the coordinator")
        wait = 0.0  # the first answer comes at once: it says that the coordinator is there
        pause = Pause(self._stop)
        while not self._stop.is_set():
            try:
                job = self._next(wait)
                health.tell(waits_for="", connected=True)
                pause.begin()
                wait = WAIT
            except (HubUnreachable, HubRefused) as error:
                health.tell(waits_for=f"the coordinator ({error})", connected=False)
                wait = 0.0
                pause.wait()
                continue
            if job is not None:
                self._lines.info("job", f"job {job['id']} ({job['kind']}) begins, for {job['by']}")
                watching = threading.Thread(target=self._watch, args=(job["id"],), daemon=True)
                watching.start()
                self._run(job)

    def _next(self, wait: float) -> Mapping[str, Any] | None:
        """The next job; None where none came within so many seconds."""
        found = self._connection.post_json(f"{JOBS}/next", {"dispatcher": self._name}, wait=wait)
        return None if not found or "job" not in found else found["job"]

    def _watch(self, job: str) -> None:
        """Interrupts the job's process where the coordinator says that it is to stop."""
        with self._connection.another() as connection:
            while self._running is None or self._running[0] == job:
                try:
                    told = connection.post_json(f"{JOBS}/next", {"dispatcher": self._name, "busy": True}, wait=WAIT)
                except (HubUnreachable, HubRefused):
                    self._stop.wait(1.0)
                    continue
                if self._stop.is_set() or (told and told.get("stop") == job):
                    self._interrupt(job)
                    return

    def _interrupt(self, job: str) -> None:
        """Interrupts the job's process; one that has none at this instant is interrupted once it has."""
        self._stopping = job
        if self._running is not None and self._running[0] == job:
            with suppress(ProcessLookupError):
                self._running[1].send_signal(signal.SIGINT)

    def _run(self, job: Mapping[str, Any]) -> None:
        """Runs a job, and again where its process was killed, from where it was."""
        run = str(job.get("run", ""))
        for attempt in range(1, OFTEN + 1):
            process = self._started({**job, "run": run})
            self._running = (job["id"], process)
            if self._stopping == job["id"]:
                self._interrupt(job["id"])
            ended = False
            for event in _events(process):
                run = str(event.get("run", run))
                ended = self._told(job["id"], event, run) or ended
            code = process.wait()
            self._spare = self._process()
            if ended or self._stop.is_set():
                break
            if self._stopping == job["id"]:
                self._told(job["id"], {"stopped": True}, run)
                break
            why = f"the run's process ended ({_how(code)})"
            goes_on = attempt < OFTEN and code < 0
            where = f"goes on with run {run}, after its last round" if run else "begins anew"
            self._tell(job["id"], lines=[f"{why}; {f'it {where}' if goes_on else 'the job has failed'}"])
            if not goes_on:
                error = {"type": "TrainingFailed", "text": f"{why}; its log at the hub says more"}
                self._tell(job["id"], state=FAILED, result={"error": error})
                break
        self._running = None

    def _started(self, job: Mapping[str, Any]) -> subprocess.Popen[str]:
        """The process that waited, with its job; another is begun to wait once this one has ended."""
        process = self._spare if self._spare.poll() is None else self._process()
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # it ended meanwhile, as is seen when it is waited for
                json.dump(job, process.stdin)
                process.stdin.close()
        return process

    def _process(self) -> subprocess.Popen[str]:
        """A process that waits for a job, its imports done; it ends where its input closes without one."""
        return subprocess.Popen(
            [sys.executable, "-m", "fedsov.api.deployment.run_job", str(self._home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def _told(self, job: str, event: Mapping[str, Any], run: str) -> bool:
        """Tells an event of a job to the coordinator; True where it was the last."""
        if "line" in event:
            self._tell(job, lines=[event["line"]])
        elif "run" in event:
            self._tell(job, run=event["run"])
        elif "result" in event:
            self._tell(job, state=DONE, result=event["result"])
        elif "error" in event:
            self._tell(job, state=FAILED, result={"error": event["error"]})
        elif "stopped" in event:
            self._tell(job, state=STOPPED, lines=[f"stopped; to go on: fedsov train --resume {run or 'latest'}"])
        return bool({"result", "error", "stopped"} & set(event))

    def _tell(self, job: str, **changes: Any) -> None:
        """Tells the coordinator, however long it is away; a process that is told to stop tells no more."""
        if state := changes.get("state"):
            self._lines.info("job", f"job {job} is {state}")
        with suppress(HubRefused, HubUnreachable):
            news = {"id": job, **changes}
            again(lambda: self._connection.post_json(f"{JOBS}/tell", news), outage=DAY, stop=self._stop)


def _events(process: subprocess.Popen[str]) -> Iterator[Mapping[str, Any]]:
    for line in process.stdout or ():
        with suppress(ValueError):
            yield json.loads(line)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"code {code}"


def main() -> None:
    """Takes jobs, under a supervisor."""
    health, home = under_supervisor(), Path(sys.argv[1])
    keep_private()
    lines, stop = LogLines(read_party(DeploymentFolder(home).party).name), threading.Event()
    write_python_logging(lines)
    dispatcher = Dispatcher(home, lines, stop)

    def end(signum: int, frame: Any) -> None:
        stop.set()
        raise ConfigurationError("stopped")

    signal.signal(signal.SIGTERM, end)
    with suppress(ConfigurationError):
        dispatcher.serve(health)


if __name__ == "__main__":
    main()
