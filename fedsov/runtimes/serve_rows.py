"""The process that takes rows over HTTP: the regions' gates and stores, and uvicorn around the application."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import uvicorn

from fedsov.border.law.yaml_text import read_mapping
from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError, FedsovError
from fedsov.partition.arrival import Arrival
from fedsov.partition.further.append import AppendableStores, open_appendable
from fedsov.partition.further.requests import Answer, Door, Request
from fedsov.partition.further.standing_answers import StandingAnswers, Stated
from fedsov.partition.ingest import quarantine_of
from fedsov.partition.manifest import MANIFEST
from fedsov.partition.sources.location import Share
from fedsov.protocol.calendar import real_day
from fedsov.region.settings import FILES
from fedsov.region.settings_file import FILE, flat
from fedsov.runtimes.ingest_server import IngestServer, ServerLimits
from fedsov.runtimes.ingestion_process import conditions_of, opened_gates
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import POSTGRESQL, Workspace

RUN = "ingest-serve"
_PASSING = ("lock", "ledger.sqlite-shm")


def serve(
    settings: Settings, *, host: str, port: int, region: str, limits: ServerLimits, ready: Callable[[str], None]
) -> None:
    """Takes rows until it is interrupted.

    Args:
        region: the one whose records are taken; "" for all.
        ready: told the address.

    Raises:
        ConfigurationError: no such region, or an address that is not free. InputError and the others of
        `open_appendable`; JobRefused, LedgerBroken.
    """
    workspace = Workspace(settings.workspace)
    with hold_workspace(workspace):
        stores = open_appendable(settings.dataset, atlas=settings.atlas, workspace=workspace.root)
        names = [each.name for each in stores.recorded.regions]
        if region and region not in names:
            raise ConfigurationError(
                f"--region {region} holds no rows of {settings.dataset.name}; {', '.join(names)} do"
            )
        for name in (*names, ""):
            stores.batches_in(name)  # what is stored is read before rows come
        commit = committing(settings, stores, region)
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise ConfigurationError(f"--host {host} --port {port} cannot be listened at: {error.strerror}") from None
    config = uvicorn.Config(IngestServer(commit, limits), log_level="error", access_log=False, lifespan="off")
    with listening:
        ready(f"http://{host}:{port}/rows takes rows of {settings.dataset.name} for {region or ', '.join(names)}")
        uvicorn.Server(config).run(sockets=[listening])


def committing(
    settings: Settings, stores: AppendableStores, region: str
) -> Callable[[Sequence[Request]], Sequence[Answer | FedsovError]]:
    """Gives what stores a group of requests, answered in their order; the regions take the job now.

    Args:
        region: as of `serve`.

    Raises JobRefused, LedgerBroken.
    """
    workspace = Workspace(settings.workspace)
    standing = standing_answers(settings, workspace, stores)
    door = Door(stores, standing.conditions(), region)

    def commit(requests: Sequence[Request]) -> Sequence[Answer | FedsovError]:
        """Holds the workspace for one group; where somebody else does, the senders are told to come again."""
        try:
            with hold_workspace(workspace):
                today = real_day()
                with standing.group(today):
                    return door.commit(requests, today=today)
        except FedsovError as error:
            return [error] * len(requests)

    return commit


def standing_answers(settings: Settings, workspace: Workspace, stores: AppendableStores) -> StandingAnswers:
    """What an ingestion asks the regions, asked anew where an answer no longer stands.

    A ledger notes a day's arrival once. A share's way home is decided for all rows of the region, those that are stored
    and those that are sent, up to the next power of two: so it is written down whenever their number has doubled, and a
    law that asks about so many people or more is asked about no fewer.
    """
    gates, dataset = opened_gates(settings, workspace, RUN), settings.dataset.name
    asked = conditions_of(gates, [each.name for each in stores.recorded.regions], replaces=False)

    def admitted(arrival: Arrival) -> None:
        sent = sha256_hex(f"sent to {dataset} on {arrival.ingested}".encode())
        asked.admitted(replace(arrival, source_sha256=sent))

    def bounded(share: Share) -> Share:
        return replace(share, rows=1 << (stores.rows_in(share.region.name) + share.rows).bit_length())

    return StandingAnswers(replace(asked, admitted=admitted), partial(watched_files, workspace, dataset), bounded)


def watched_files(workspace: Workspace, dataset: str) -> list[Stated]:
    """What regions' answers about further rows of a data set rest on, as it is now.

    Where a ledger is no file of this machine it is never the same as before.
    """
    own = {dataset, quarantine_of(dataset)}
    regions = [workspace.region(name) for name in workspace.region_names()]
    paths = [workspace.reviewers, *_in(workspace.hub), *_in(workspace.law)]
    for folder in regions:
        paths += [*_in(folder), *_in(folder / "answers"), *_named(folder / FILE)]
        paths += [each / MANIFEST for each in _in(folder / "store", folders=True) if each.name not in own]
    found = [stated for path in paths if (stated := _stated(path)) is not None]
    is_elsewhere = any(Path(path).suffix == POSTGRESQL for path, *_ in found)
    return [*found, ("", 0, time.monotonic_ns(), 0)] if is_elsewhere else found


def _in(folder: Path, *, folders: bool = False) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            found = [Path(each.path) for each in entries if each.is_dir() == folders]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(path for path in found if path.name not in _PASSING)


def _stated(path: Path) -> Stated | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size


def _named(settings: Path) -> list[Path]:
    """The files that a region's settings name."""
    stated = _stated(settings)
    return [] if stated is None else _files_in(*stated)


@lru_cache(maxsize=256)
def _files_in(path: str, *_: int) -> list[Path]:
    try:
        plain = flat(read_mapping(Path(path).read_bytes(), path))
    except (OSError, ConfigurationError):
        return []  # its region refuses when it is asked
    return [Path(value) for key in FILES if isinstance(value := plain.get(key), str)]
