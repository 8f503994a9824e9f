"""The hub's control plane: the service that regions call, and the pages of people, in one process.

    python -m fedsov.api.control.hub.control_process HOME [--listen ADDRESS] [--regions-port N] [--pages-port N]

It loads no library of rows or of training, keeps nothing in memory that the database does not have, and may be killed
and begun again at any time; a second one beside it, on the same PostgreSQL database, serves the same.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.api.control.control_hub import control_hub
from fedsov.api.control.hub.control_answers import control_answers
from fedsov.api.control.hub.control_drivers import control_drivers
from fedsov.api.control.hub.control_pages import control_pages
from fedsov.control_plane.pages.views import ENDING
from fedsov.keys.certificates import identity_of
from fedsov.runtimes.deployment.control.drivers import Changed, drive
from fedsov.runtimes.deployment.control.pages_server import PagesServer, pages_server
from fedsov.runtimes.deployment.control.service import ControlService
from fedsov.runtimes.deployment.hub.access import Access
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.runtimes.deployment.supervision.health import SILENT, Health
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, write_python_logging
from fedsov.runtimes.deployment.supervision.supervised import under_supervisor
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, read_party
from fedsov.storage.private_files import keep_private


@dataclass(frozen=True, slots=True)
class ControlPlace:
    """Where a control plane listens: for regions, and for people; None for no pages."""

    home: Path
    regions: HubAddress
    people: HubAddress | None


async def serve(place: ControlPlace, health: Health, stop: asyncio.Event) -> None:
    """Serves a hub's home until it is told to stop.

    Raises WorkspaceUnusable; OSError where it cannot listen; KeyUnavailable, CertificateRefused.
    """
    folder = DeploymentFolder(place.home)
    access, credentials, changed = Access(folder), Credentials.of(folder), Changed()
    access.check_noted()
    with control_hub(place.home) as hub:
        service = ControlService(hub.database, access, control_answers(hub), hub=hub.name, on_change=changed.ring)
        await service.start(str(place.regions), credentials)
        work = [drive(each, changed) for each in control_drivers(hub)]
        if place.people is not None and (application := control_pages(hub, place.people)) is not None:
            work.append(_pages(application, pages_server(application, place.people, credentials), stop))
        tasks = [asyncio.create_task(each) for each in work]
        health.tell(waits_for="", connected=True)
        try:
            await _until_stopped(stop, tasks, health)
        finally:
            stop.set()
            await service.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _until_stopped(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]], health: Health) -> None:
    """Until a stop is asked for. Raises what a task raised."""
    while not stop.is_set():
        health.beat()
        await _until(stop, SILENT / 3, tasks)
        for task in tasks:
            if task.done():
                task.result()


async def _pages(application: Any, pages: PagesServer, stop: asyncio.Event) -> None:
    serving = asyncio.create_task(pages.serve())
    await _until(stop, None, [serving])
    setattr(application.state, ENDING, True)
    pages.end()
    await serving


async def _until(stop: asyncio.Event, seconds: float | None, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Until a stop is asked for, a task ended, or so many seconds passed."""
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({waiting, *tasks}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _run(place: ControlPlace, health: Health) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(place, health, stop)


def main() -> None:
    """Serves, under a supervisor."""
    health = under_supervisor()
    parser = argparse.ArgumentParser(description=serve.__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--listen", default="")
    parser.add_argument("--regions-port", type=int, default=0)
    parser.add_argument("--pages-port", type=int, default=0)
    given = parser.parse_args()
    keep_private()
    write_python_logging(LogLines("control plane"), texts_of=("fedsov", "uvicorn"), level=logging.WARNING)
    folder = DeploymentFolder(given.home)
    hub = read_party(folder.party).hub
    health.tell(certificate_ends=identity_of(folder.certificate.read_bytes()).not_after.timestamp())
    host = given.listen or hub.host
    regions = HubAddress(host, given.regions_port or hub.control.port)
    people = HubAddress(host, given.pages_port or hub.pages.port)
    asyncio.run(_run(ControlPlace(given.home, regions, people), health))


if __name__ == "__main__":
    main()
