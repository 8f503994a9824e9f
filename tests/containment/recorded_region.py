"""A region's service, which writes down every request's body and answer as its Fleet client has them.

    python -m tests.containment.recorded_region NAME HOME FOLDER [APP ...]

The region's processes import the modules APP before any message comes: hostile applications
(`tests.containment.hostile_app`), whose code is in the region's process as an installed one's would be at worst.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsov.runtimes.deployment.hub_connection import HubConnection
from fedsov.runtimes.deployment.region import region_service
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party


def record(name: str, folder: Path) -> None:
    """Has each request from now on written down."""
    ask, lock = HubConnection._ask, threading.Lock()

    def asked(
        self: Any, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> tuple[int, bytes]:
        _append(folder / f"{name}.sent", f"{method} {path} {dict(headers)}\n".encode() + body)
        status, answer = ask(self, method, path, body, headers, timeout)
        _append(folder / f"{name}.received", answer)
        return status, answer

    def _append(path: Path, content: bytes) -> None:
        with lock, open(path, "ab") as file:
            file.write(content)

    HubConnection._ask = asked  # type: ignore[method-assign]


def main() -> None:
    name, home, folder, *apps = sys.argv[1:]
    record(name, Path(folder))
    region_service.DEPLOYED = (*region_service.DEPLOYED, *apps)
    deployment = DeploymentFolder(Path(home))
    place = region_service.RegionPlace(name, Path(home), deployment, read_party(deployment.party).hub)
    stop = threading.Event()
    service = region_service.RegionService(place, lambda event, text, **_: print(name, event, text, flush=True))

    def end(*_: object) -> None:
        stop.set()
        service.interrupt()

    signal.signal(signal.SIGTERM, end)
    service.serve(stop)


if __name__ == "__main__":
    main()
