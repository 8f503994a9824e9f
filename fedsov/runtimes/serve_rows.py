"""The process that takes rows over HTTP: the regions' gates and stores, and uvicorn around the application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import uvicorn

from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError, FedsovError
from fedsov.partition.arrival import Conditions
from fedsov.partition.further.append import AppendableStores, open_appendable
from fedsov.partition.further.requests import Answer, Door, Request
from fedsov.protocol.calendar import real_day
from fedsov.runtimes.ingest_server import IngestServer, ServerLimits
from fedsov.runtimes.ingestion_process import check_rows, opened_gates
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace

RUN = "ingest-serve"


def serve(
    settings: Settings, *, host: str, port: int, region: str, limits: ServerLimits, ready: Callable[[str], None]
) -> None:
    """Takes rows until it is interrupted.

    Args:
        region: the one whose records are taken; "" for all.
        ready: told the address.

    Raises:
        ConfigurationError: no such region. InputError and the others of `open_appendable`; JobRefused, LedgerBroken.
    """
    workspace = Workspace(settings.workspace)
    with hold_workspace(workspace):
        stores = open_appendable(settings.dataset, atlas=settings.atlas, workspace=workspace.root)
        names = [each.name for each in stores.recorded.regions]
        if region and region not in names:
            raise ConfigurationError(
                f"--region {region} holds no rows of {settings.dataset.name}; {', '.join(names)} do"
            )
        conditions = conditions_of(settings, workspace, names)
    commit = committing(workspace, stores, conditions, region)
    config = uvicorn.Config(
        IngestServer(commit, limits), host=host, port=port, log_level="error", access_log=False, lifespan="off"
    )
    ready(f"http://{host}:{port}/rows takes rows of {settings.dataset.name} for {region or ', '.join(names)}")
    uvicorn.Server(config).run()


def conditions_of(settings: Settings, workspace: Workspace, names: Sequence[str]) -> Conditions:
    """What an ingestion asks the regions; of what is sent, a ledger notes each day once."""
    gates = opened_gates(settings, workspace, RUN)
    gates.ask_all(names)
    dataset = settings.dataset.name
    return Conditions(
        check_rows=check_rows(workspace, gates, asked=names),
        admitted=lambda arrival: gates.admitted(
            replace(arrival, source_sha256=sha256_hex(f"sent to {dataset} on {arrival.ingested}".encode()))
        ),
    )


def committing(
    workspace: Workspace, stores: AppendableStores, conditions: Conditions, region: str
) -> Callable[[Sequence[Request]], Sequence[Answer | FedsovError]]:
    """Gives what stores a group of requests, answered in their order; `region` as of `serve`."""
    door = Door(stores, conditions, region)

    def commit(requests: Sequence[Request]) -> Sequence[Answer | FedsovError]:
        """Holds the workspace for one group; where somebody else does, the senders are told to come again."""
        try:
            with hold_workspace(workspace):
                return door.commit(requests, today=real_day())
        except FedsovError as error:
            return [error] * len(requests)

    return commit
