"""The main of a region's Fleet client (`fedsov.runtimes.deployment.region.region_service`), under its supervisor.

python -m fedsov.runtimes.deployment.region.region_main DE --workspace DIR --home DIR --hub HOST:PORT --hub-key HEX
"""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from fedsov.keys.certificates import identity_of
from fedsov.runtimes.deployment.hub_connection import parse_address
from fedsov.runtimes.deployment.region.region_service import RegionPlace, RegionService
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, write_python_logging
from fedsov.runtimes.deployment.supervision.supervised import under_supervisor
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.private_files import keep_private


def main() -> None:
    """Serves, under a supervisor."""
    health = under_supervisor()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    for word in ("--workspace", "--home", "--hub"):
        parser.add_argument(word, required=True)
    parser.add_argument("--hub-key", default="")
    given = parser.parse_args()
    keep_private()
    lines, stop = LogLines(given.name), threading.Event()
    write_python_logging(lines)
    folder = DeploymentFolder(Path(given.home))
    place = RegionPlace(given.name, Path(given.workspace), folder, parse_address(given.hub), given.hub_key)
    health.tell(certificate_ends=identity_of(folder.certificate.read_bytes()).not_after.timestamp())
    service = RegionService(place, lines.info, health)

    def end(*_: object) -> None:
        stop.set()
        service.interrupt()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    service.serve(stop)


if __name__ == "__main__":
    main()
