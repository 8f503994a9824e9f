"""What `benchmark_deployment` measures: a hub and four regions by `fedsov up`, and trainings that it is sent."""

from __future__ import annotations

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from benchmark_demo import descendants, proportional

from fedsov.api.deployment.submission import operator_connection
from fedsov.errors import FedsovError
from fedsov.runtimes.deployment import paths
from fedsov.runtimes.deployment.hub_connection import HubConnection

REGIONS = ("DE", "FR", "IE", "NL")
INPUTS = 32
ROUND = re.compile(r"global model, round (\d+)/")
UNTIL_UP = 120.0


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of made-up rows, as many for each region, and the settings that a run over them has."""

    folder: Path
    each: int
    runtime: str = "deployment"

    @property
    def workspace(self) -> Path:
        """Where the regions keep them, for trainings under the runtime."""
        return self.folder / f"{self.runtime}{self.each}"

    def write(self) -> None:
        """Writes the table, and has it ingested."""
        rng = np.random.default_rng(0)
        names = [f"x{number}" for number in range(INPUTS)]
        with open(self._table, "w", encoding="utf-8") as file:
            print("country", *names, "y", sep=",", file=file)
            for region in REGIONS:
                for row in rng.normal(size=(self.each, INPUTS)):
                    print(
                        region, *(f"{value:.6g}" for value in row), int(row[0] + rng.normal() > 0), sep=",", file=file
                    )
        fedsov("ingest", *self.words())

    @property
    def _table(self) -> Path:
        return self.folder / f"rows{self.each}.csv"

    def words(self, *more: str, rounds: int = 20, hidden: Sequence[int] = (64, 32)) -> list[str]:
        """The settings of the 4-client workload of `benchmark_speed`: one epoch of batches of 64."""
        return [
            f"workspace={self.workspace}", "dataset=table", f"dataset.name=rows{self.each}",
            f"dataset.path={self._table}", "dataset.jurisdiction=country", "dataset.target=y",
            "dataset.examples=made up for a benchmark", "federation.regions=auto", "federation.hub.location=DE",
            "border=none", "strategy.order=[federated]", "strategy.federated.min_rows=10",
            f"federation.rounds={rounds}", f"model.hidden={list(hidden)}".replace(" ", ""), "model.round.batch=64",
            "model.round.epochs=1", "model.round.learning_rate=0.05", *more,
        ]  # fmt: skip


def environment() -> dict[str, str]:
    """Of every process: nothing is told to anybody."""
    off = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {**os.environ, **off, "PYTHONUNBUFFERED": "1"}


def fedsov(*words: str) -> subprocess.CompletedProcess[str]:
    """A command that is to succeed."""
    done = subprocess.run([sys.executable, "-m", "fedsov", *words], env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"fedsov {words[0]} ended with {done.returncode}: {done.stderr[-600:]}")
    return done


@dataclass(slots=True)
class Run:
    """A training as it was seen from outside: when its command began, and when each round was told.

    Attributes:
        spent: the processors' seconds of all its processes, when each round was told.
    """

    began: float
    rounds: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)

    @property
    def to_first_round(self) -> float:
        """Seconds from the command to the end of its first round."""
        return self.rounds[0] - self.began

    @property
    def seconds(self) -> float:
        """The median round after the second."""
        return statistics.median(after - before for before, after in pairwise(self.rounds[1:]))

    @property
    def processor(self) -> float:
        """The processors' seconds of a round after the second, which other work on the machine disturbs less."""
        return (self.spent[-1] - self.spent[1]) / (len(self.spent) - 2)


