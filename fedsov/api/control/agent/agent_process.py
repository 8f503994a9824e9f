"""A region's process towards the hub's control plane, under its supervisor.

python -m fedsov.api.control.agent.agent_process DE --workspace DIR --home DIR [--hub-key HEX]
"""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from fedsov.api.control.agent.region_acts import region_acts
from fedsov.keys.certificates import identity_of
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.runtimes.deployment.region_agent.agent import RegionAgent
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, write_python_logging
from fedsov.runtimes.deployment.supervision.supervised import under_supervisor
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party
from fedsov.storage.private_files import keep_private


def main() -> None:
    """Serves, under a supervisor."""
    health = under_supervisor()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    for word in ("--workspace", "--home"):
        parser.add_argument(word, required=True, type=Path)
    parser.add_argument("--hub-key", default="")
    given = parser.parse_args()
    keep_private()
    lines, stop = LogLines(f"{given.name} (agent)"), threading.Event()
    write_python_logging(lines)
    folder = DeploymentFolder(given.home)
    health.tell(certificate_ends=identity_of(folder.certificate.read_bytes()).not_after.timestamp())
    client = ControlClient(read_party(folder.party).hub.control, Credentials.of(folder, given.hub_key))
    acts, follow = region_acts(given.workspace, given.name, lines.info)
    agent = RegionAgent(client, acts, lines.info, health)
    threading.Thread(target=follow, args=(agent, stop), name="endpoint", daemon=True).start()

    def end(*_: object) -> None:
        stop.set()
        agent.interrupt()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    agent.serve(stop)


if __name__ == "__main__":
    main()
