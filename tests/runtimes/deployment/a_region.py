"""A region's Fleet client as a process of its own, for tests: each event is a line of JSON.

python -m tests.runtimes.deployment.a_region WORKSPACE NAME HOST PORT
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from fedsov.runtimes.deployment.region_service import RegionPlace, RegionService
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress


def main() -> None:
    workspace, name, host, port = sys.argv[1:]
    folder = DeploymentFolder(Path(workspace) / "deployment" / "regions" / name)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    place = RegionPlace(name, Path(workspace), folder, HubAddress(host, int(port)))
    RegionService(place, _tell).serve(stop)


def _tell(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


if __name__ == "__main__":
    main()
