"""A deployment in real processes, for tests: a coordinator, a Fleet client a region, and a run that is disturbed.

    world = World.begin(folder, ["AT", "DE"])
    run = world.run()                            # `train runtime=deployment`, in a thread
    run.until("round 2/")
    os.kill(world.region_process("AT"), signal.SIGKILL)
    run.ended()
    world.end()

One workspace is ingested for all tests and copied. Every process is ended by its number. A run is ended where its
rounds have: what comes then (registries) takes longer than all the rest, and a test that needs it says so.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fedsov.api import resume, train
from fedsov.api.deployment.authority import AuthorityFolder, given_passphrase, open_authority
from fedsov.api.deployment.trial import set_up_trial
from fedsov.api.result import RunResult
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import Settings, settings
from fedsov.errors import FedsovError
from fedsov.hub.kept.checkpoints import RunManifest
from fedsov.keys.certificates import REGION, request
from fedsov.ledger.ledger import Ledger
from fedsov.runtimes.deployment.hub_connection import Credentials, HubConnection, HubUnreachable
from fedsov.storage.atomic_files import write_file
from fedsov.storage.party_file import HubAddress
from fedsov.storage.workspace import ledger_of
from tests.runtimes.deployment.disks import SmallDisk
from tests.runtimes.deployment.network import Way
from tests.world import ROOT, people, settle

COUNTRIES = {"AT": 260, "DE": 300, "FR": 240, "GB": 280}
SECONDS = 60.0
"""Seconds that anything is waited for before a test fails."""
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "FLWR_TELEMETRY_ENABLED": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}
PREFIX = "/fedsov/v1"
COORDINATOR = "coordinator"
COORDINATOR_MODULE = "fedsov.runtimes.deployment.hub.coordinator_process"
REGION_MODULE = "fedsov.runtimes.deployment.region.region_main"
HOOKS = Path(__file__).parent / "hooks"
PRIVATE = (
    "privacy=record",
    "privacy.epsilon=1",
    "dataset.bounds={age:[18,90],visits:[0,9]}",
)


CLOCKS: Counter[str] = Counter()
"""How the clocks of a session's tests were shifted; `conftest.py` says so at its end."""


class Enough(FedsovError):
    """A test has seen what it wanted of a run."""


def words(workspace: Path, *more: str) -> list[str]:
    """The words of a run over the workspace's regions, without its runtime."""
    source = [word for word in people(workspace.parent, _rows(), target="bought") if not word.startswith("workspace=")]
    return [
        f"workspace={workspace}",
        *source,
        "strategy.order=[federated]",
        "strategy.federated.min_rows=20",
        "federation.rounds=5",
        *more,
    ]


@functools.cache
def _rows() -> tuple[str, ...]:
    rng, lines = random.Random(0), ["country,age,visits,bought"]
    for country, count in COUNTRIES.items():
        for _ in range(count):
            visits = rng.randint(0, 9)
            lines.append(f"{country},{rng.randint(18, 90)},{visits},{int(visits + rng.gauss(0, 2) > 4)}")
    return tuple(lines)


def composed(overrides: Sequence[str]) -> Settings:
    """The settings of these words."""
    return settings(compose(overrides))


def ingested(folder: Path) -> Path:
    """A workspace whose regions hold the rows; made once for all that copy it."""
    workspace = folder / "w"
    train.ingest_settings(composed(words(workspace)), progress=lambda _: None)
    settle(workspace)
    return workspace


BEFORE_IT_IS_KEPT, AFTER_IT_IS_KEPT = ("os.rename", "answer.bin"), ("os.remove", "answer.bin")
"""The two instants of an answer: it was decided, recorded and made; and it is on the disk, and did not leave yet."""


