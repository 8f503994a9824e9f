"""Writes the files by which a party runs as a service, from its own party.yaml and what its owner chooses.

    written = write_files(service_of(workspace, memory=8192), Path("services"))

`fedsov.infrastructure.workload` renders them. A hub that is called by a name is looked up once, here, for firewalls
know addresses alone; what was found is said, and `hub_networks` says otherwise.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedsov.infrastructure.workload.render import render
from fedsov.infrastructure.workload.values import Workload
from fedsov.storage.atomic_files import write_file
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party


def service_of(workspace: Path, **chosen: Any) -> Workload:
    """How the party of a workspace runs.

    Args:
        chosen: fields of `Workload` but party, role and hub.

    Raises ConfigurationError for a workspace without party.yaml, an operator's, and a field that cannot be.
    """
    party = read_party(DeploymentFolder(workspace).party)
    return Workload(party=party.name, role=party.role, hub=party.hub, **chosen)


def looked_up(workload: Workload) -> Workload:
    """The same, with the addresses that the hub's name has now; unchanged where they are known, or nobody knows any."""
    if workload.is_hub or workload.hub_addresses:
        return workload
    try:
        found = socket.getaddrinfo(workload.hub.host, workload.hub.port, type=socket.SOCK_STREAM)
    except OSError:
        return workload
    networks = sorted({str(ipaddress.ip_network(str(entry[4][0]))) for entry in found})
    return replace(workload, hub_networks=tuple(networks))


def write_files(workload: Workload, folder: Path) -> list[Path]:
    """Writes every file into a folder, over those of before. Raises WorkspaceUnusable."""
    paths = []
    for path, text in render(workload).items():
        paths.append(folder / path)
        write_file(paths[-1], text.encode())
    return paths
