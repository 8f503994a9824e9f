"""Serves the pages of people beside the service of regions, in the same loop: HTTPS with the hub's certificate."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fedsov.runtimes.deployment.hub.tls_server import EndingServer, server
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.storage.party_file import HubAddress

GRACE = 1
"""Seconds that answers under way have at the end: a page's stream of news stays open, and is begun again."""
SECOND, TICKS = 1.0, 10
"""Between two looks at what changed; uvicorn's own ticks are ten a second, and cost a third of an idle hub's CPU."""


class PagesServer(EndingServer):
    """uvicorn's server, which leaves signals to the process that it is a part of, and takes a renewed certificate."""

    credentials: Credentials
    _stamp: int = 0

    def __init__(self, config: Any, credentials: Credentials) -> None:
        super().__init__(config)
        self.credentials, self._ended = credentials, asyncio.Event()
        self._take_certificate()

    def end(self) -> None:
        """Ends it: what is under way has `GRACE` seconds."""
        self.should_exit = True
        self._ended.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += TICKS
            self._take_certificate()
            with suppress(TimeoutError):
                async with asyncio.timeout(SECOND):
                    await self._ended.wait()

    def _take_certificate(self) -> None:
        """Has new connections see the certificate that lies there now, once its key lies there as well."""
        with suppress(OSError, ssl.SSLError):
            stamp = self.credentials.certificate.stat().st_mtime_ns
            if stamp != self._stamp and self.config.ssl is not None:
                self.config.ssl.load_cert_chain(self.credentials.certificate, self.credentials.key)
                self._stamp = stamp


def pages_server(application: Any, address: HubAddress, credentials: Credentials) -> PagesServer:
    """A server that is not running yet; its `end` ends it."""
    config = server(application, address.host, address.port, credentials, mutual=False).config
    config.timeout_graceful_shutdown = GRACE
    return PagesServer(config, credentials)