class Deployment:
    """A coordinator and its regions over a copy of a workspace.

    Args:
        folder: where the copy and the processes' logs lie.
        way: how the first region reaches the hub, where a test is to cut that.
    """

    def __init__(self, folder: Path, base: Path, names: Sequence[str] = tuple(COUNTRIES), *, way: Way | None = None):
        self.folder, self.names, self.workspace, self.way = folder, list(names), folder / "w", way
        shutil.copytree(base, self.workspace, symlinks=True)
        self.address = HubAddress(way.host if way else "127.0.0.1", free_port())
        self.trial = set_up_trial(self.workspace, self.names, self.address)
        self.disk: SmallDisk | None = None
        self.database = ""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, *names: str, wait: bool = True, module: str = REGION_MODULE, port: int = 0, **environment: str
    ) -> None:
        """Starts the coordinator and all regions, or those named; waits until the regions are connected.

        Args:
            module: the program of regions.
            port: of another hub than the coordinator.
        """
        chosen = names or (COORDINATOR, *self.names)
        for name in chosen:
            way = self.way if self.way and name == self.names[0] else None
            towards = port or (way.port(self.address.port) if way else self.address.port)
            home = self.trial.regions[name].root.parent if name != COORDINATOR else self.workspace
            program = [module, name, "--workspace", str(self.workspace), "--home", str(home)]
            program += ["--hub", f"{self.address.host}:{towards}"]
            if name == COORDINATOR:
                program = [COORDINATOR_MODULE, str(self.workspace)]
                program += ["--database", self.database] if self.database else []
            self._spawn(name, [*(way.prefix if way else ()), sys.executable, "-m", *program], environment)
        if wait:
            self.until_connected()

    def _spawn(self, name: str, program: Sequence[str], more: Mapping[str, str]) -> None:
        path = os.pathsep.join([str(HOOKS), str(ROOT)])
        environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": path, "FEDSOV_ORDERS": str(self.folder), **more}
        with open(self.log(name), "ab") as log:
            self.processes[name] = subprocess.Popen(
                program, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=environment
            )

    def made_whole(self) -> None:
        """Whatever a test ended is there again, and no order waits."""
        for path in (*self.folder.glob("*.order"), *self.folder.glob("*.obeyed")):
            path.unlink()
        gone = [name for name in (COORDINATOR, *self.names) if not self.runs(name)]
        if gone:
            self.start(*gone, wait=False)
        self.until_connected()

    def let_go(self) -> None:
        """Nothing is stopped, cut or full any more."""
        if self.way:
            self.way.mend()
        if self.disk:
            self.disk.free()
        for process in self.processes.values():
            for pid in (process.pid, *descendants(process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def runs(self, name: str) -> bool:
        """Whether a process of this name was started, and has not ended."""
        return name in self.processes and self.processes[name].poll() is None

    def log(self, name: str) -> Path:
        """What a process printed."""
        return self.folder / f"{name}.log"

    def said(self, name: str, event: str = "") -> list[dict[str, Any]]:
        """The events of a kind, or all, that a region told."""
        lines = [line for line in self.log(name).read_text().splitlines() if line.startswith("{")]
        return [each for each in map(json.loads, lines) if event in ("", each["event"])]

    def seen(self) -> dict[str, bool]:
        """Each region, and whether the coordinator sees it connected; {} while it does not answer."""
        with HubConnection(self.address, Credentials.of(self.trial.hub)) as hub, suppress(HubUnreachable):
            return {name: each["connected"] for name, each in hub.get(f"{PREFIX}/regions")["regions"].items()}
        return {}

    def until_connected(self, *names: str) -> None:
        """Waits until these regions, or all that run, are connected. Fails where a process has ended by itself."""
        wanted = names or [name for name in self.names if self.runs(name)]

        def connected() -> bool:
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not ended, f"{ended[0]} ended: {self.log(ended[0]).read_text()[-2000:]}"
            return all(self.seen().get(name) for name in wanted)

        until(connected, f"{', '.join(wanted)} connected")

    def region_process(self, name: str) -> int:
        """The number of the process that holds a region's keys."""
        log = str(self.workspace / "regions" / name / "worker.log")
        for child in descendants(self.processes[name].pid):
            with suppress(OSError):
                if os.readlink(f"/proc/{child}/fd/1") == log:
                    return child
        raise AssertionError(f"no process of {name}")

    def kill(self, name: str) -> None:
        """SIGKILL to the coordinator, or to a region's Fleet client."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def leave(self, name: str) -> None:
        """SIGTERM to a region's Fleet client, which says that it goes."""
        process = self.processes.pop(name)
        process.terminate()
        process.wait(SECONDS)

    def renew(self, name: str, *, seconds: float) -> datetime:
        """Gives a region another certificate for its key, which ends so soon; when that is."""
        own, authority = self.trial.regions[name], AuthorityFolder(self.trial.hub.root / "ca")
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        opened = open_authority(authority, given_passphrase(authority.passphrase))
        asked = request(own.key.read_bytes(), REGION, name)
        write_file(own.certificate, opened.sign(asked, days=1, now=ends - timedelta(days=1)))
        return ends

    def clock_of(self, shift: int) -> dict[str, str]:
        """What has a process's clock go wrong by so many seconds: all of it with a compiler, else Python's."""
        library = self.folder / "shifted_clock.so"
        source = Path(__file__).with_name("shifted_clock.c")
        compiler = shutil.which("cc")
        if (
            compiler
            and subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=False).returncode == 0
        ):
            CLOCKS["all of a process's clocks"] += 1
            return {"LD_PRELOAD": str(library), "FEDSOV_SHIFT": str(shift)}
        CLOCKS["Python's clocks alone, since there is no compiler here"] += 1
        return {"FEDSOV_CLOCK": str(shift)}

    def order(self, name: str, act: str, instant: tuple[str, str], *, at: int = 1) -> None:
        """Has a region's process kill or stop itself at an instant of a file; at the `at`-th time."""
        (self.folder / f"{name}.obeyed").unlink(missing_ok=True)
        write = self.folder / f"{name}.order.new"
        write.write_text(
            json.dumps({"act": act, "event": instant[0], "ends": instant[1], "at": at, "nonce": time.monotonic()})
        )
        write.rename(self.folder / f"{name}.order")

    def until_obeyed(self, name: str, run: Run) -> None:
        """Waits until the order was carried out, in this run."""
        obeyed = (self.folder / f"{name}.obeyed").exists
        until(lambda: obeyed() or not run.thread.is_alive(), f"{name} obeys: {run.lines}")
        assert obeyed(), f"the run ended before {name} obeyed: {run.lines} {run.error!r}"

    def composed(self, *more: str) -> Settings:
        """The settings of a run here."""
        return composed([*words(self.workspace), "runtime=deployment", "runtime.options.wait=20", *more])

    def latest(self) -> tuple[Settings, RunManifest]:
        """The latest run's settings, and what it began with."""
        return resume.find_run(self.workspace, resume.LATEST)

    def resumed(self, *, ends: str = "finish:", hold: Sequence[str] = ()) -> Run:
        """The latest run, which goes on in a thread."""
        chosen, begun = self.latest()
        run = Run(chosen, ends=ends, hold=hold, begun=begun)
        run.thread.start()
        return run

    def run(self, *more: str, ends: str = "finish:", hold: Sequence[str] = ()) -> Run:
        """A run over this deployment, begun in a thread."""
        run = Run(self.composed(*more), ends=ends, hold=hold)
        run.thread.start()
        return run

    def ledger(self, name: str) -> list[dict[str, Any]]:
        """The entries of a ledger, a region's or the hub's."""
        place = self.workspace / "hub" if name == "hub" else self.workspace / "regions" / name
        with closing(Ledger.read(ledger_of(place))) as ledger:
            return [dict(entry.body) for entry in ledger.entries()]

    def model(self, run: str, number: int = 5) -> bytes:
        """The global model after a round, as the hub wrote it down."""
        return (self.workspace / "hub" / "checkpoints" / run / f"shareable-{number:04d}.safetensors").read_bytes()

    def end(self) -> None:
        """Ends every process, by its number; what a Fleet client began ends with it."""
        for name in list(self.processes):
            begun = list(descendants(self.processes[name].pid))
            self.kill(name)
            for pid in begun:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


class Run:
    """A run of `fedsov.api.train` in a thread, which waits at the lines where a test wants it to."""

    def __init__(self, chosen: Settings, *, ends: str = "finish:", hold: Sequence[str] = (), begun: Any = None) -> None:
        self._chosen, self._ends, self._begun = chosen, ends, begun
        self.lines: list[str] = []
        self._news, self._hold, self._free = threading.Condition(), list(hold), threading.Event()
        self._free.set()
        self.result: RunResult | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._work, daemon=True, name="run of a test")

    @property
    def name(self) -> str:
        """The run's."""
        if self._begun is not None:
            return str(self._begun.run)
        return next(line for line in self.lines if line.startswith("run ")).split()[1].rstrip(";")

    def _work(self) -> None:
        try:
            self.result = train.train_settings(self._chosen, progress=self._hear, resumed=self._begun)
        except BaseException as error:  # boundary: the test that waits is told
            self.error = error
        with self._news:
            self._news.notify_all()

    def _hear(self, line: str) -> None:
        with self._news:
            self.lines.append(line)
            if any(text in line for text in self._hold):
                self._hold = [text for text in self._hold if text not in line]
                self._free.clear()
            self._news.notify_all()
        assert self._free.wait(10 * SECONDS), f"nobody let the run go on after {line!r}"
        if self._ends and self._ends in line:
            raise Enough(line)

    def until(self, text: str, seconds: float = SECONDS) -> str:
        """Waits for a line with this text. Fails where the run ends before, or the time is up."""

        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or not self.thread.is_alive() or self.error, seconds)
            line = found()
        assert line is not None, f"no line with {text!r} ({self.error!r}): {self.lines}"
        return line

    def go_on(self) -> None:
        """Lets it go on from the line that it waits at."""
        self._free.set()

    def ended(self, seconds: float = SECONDS) -> list[str]:
        """Waits for its end, and raises what it raised beside `Enough`; its lines."""
        self.go_on()
        self.thread.join(seconds)
        assert not self.thread.is_alive(), f"the run goes on after {seconds} s: {self.lines}"
        if self.error is not None and not isinstance(self.error, Enough):
            raise self.error
        return self.lines


def until(true: Callable[[], Any], what: str, seconds: float = SECONDS) -> None:
    """Waits until something is so; fails after some seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.05)


def free_port() -> int:
    """A port of this machine that nobody listens at now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> Iterator[int]:
    """The numbers of a process's children, theirs, and so on."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from descendants(int(child))


def updates_of(deployment: Deployment, name: str, run: str) -> list[int]:
    """The rounds whose update left a region, by its ledger, in order; one that left twice is there twice."""
    entries = [entry for entry in deployment.ledger(name) if entry.get("run") == run and entry["act"] == "cross"]
    return [entry["round"] for entry in entries if entry["kind"] == "update" and entry["verdict"] == "permit"]


def rounds_of(deployment: Deployment, name: str, run: str) -> list[int]:
    """The rounds whose update left a region, each once."""
    return sorted(set(updates_of(deployment, name, run)))


def left_out(lines: Sequence[str]) -> list[str]:
    """The lines of rounds that some region had no part in."""
    return [line for line in lines if line.startswith("global model, round") and "without" in line]
