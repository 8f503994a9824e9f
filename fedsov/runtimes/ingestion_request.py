"""What the hub's process and the ingestion process say to each other, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsov.artifact import Party
from fedsov.hub.runtime import IngestRequest
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.storage.workspace import Workspace


def request_to_json(request: IngestRequest, workspace: Workspace) -> dict[str, Any]:
    """A request in plain values; the workspace's path is absolute, whatever folder it was named from."""
    config = {**request.config, "workspace": str(workspace.root)}
    return {"config": config, "run": request.run, "rebuild": request.rebuild}


def report_from_json(report: Mapping[str, Any]) -> IngestionReport:
    """The report of what `fedsov.runtimes.ingestion_process.ingest_source` says."""
    return IngestionReport(
        rows_in=report["rows_in"],
        stored=report["stored"],
        quarantined=report["quarantined"],
        kinds=report["kinds"],
        up_to_date=report["up_to_date"],
        regions={region["name"]: Party.from_json(region) for region in report["regions"]},
        public_keys={region["name"]: region["public_key"] for region in report["regions"]},
        key_signatures={region["name"]: region["key_signature"] for region in report["regions"]},
        remarks=tuple(report["remarks"]),
        rounded=report["rounded"],
        stores=report["stores"],
        unused=report["unused"],
        settled=tuple(report["settled"]),
        loose=tuple(report["loose"]),
        said=tuple(report["said"]),
    )
