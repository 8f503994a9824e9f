"""``party.yaml``: who a party of a deployment is, and where its hub listens.

name: DE
role: region
hub: {host: hub.example.org, port: 9092, control_port: 9093, pages_port: 9094}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fedsov.checks import section, text, whole
from fedsov.errors import ConfigurationError
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

PORT = 9092
"""The hub's, unless its settings say another: that of Flower's Fleet API."""
NEXT_PORTS = 1, 2
"""How far above it the control plane's port for regions and that of its pages are, where nothing else is said."""


OTHER_PORTS = "control_port", "pages_port"


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where a hub listens: a name or address that is in its certificate, and a port.

    Attributes:
        control_port: of the control plane's service for regions, and `pages_port` of its pages for people; 0 for the
            two after the hub's own.
    """

    host: str
    port: int = PORT
    control_port: int = 0
    pages_port: int = 0

    @property
    def control(self) -> HubAddress:
        """Where regions reach the control plane."""
        return HubAddress(self.host, self.control_port or self.port + NEXT_PORTS[0])

    @property
    def pages(self) -> HubAddress:
        """Where people reach its pages."""
        return HubAddress(self.host, self.pages_port or self.port + NEXT_PORTS[1])

    def to_json(self) -> dict[str, Any]:
        """Plain values; ports that follow from the hub's own are left out."""
        others = {name: number for name in OTHER_PORTS if (number := getattr(self, name))}
        return {"host": self.host, "port": self.port, **others}

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PartyFile:
    """A party: its name, its role (hub, region or operator), and its hub's address."""

    name: str
    role: str
    hub: HubAddress


def read_party(path: Path) -> PartyFile:
    """The party of a file. Raises ConfigurationError where there is none, or it says anything else."""
    try:
        plain = yaml.safe_load(read_bounded(path))
    except (OSError, ValueError, yaml.YAMLError) as problem:
        raise ConfigurationError(
            f"{path} cannot be read ({problem}); `fedsov deploy accept` or `fedsov deploy init` writes it"
        ) from None
    given = section(str(path), plain, PartyFile)
    hub = section(f"{path}: hub", given["hub"], HubAddress)
    port = whole("hub.port", hub.get("port", PORT), at_least=1, at_most=65535)
    others = (whole(f"hub.{name}", hub.get(name, 0), at_least=0, at_most=65535) for name in OTHER_PORTS)
    address = HubAddress(text("hub.host", hub["host"]), port, *others)
    return PartyFile(text("name", given["name"]), text("role", given["role"]), address)


def is_operators_home(home: Path) -> bool:
    """Whether a home is an operator's, who has no hub of their own: what they ask for is made at the hub."""
    folder = DeploymentFolder(home)
    return folder.party.exists() and read_party(folder.party).role == "operator"


def check_regions_here(home: Path) -> None:
    """Refuses a run within one workspace in the home of a party of a deployment: it has no other party's rows.

    Such a run would make the other parties there anew, with other keys. A trial of `fedsov up` has all of its regions
    in its workspace; so has a region that had a hub beside it before it joined.

    Raises ConfigurationError.
    """
    folder = DeploymentFolder(home)
    if not folder.party.exists() or (folder.root / "regions").exists():
        return
    party = read_party(folder.party)
    if party.role == "region":
        if is_there(ledger_of(Workspace(home).hub)):
            return
        raise ConfigurationError(
            f"{home} is the home of region {party.name}, whose hub is elsewhere: `fedsov region ingest {party.name}` "
            "stores its rows, and `fedsov train runtime=deployment` in the hub's home makes a run; or name another "
            "workspace=DIR"
        )
    raise ConfigurationError(
        f"{home} is the home of a deployment's {party.role}, whose regions are elsewhere: add runtime=deployment, or "
        "name another workspace=DIR"
    )


def write_party(path: Path, party: PartyFile) -> None:
    """Puts the file in its place. Raises WorkspaceUnusable."""
    plain = {"name": party.name, "role": party.role, "hub": party.hub.to_json()}
    write_file(path, yaml.safe_dump(plain, sort_keys=False).encode())
