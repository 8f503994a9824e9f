"""A source looked at by a process of its own, as it would be ingested; no workspace is opened and nothing written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsov.runtimes.fork_server import TO_READ, shared_fork_server
from fedsov.runtimes.ingestion_request import answer_of


def preview_source(config: Mapping[str, Any], own: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """What an ingestion of this configuration would do, in plain values (`fedsov.partition.preview.Preview`).

    Args:
        own: whose own ingestion it is, as `fedsov.runtimes.own_region` reads it; None for all regions'.

    Raises InputError and ConfigurationError with the line that the process wrote about the source.
    """
    with shared_fork_server(TO_READ) as server:
        return answer_of(server.fork("ingestion"), {"config": dict(config), "dry_run": True, **(own or {})})
