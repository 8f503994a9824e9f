"""Ingestion within one region's home: `fedsov region ingest NAME`. It needs no hub, and tells nothing to one.

    report = region_ingest(settings, OwnIngestion("DE"), progress=print)

The region's own gate, settings, keys and ledger decide and record as in an ingestion of all regions; rows of other
jurisdictions are refused by name (`fedsov.partition.other_regions`).
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from fedsov.config.settings import Settings
from fedsov.hub.runtime import IngestRequest
from fedsov.partition.preview import Preview
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.runtimes.fork_server import TO_READ, shared_fork_server
from fedsov.runtimes.ingestion_request import answer_of, report_from_json, request_to_json
from fedsov.runtimes.preview_source import preview_source
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class OwnIngestion:
    """Whose ingestion it is.

    Attributes:
        region: its name.
        quarantines_others: rows of other jurisdictions wait in the home's quarantine; they are refused otherwise.
    """

    region: str
    quarantines_others: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """How rows are stored: as `fedsov.hub.runtime.IngestRequest` says."""

    rebuild: bool = False
    append: str | None = None
    drops_appended: bool = False


def region_ingest(settings: Settings, own: OwnIngestion, way: Way = Way()) -> IngestionReport:  # frozen
    """Sorts the region's source into its own store; the report counts its rows and says which were refused.

    Raises InputError and the other errors of `fedsov.partition`; JobRefused, LedgerBroken, WorkspaceUnusable,
    ConfigurationError.
    """
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    with hold_workspace(Workspace(settings.workspace.resolve())) as home, shared_fork_server(TO_READ) as server:
        request = request_to_json(IngestRequest(settings.plain, run, **asdict(way)), home) | _plain(own)
        return report_from_json(answer_of(server.fork("ingestion", hold=home.lock), request))


def region_preview(settings: Settings, own: OwnIngestion) -> Preview:
    """What `region_ingest` would do; nothing is written. Raises InputError, ConfigurationError."""
    return Preview.from_json(preview_source({**settings.plain, "workspace": str(settings.workspace)}, _plain(own)))


def _plain(own: OwnIngestion) -> dict[str, Any]:
    return asdict(own)
