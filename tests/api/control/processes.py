"""A hub's control plane and regions' agents as the processes that a supervisor starts, over a trial's home: for tests.

    with ControlProcesses(folder, ["DE"]) as parties:
        parties.begin_hub()
        parties.begin_region("DE")
        parties.until_seen("DE")

Every process is ended by its number.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType

from fedsov.api.deployment.trial import Trial
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.regions.directory import RegionState, region_state
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, read_party, write_party
from tests.runtimes.deployment.hub_side import trial_of
from tests.runtimes.deployment.world import ENVIRONMENT, free_port
from tests.world import ROOT

SECONDS = 60.0
"""Seconds that anything is waited for before a test fails."""
HUB = "hub"


class ControlProcesses:
    """The processes of a trial."""

    def __init__(
        self, home: Path, names: Sequence[str], *, ways: Mapping[str, int] | None = None, trial: Trial | None = None
    ) -> None:
        """
        Args:
            trial: of regions that have settings already.
            ways: the port at which a region reaches the hub, where it is another than the hub's own.
        """
        self.home, self.trial = home, trial or trial_of(home, *names)
        self.control, self.pages = free_port(), free_port()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.say_where(self.trial.hub, self.control)
        for name in names:
            self.say_where(self.trial.regions[name], (ways or {}).get(name, self.control))

    def say_where(self, folder: DeploymentFolder, port: int) -> None:
        """Writes into a party's file where regions reach the control plane."""
        party = read_party(folder.party)
        hub = HubAddress("127.0.0.1", party.hub.port, port, self.pages)
        write_party(folder.party, PartyFile(party.name, party.role, hub))

    def __enter__(self) -> ControlProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self.running):
            self.kill(name)

    def begin_hub(self, name: str = HUB, *words: str) -> None:
        """Starts a service of the hub's home."""
        self.begin(name, "fedsov.api.control.hub.control_process", str(self.home), *words)

    def begin_region(self, name: str) -> None:
        """Starts a region's agent."""
        home = self.trial.regions[name].home
        self.begin(
            name, "fedsov.api.control.agent.agent_process", name, "--workspace", str(self.home), "--home", str(home)
        )  # fmt: skip

    def begin(self, name: str, module: str, *words: str) -> None:
        """Starts a process, whose output lies in the home."""
        with open(self.log(name), "ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env={**os.environ, **ENVIRONMENT},
            )  # fmt: skip

    def log(self, name: str) -> Path:
        """Where a process's output lies."""
        return self.home / f"{name}.log"

    def last_words(self) -> str:
        """What every process wrote last."""
        return " ".join(f"{path.name}: {path.read_text()[-800:]}" for path in sorted(self.home.glob("*.log")))

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Ends a process, by its number; its code."""
        process = self.running.pop(name)
        process.send_signal(number)
        return process.wait(SECONDS)

    def database(self) -> Database:
        """The hub's database, as a command opens it."""
        return open_database(self.home)

    def state(self, name: str) -> RegionState | None:
        """What the directory says of a region."""
        with closing(self.database()) as database, database.reading() as connection:
            return region_state(connection, name)

    def until_seen(self, name: str, *, after: float = 0.0) -> RegionState:
        """Waits until a region was heard; after a time (seconds since 1970) where one is given."""
        states: list[RegionState] = []

        def heard() -> bool:
            state = self.state(name)
            if state is not None and state.seen_at.timestamp() > after:
                states.append(state)
            return bool(states)

        until(heard, lambda: f"{name} to be heard; {self.last_words()}")
        return states[-1]


def until(holds: Callable[[], object], what: str | Callable[[], str]) -> None:
    """Waits until something holds. Fails with what was waited for."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"waited {SECONDS:.0f} s for {what if isinstance(what, str) else what()}"
        time.sleep(0.02)
