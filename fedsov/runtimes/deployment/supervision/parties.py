"""The processes of a deployment's parties, as a supervisor starts them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from fedsov.infrastructure.workload.render import QUIET
from fedsov.keys.certificates import HUB, REGION
from fedsov.runtimes.deployment.region.region_service import RegionPlace
from fedsov.runtimes.deployment.supervision.supervisor import Service

ENVIRONMENT = {**QUIET, "OMP_NUM_THREADS": "1"}
"""Of every process of a party: none tells anybody else of itself, or installs anything."""
DISPATCHER = "fedsov.api.deployment.dispatcher"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """How a hub serves.

    Attributes:
        listen: the address to listen at, where it is another than the hub's name; "" for that.
        stock_port: where Flower's own tools of this machine reach its interfaces without a certificate; 0 for nowhere.
        database: of Flower's state, a SQLite file; "" for in memory.
    """

    listen: str = ""
    stock_port: int = 0
    database: str = ""


def hub_services(home: Path, name: str, options: HubOptions) -> list[Service]:
    """The coordinator, and the dispatcher that runs jobs."""
    words = [sys.executable, "-m", "fedsov.runtimes.deployment.hub.coordinator_process", str(home)]
    words += ["--listen", options.listen] if options.listen else []
    words += ["--stock-port", str(options.stock_port)] if options.stock_port else []
    words += ["--database", options.database] if options.database else []
    dispatcher = [sys.executable, "-m", DISPATCHER, str(home)]
    return [
        Service(name, HUB, words, environment=ENVIRONMENT, holds_rows=False),
        Service(f"{name} (jobs)", HUB, dispatcher, environment=ENVIRONMENT, grace=30.0, holds_rows=False),
    ]


def region_process(place: RegionPlace) -> Service:
    """A region's Fleet client, which forks the region's own process."""
    words = ["--workspace", str(place.workspace), "--home", str(place.folder.home)]
    words += ["--hub", str(place.hub), "--hub-key", place.hub_key]
    command = [sys.executable, "-m", "fedsov.runtimes.deployment.region.region_main", place.name, *words]
    return Service(place.name, REGION, command, environment=ENVIRONMENT, grace=30.0)
