"""The hub's control plane: the service that regions call, and the pages of people, in one process.

    python -m fedsov.api.control.control_process HOME [--listen ADDRESS]

It loads no library of rows or of training, keeps nothing in memory that the database does not have, and may be killed
and begun again at any time; a second one beside it, on the same PostgreSQL database, serves the same.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from contextlib import closing
from pathlib import Path

from fedsov.api.control.control_answers import control_answers
from fedsov.control_plane.database.place import open_database
from fedsov.keys.certificates import identity_of
from fedsov.runtimes.deployment.control.service import ControlService
from fedsov.runtimes.deployment.hub.access import Access
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.runtimes.deployment.supervision.health import SILENT, Health
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, write_python_logging
from fedsov.runtimes.deployment.supervision.supervised import under_supervisor
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, read_party
from fedsov.storage.private_files import keep_private


async def serve(home: Path, listen: HubAddress, health: Health, stop: asyncio.Event) -> None:
    """Serves a hub's home until it is told to stop.

    Args:
        listen: where regions reach it.

    Raises WorkspaceUnusable; OSError where it cannot listen there; KeyUnavailable, CertificateRefused.
    """
    folder = DeploymentFolder(home)
    access = Access(folder)
    access.check_noted()
    with closing(open_database(home)) as database:
        service = ControlService(database, access, control_answers(home, database), hub=read_party(folder.party).name)
        await service.start(str(listen), Credentials.of(folder))
        health.tell(waits_for="", connected=True)
        try:
            while not stop.is_set():
                health.beat()
                await _until(stop, SILENT / 3)
        finally:
            await service.stop()


async def _until(stop: asyncio.Event, seconds: float) -> None:
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({waiting}, timeout=seconds)
    waiting.cancel()


async def _run(home: Path, listen: HubAddress, health: Health) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(home, listen, health, stop)


def main() -> None:
    """Serves, under a supervisor."""
    health = under_supervisor()
    parser = argparse.ArgumentParser(description=serve.__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--listen", default="")
    given = parser.parse_args()
    keep_private()
    write_python_logging(LogLines("control plane"), texts_of=("fedsov", "uvicorn"), level=logging.WARNING)
    folder = DeploymentFolder(given.home)
    address = read_party(folder.party).hub.control
    health.tell(certificate_ends=identity_of(folder.certificate.read_bytes()).not_after.timestamp())
    asyncio.run(_run(given.home, HubAddress(given.listen or address.host, address.port), health))


if __name__ == "__main__":
    main()
