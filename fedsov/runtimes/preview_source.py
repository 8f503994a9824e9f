"""A source looked at by a process of its own, as it would be ingested; no workspace is opened and nothing written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsov.errors import InputError
from fedsov.hub.region_errors import error_by_name
from fedsov.runtimes.fork_server import TO_READ, shared_fork_server
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame


def preview_source(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an ingestion of this configuration would do, in plain values (`fedsov.partition.preview.Preview`).

    Raises InputError and ConfigurationError with the line that the process wrote about the source.
    """
    with shared_fork_server(TO_READ) as server:
        connection = server.fork("ingestion")
        try:
            connection.send(Frame({"config": dict(config), "dry_run": True}))
            answer = connection.receive().header
        except ConnectionClosed as error:
            raise InputError("the ingestion process was ended before it answered; was memory short?") from error
        finally:
            connection.close()
    if "error" in answer:
        raise error_by_name(answer["type"], answer["error"])
    return answer
