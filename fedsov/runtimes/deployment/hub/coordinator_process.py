"""The coordinator's process: it serves until it is told to end.

python -m fedsov.runtimes.deployment.hub.coordinator_process HOME [--stock-port PORT] [--database FILE] [--socket N]...
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from fedsov.keys.certificates import identity_of
from fedsov.runtimes.deployment.hub.access import Access
from fedsov.runtimes.deployment.hub.bells import Bells
from fedsov.runtimes.deployment.hub.coordinator import Coordinator
from fedsov.runtimes.deployment.hub.flower_server import IN_MEMORY, StockListener, open_superlink
from fedsov.runtimes.deployment.hub.jobs import KEPT, JobRetention, Jobs
from fedsov.runtimes.deployment.hub.tls_server import server
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.runtimes.deployment.supervision.health import SILENT, Health
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, write_python_logging
from fedsov.runtimes.deployment.supervision.supervised import under_supervisor
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party
from fedsov.storage.private_files import keep_private


def serve(
    home: Path,
    *,
    listen: str = "",
    stock_port: int = 0,
    database: str = IN_MEMORY,
    sockets: Sequence[int] = (),
    retention: JobRetention = KEPT,
    health: Health | None = None,
) -> None:
    """Serves at the hub's address until SIGTERM or SIGINT.

    Args:
        home: the hub's.
        listen: the address to listen at, where it is another than the hub's name.
        stock_port: where Flower's own tools of this machine reach its interfaces without a certificate; 0 for nowhere.
        database: of Flower's state: a SQLite file, or in memory.
        retention: of jobs that ended.
        sockets: descriptors of bound sockets to listen at as well, in networks that this process is not in.
    """
    folder = DeploymentFolder(home)
    address, credentials, bells = read_party(folder.party).hub, Credentials.of(folder), Bells()
    stock = StockListener(stock_port, folder.authority, folder.certificate, folder.key) if stock_port else None
    link = open_superlink(bells.ring, database=database, stock=stock)
    access = Access(folder)
    access.check_noted()
    jobs = Jobs(folder.root / "jobs", bells, retention, submitters=access.submitters)
    coordinator = Coordinator(link, bells, access, jobs, serves_stock=stock is not None)
    servers = [server(coordinator, listen or address.host, address.port, credentials)]
    if stock is not None:
        servers.append(server(link.app, "127.0.0.1", stock.port, credentials, mutual=False))

    servers[0].on_end = bells.close
    servers[0].shared = further = [socket.socket(fileno=each) for each in sockets]
    own = socket.create_server((listen or address.host, address.port)) if further else None
    listened = None if own is None else [own, *(each.dup() for each in further)]

    health = health or Health()
    health.tell(certificate_ends=identity_of(folder.certificate.read_bytes()).not_after.timestamp())

    async def beat() -> None:
        """Says that it is ready once it listens, and that it is not frozen."""
        while not servers[0].started:
            await asyncio.sleep(0.05)
        health.tell(waits_for="", connected=True)
        while True:
            await asyncio.sleep(SILENT / 3)
            health.beat()

    async def run() -> None:
        beating = asyncio.ensure_future(beat())
        await asyncio.gather(servers[0].serve(listened), *(each.serve() for each in servers[1:]))
        beating.cancel()

    import uvloop

    uvloop.run(run())


def main() -> None:
    """Serves, under a supervisor."""
    parser = argparse.ArgumentParser(description=serve.__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--listen", default="")
    parser.add_argument("--stock-port", type=int, default=0)
    parser.add_argument("--database", default=IN_MEMORY)
    parser.add_argument("--socket", type=int, action="append", default=[])
    parser.add_argument("--keep-jobs", type=int, default=KEPT.most)
    parser.add_argument("--keep-job-days", type=int, default=KEPT.days)
    health = under_supervisor()
    given = parser.parse_args()
    keep_private()
    write_python_logging(LogLines("coordinator"), texts_of=("fedsov", "uvicorn"), level=logging.WARNING)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    serve(
        given.home,
        listen=given.listen,
        stock_port=given.stock_port,
        database=given.database,
        sockets=given.socket,
        retention=JobRetention(most=given.keep_jobs, days=given.keep_job_days),
        health=health,
    )


if __name__ == "__main__":
    main()
