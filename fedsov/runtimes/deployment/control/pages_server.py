"""Serves the pages of people beside the service of regions, in the same loop: HTTPS with the hub's certificate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fedsov.runtimes.deployment.hub.tls_server import EndingServer, server
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.storage.party_file import HubAddress

GRACE = 1
"""Seconds that answers under way have at the end: a page's stream of news stays open, and is begun again."""


class PagesServer(EndingServer):
    """uvicorn's server, which leaves signals to the process that it is a part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def pages_server(application: Any, address: HubAddress, credentials: Credentials) -> PagesServer:
    """A server that is not running yet; its `should_exit` ends it."""
    config = server(application, address.host, address.port, credentials, mutual=False).config
    config.timeout_graceful_shutdown = GRACE
    return PagesServer(config)
