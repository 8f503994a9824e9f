"""The processes of a deployment's parties, as a supervisor starts them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedsov.infrastructure.workload.render import QUIET
from fedsov.keys.certificates import HUB, REGION
from fedsov.runtimes.deployment.hub.jobs import KEPT, JobRetention
from fedsov.runtimes.deployment.region.region_service import RegionPlace
from fedsov.runtimes.deployment.supervision.supervisor import Service
from fedsov.runtimes.isolation.rooms import Room

ENVIRONMENT = {**QUIET, "OMP_NUM_THREADS": "1"}
"""Of every process of a party: none tells anybody else of itself, or installs anything."""
COORDINATOR, DISPATCHER = "fedsov.runtimes.deployment.hub.coordinator_process", "fedsov.api.deployment.dispatcher"
CONTROL, AGENT = "fedsov.api.control.hub.control_process", "fedsov.api.control.agent.agent_process"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """How a hub serves.

    Attributes:
        listen: the address to listen at, where it is another than the hub's name; "" for that.
        stock_port: where Flower's own tools of this machine reach its interfaces without a certificate; 0 for nowhere.
        database: of Flower's state, a SQLite file; "" for in memory.
        retention: of jobs that ended.
    """

    listen: str = ""
    stock_port: int = 0
    database: str = ""
    retention: JobRetention = KEPT


def hub_services(
    home: Path, name: str, options: HubOptions, *, room: Room | None = None, sockets: Sequence[int] = ()
) -> list[Service]:
    """The coordinator, and the dispatcher that runs jobs.

    Args:
        room: what stands around both; None for nothing.
        sockets: descriptors of bound sockets at which the coordinator listens as well.
    """
    words = ["--listen", options.listen] if options.listen else []
    words += ["--stock-port", str(options.stock_port)] if options.stock_port else []
    words += ["--database", options.database] if options.database else []
    words += ["--keep-jobs", str(options.retention.most), "--keep-job-days", str(options.retention.days)]
    words += [word for each in sockets for word in ("--socket", str(each))]
    room = room or Room(name)
    return [
        Service(
            name,
            HUB,
            room.command([sys.executable, "-m", COORDINATOR, str(home), *words]),
            environment=ENVIRONMENT,
            holds_rows=False,
            descriptors=(*room.descriptors, *sockets),
        ),
        Service(
            f"{name} (jobs)",
            HUB,
            room.command([sys.executable, "-m", DISPATCHER, str(home)]),
            environment=ENVIRONMENT,
            grace=30.0,
            holds_rows=False,
            descriptors=room.descriptors,
        ),
    ]


def control_service(home: Path, name: str, listen: str = "") -> Service:
    """The hub's control plane; in no room, for it starts no program and holds no row."""
    words = ["--listen", listen] if listen else []
    command = [sys.executable, "-m", CONTROL, str(home), *words]
    return Service(f"{name} (control plane)", HUB, command, environment=ENVIRONMENT, holds_rows=False)


def agent_service(place: RegionPlace) -> Service:
    """A region's process towards the control plane; in no room, for it writes what the region's endpoint serves."""
    words = ["--workspace", str(place.workspace), "--home", str(place.folder.home), "--hub-key", place.hub_key]
    command = [sys.executable, "-m", AGENT, place.name, *words]
    return Service(f"{place.name} (agent)", REGION, command, environment=ENVIRONMENT)


def region_process(place: RegionPlace, room: Room | None = None) -> Service:
    """A region's Fleet client, which forks the region's own process; in a room, where there is one."""
    words = ["--workspace", str(place.workspace), "--home", str(place.folder.home)]
    words += ["--hub", str(place.hub), "--hub-key", place.hub_key]
    command = [sys.executable, "-m", "fedsov.runtimes.deployment.region.region_main", place.name, *words]
    room = room or Room(place.name)
    return Service(
        place.name,
        REGION,
        room.command(command),
        environment=ENVIRONMENT,
        grace=30.0,
        descriptors=room.descriptors,
    )
