"""The hub's control plane, as a command in a region's home calls it.

with control_of(root, "DE", own) as client: client.candidate(...)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedsov.api.inference.approval import approvals
from fedsov.errors import ConfigurationError
from fedsov.region.settings import RegionSettings
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party


def deployment_of(root: Path, name: str) -> DeploymentFolder:
    """The papers of a region: of a trial's workspace, or of its own home. Raises ConfigurationError."""
    for home in (root / "deployment" / "regions" / name, root):
        folder = DeploymentFolder(home)
        if folder.party.exists():
            return folder
    raise ConfigurationError(
        f"{root} is no home of region {name} in a deployment, so it knows no hub; `fedsov deploy join` makes it one"
    )


@contextmanager
def control_of(root: Path, name: str, own: RegionSettings) -> Iterator[ControlClient]:
    """The hub's control plane. Raises ConfigurationError, HubUnreachable."""
    folder = deployment_of(root, name)
    client = ControlClient(read_party(folder.party).hub.control, Credentials.of(folder, approvals.hub_key(own)))
    with client:
        client.hello()
        yield client
