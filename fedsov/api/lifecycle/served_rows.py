"""Rows over HTTP, from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedsov.config.settings import Settings


def serve_rows(
    settings: Settings, *, host: str, port: int, region: str, most: tuple[int, int], ready: Callable[[str], None]
) -> None:
    """Takes rows until it is interrupted; see `fedsov.runtimes.ingest_server`.

    Args:
        region: the one whose records are taken; "" for all.
        most: bytes of one body, and of all that wait.
        ready: told the address.
    """
    from fedsov.runtimes.ingest_server import ServerLimits
    from fedsov.runtimes.serve_rows import serve

    serve(settings, host=host, port=port, region=region, limits=ServerLimits(*most), ready=ready)
