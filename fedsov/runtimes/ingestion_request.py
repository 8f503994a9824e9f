"""What the hub's process and the ingestion process say to each other, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsov.artifact import Party
from fedsov.errors import InputError
from fedsov.hub.region_errors import error_by_name
from fedsov.hub.runtime import IngestRequest
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.storage.workspace import Workspace


def request_to_json(request: IngestRequest, workspace: Workspace) -> dict[str, Any]:
    """A request in plain values; the workspace's path is absolute, whatever folder it was named from."""
    config = {**request.config, "workspace": str(workspace.root)}
    plain = {"append": request.append, "drops_appended": request.drops_appended}
    return {"config": config, "run": request.run, "rebuild": request.rebuild, **plain}


def answer_of(connection: FramedSocket, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the ingestion process answers to a request, whose connection is closed afterwards.

    Raises InputError and the other errors of `fedsov.partition`, with the line that process wrote about the source.
    """
    try:
        connection.send(Frame(dict(request)))
        answer = connection.receive().header
    except ConnectionClosed as error:
        raise InputError("the ingestion process was ended before it answered; was memory short?") from error
    finally:
        connection.close()
    if "error" in answer:
        raise error_by_name(answer["type"], answer["error"])
    return answer


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
        settings=report["settings"],
        unused=report["unused"],
        settled=tuple(report["settled"]),
        loose=tuple(report["loose"]),
        said=tuple(report["said"]),
        location=report["location"],
    )