def train(words: Sequence[str], count: int, *, beside: int = 0) -> Run:
    """A training that is ended after so many rounds: what comes then is the same under every runtime.

    Args:
        beside: the process whose descendants take part; 0 for the training's own.
    """
    run, said = Run(time.time()), list[str]()
    process = subprocess.Popen(
        [sys.executable, "-m", "fedsov", "train", *words], env=environment(), stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if ROUND.search(line):
            run.rounds.append(time.time())
            run.spent.append(processor_seconds(descendants(beside or process.pid)))
        if len(run.rounds) == count:
            break
    process.terminate()
    process.wait()
    if len(run.rounds) < count:
        raise RuntimeError(f"{len(run.rounds)} of {count} rounds: {''.join(said)[-800:]}")
    return run


@dataclass(slots=True)
class Trial:
    """`fedsov up` of a workspace.

    Attributes:
        up: seconds until every region was connected and the hub took jobs.
    """

    rows: Rows
    port: int
    process: subprocess.Popen[bytes]
    up: float = 0.0

    def train(self, words: Sequence[str], count: int) -> Run:
        """A training at the hub; the job is stopped after so many rounds."""
        try:
            here = ["runtime=deployment", f"runtime.hub=127.0.0.1:{self.port}"]
            return train([*words, *here], count, beside=self.process.pid)
        finally:
            self.settle()

    def settle(self, seconds: float = 60.0) -> None:
        """Stops what runs at the hub, and waits until it has stopped."""
        with self.connection() as connection:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                jobs = [job for job in connection.get(paths.JOBS) if job["state"] in ("waiting", "running")]
                for job in jobs:
                    connection.post_json(f"{paths.JOBS}/stop", {"id": job["id"]})
                stopping = [job for job in connection.get(paths.JOBS) if job["state"] == "stopping"]
                if not jobs and not stopping:
                    break
                time.sleep(0.2)
        time.sleep(1.0)

    @contextmanager
    def connection(self) -> Iterator[HubConnection]:
        """To the hub, as its operator."""
        with operator_connection(self.rows.workspace, f"127.0.0.1:{self.port}") as connection:
            yield connection

    def families(self) -> dict[str, set[int]]:
        """The processes of each region and of the hub, by name."""
        found: dict[str, set[int]] = {"hub": set()}
        for pid in descendants(self.process.pid):
            words = _words(pid)
            if "fedsov.runtimes.deployment.region.region_main" in words:
                name = words[words.index("fedsov.runtimes.deployment.region.region_main") + 1]
                found[name] = descendants(pid)
            elif any(word.endswith(("coordinator_process", "deployment.dispatcher")) for word in words):
                found["hub"] |= descendants(pid)
        return found


@contextmanager
def up(rows: Rows, *more: str) -> Iterator[Trial]:
    """A hub and the regions of a workspace on this machine, ready, for the length of the block."""
    port, started = free_port(), time.monotonic()
    command = [sys.executable, "-m", "fedsov", "up", "--port", str(port), *more, *rows.words()]
    with open(rows.folder / "up.log", "ab") as log:
        process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
    trial = Trial(rows, port, process)
    try:
        _wait(trial)
        trial.up = time.monotonic() - started
        yield trial
    finally:
        process.terminate()
        process.wait(60)


def _wait(trial: Trial) -> None:
    until = time.monotonic() + UNTIL_UP
    while time.monotonic() < until and trial.process.poll() is None:
        try:
            with trial.connection() as connection:
                regions = connection.get(paths.REGIONS)["regions"]
            if sum(region["connected"] for region in regions.values()) == len(REGIONS):
                return
        except (FedsovError, OSError):
            pass  # it begins
        time.sleep(0.05)
    raise RuntimeError(f"the parties were not up in {UNTIL_UP:.0f} s; see {trial.rows.folder}/up.log")


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        return int(stream.getsockname()[1])


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def processor_seconds(pids: set[int]) -> float:
    """Of processes, since they began."""
    seconds = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def idle(trial: Trial, seconds: float) -> dict[str, tuple[float, float]]:
    """By family: the share of a core that it took while nothing was asked of it, in percent; and MiB (PSS)."""
    families = trial.families()
    before = {name: processor_seconds(pids) for name, pids in families.items()}
    time.sleep(seconds)
    return {
        name: (100 * (processor_seconds(pids) - before[name]) / seconds, sum(map(proportional, pids)))
        for name, pids in families.items()
    }


def told(values: object) -> str:
    """Plain values as JSON."""
    return json.dumps(values, indent=1)
