"""A control plane's service in this process, with the certificates of a trial, and clients of its regions: for tests.

with ControlWorld.begin(folder, ["DE", "FR"]) as world:
    world.client("DE").hello()
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fedsov.api.deployment.trial import Trial
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.place import open_database
from fedsov.runtimes.deployment.control.answers import ControlAnswers
from fedsov.runtimes.deployment.control.service import ControlService
from fedsov.runtimes.deployment.hub.access import Access
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress
from tests.runtimes.deployment.hub_side import trial_of

SECONDS = 60.0
"""Seconds that anything is waited for before a test fails."""


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine gives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(SECONDS)

    def close(self) -> None:
        """Ends the loop."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@dataclass
class ControlWorld:
    """A service, its database, and the parties of the trial."""

    trial: Trial
    database: Database
    service: ControlService
    address: HubAddress
    opened: ExitStack
    served: ExitStack

    @staticmethod
    @contextmanager
    def begin(folder: Path, names: list[str], answers: ControlAnswers | None = None, **options: Any) -> Iterator[Any]:
        """The world while the block runs; `options` are those of `serving`."""
        trial = trial_of(folder, *names)
        with (
            closing(open_database(folder)) as database,
            ExitStack() as served,
            ExitStack() as opened,
        ):
            service, address = served.enter_context(serving(trial, database, answers, **options))
            yield ControlWorld(trial, database, service, address, opened, served)

    def end_service(self) -> None:
        """Ends the service; database and parties stay."""
        self.served.close()

    def client(self, name: str, folder: DeploymentFolder | None = None) -> ControlClient:
        """A client with the certificate of a party."""
        own = folder or self.trial.regions[name]
        return self.opened.enter_context(ControlClient(self.address, Credentials.of(own)))


@contextmanager
def serving(
    trial: Trial,
    database: Database,
    answers: ControlAnswers | None = None,
    *,
    port: int = 0,
    clock: Callable[[], datetime] | None = None,
    on_change: Callable[[], None] = lambda: None,
) -> Iterator[tuple[ControlService, HubAddress]]:
    """A service of a trial's hub at a free port, while the block runs."""
    access = Access(trial.hub) if clock is None else Access(trial.hub, clock)
    thread = LoopThread()

    async def start() -> tuple[ControlService, int]:
        service = ControlService(database, access, answers or ControlAnswers(), hub="hub", on_change=on_change)
        return service, await service.start(f"127.0.0.1:{port}", Credentials.of(trial.hub))

    service, chosen = thread.run(start())
    try:
        yield service, HubAddress("127.0.0.1", chosen)
    finally:
        thread.run(service.stop())
        thread.close()
