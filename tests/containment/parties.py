"""The hub's home and each region's, made of one ingestion and divided, and the processes that live in them.

    homes = Homes.made(folder, ("DE", "FR"), HubAddress("10.77.0.1"))
    with running(homes, places) as parties:
        parties.wait()

Each home has what is its party's own: the hub's holds no region's folder, and a region's holds no other's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fedsov.api.deployment.trial import set_up_trial
from fedsov.runtimes.deployment.supervision.parties import DISPATCHER
from fedsov.storage.party_file import HubAddress
from tests.containment.canaries import people
from tests.containment.network import HUB_NAME, Place
from tests.containment.packages import CHANGED, approve, install, swap

ROOT = Path(__file__).parents[2]
DATASET = "people"
JOBS = f"{HUB_NAME}-jobs"
"""The hub's dispatcher, which runs what is submitted."""
ENDS = 15.0


@dataclass(frozen=True, slots=True)
class Homes:
    """The homes of all parties under one folder."""

    root: Path
    regions: tuple[str, ...]

    @property
    def hub(self) -> Path:
        return self.root / HUB_NAME

    @property
    def table(self) -> Path:
        """The table that the regions' rows came from; no party's home holds it."""
        return self.root / "people.csv"

    @property
    def packages(self) -> Path:
        """What is installed on regions' machines beside fedsov."""
        return self.root / "packages"

    def region(self, name: str) -> Path:
        """A region's home."""
        return self.root / f"region-{name}"

    def words(self, *more: str) -> list[str]:
        """The settings of a run over the rows."""
        return [
            "dataset=table", f"dataset.name={DATASET}", f"dataset.path={self.table}", "dataset.jurisdiction=country",
            "dataset.subject=person", "dataset.target=ill", "federation.regions=auto", "federation.hub.location=DE",
            "border=none", "strategy.federated.min_rows=10", "federation.rounds=2", *more,
        ]  # fmt: skip

    @staticmethod
    def made(root: Path, regions: Sequence[str], hub: HubAddress, *, rows: int = 120) -> Homes:
        """Ingests so many people for each region, makes everybody's keys, and divides what was made.

        The first region approves an application, which is swapped then (`tests.containment.packages`).
        """
        homes, whole = Homes(root, tuple(regions)), root / "whole"
        lines = [line for name in regions for line in people(name, rows)]
        homes.packages.mkdir(parents=True)
        install(homes.packages)
        homes.table.write_text("\n".join(["country,person,passport,income,ward,ill", *lines]) + "\n")
        subprocess.run(
            [sys.executable, "-m", "fedsov", "ingest", f"workspace={whole}", *homes.words(), "--quiet"],
            check=True, env=environment(homes), capture_output=True,
        )  # fmt: skip
        set_up_trial(whole, regions, hub)
        _divide(whole, homes)
        shutil.rmtree(whole)
        approve(homes.region(regions[0]), regions[0], homes.packages, CHANGED)
        swap(homes.packages)
        return homes


def _divide(whole: Path, homes: Homes) -> None:
    alone = shutil.ignore_patterns("regions", "quarantine")
    shutil.copytree(whole, homes.hub, ignore=alone)
    for name in homes.regions:
        home = homes.region(name)
        shutil.copytree(whole / "regions" / name, home / "regions" / name)
        shutil.copytree(whole / "quarantine", home / "quarantine")  # empty, but for what was reported of the ingestion
        shutil.copytree(whole / "deployment" / "regions" / name / "deployment", home / "deployment")
        if (whole / "law").exists():
            shutil.copytree(whole / "law", home / "law")


def environment(homes: Homes | None = None) -> dict[str, str]:
    """Of every process: this code, and the packages that are installed on regions' machines."""
    path = [str(ROOT), *([str(homes.packages)] if homes else [])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@dataclass(slots=True)
class Parties:
    """The processes of all parties, and the folders of their records and logs."""

    homes: Homes
    places: Mapping[str, Place]
    records: Path
    logs: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, module: str, *words: str, at: str = "") -> None:
        """Starts a process where its party is: the one that it is named for, or another."""
        command = self.places[at or name].command([sys.executable, "-m", module, *words])
        with open(self.logs / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.homes.root,
                env=environment(self.homes),
            )

    def hub_command(self, *words: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Runs a module of this code at the hub's place."""
        command = self.places[HUB_NAME].command([sys.executable, "-m", *words])
        return subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, cwd=self.homes.root, env=environment(self.homes)
        )

    def start_region(self, name: str, apps: Sequence[str] = ()) -> None:
        """Starts a region's service."""
        home = str(self.homes.region(name))
        self.start(name, "tests.containment.recorded_region", name, home, str(self.records), *apps)

    def wait(self, names: Sequence[str], seconds: float = 60.0) -> float:
        """Waits until these regions say that they are connected; seconds that it took. Raises RuntimeError."""
        started = time.monotonic()
        while missing := [name for name in names if b" connected " not in (self.logs / f"{name}.log").read_bytes()]:
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() - started > seconds:
                raise RuntimeError(f"{', '.join(missing)} did not connect; ended: {ended}; logs in {self.logs}")
            time.sleep(0.05)
        return time.monotonic() - started

    def stop(self) -> None:
        """Ends all parties' processes."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(ENDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running(homes: Homes, places: Mapping[str, Place], apps: Mapping[str, Sequence[str]]) -> Iterator[Parties]:
    """The coordinator, the dispatcher, and a service for each region, for the length of the block.

    Args:
        apps: by region, the hostile modules that its processes import.
    """
    records, logs = homes.root / "records", homes.root / "logs"
    for folder in (records, logs):
        folder.mkdir()
    parties = Parties(homes, places, records, logs)
    try:
        parties.start(HUB_NAME, "tests.containment.recorded_coordinator", str(homes.hub), str(records))
        parties.start(JOBS, DISPATCHER, str(homes.hub), at=HUB_NAME)
        for name in homes.regions:
            parties.start_region(name, apps.get(name, ()))
        parties.wait(homes.regions)
        yield parties
    finally:
        parties.stop()
