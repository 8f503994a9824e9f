"""A server of HTTP over mutual TLS (uvicorn), which tells its application whose certificate each connection has."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fedsov.runtimes.deployment.hub.access import CERTIFICATE
from fedsov.runtimes.deployment.hub_connection import Credentials

BACKLOG = 512
SHUTDOWN = 5
"""Seconds that answers under way have at the end; long polls are cut."""


class CertifiedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the certificate of the connection in each scope's ``extensions``."""

    _certificate: bytes | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        session = transport.get_extra_info("ssl_object")
        self._certificate = None if session is None else session.getpeercert(binary_form=True)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[Any, Any] = {CERTIFICATE: self._certificate}
        self.scope["extensions"] = extensions


class EndingServer(uvicorn.Server):
    """uvicorn's server, which says when it begins to end: long polls are answered then, and not cut.

    `shared` are sockets that another process holds as well: they refuse at once when this server listens no more.
    """

    on_end: Callable[[], None] = staticmethod(lambda: None)
    shared: Sequence[socket.socket] = ()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.on_end()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for each in self.shared:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        await super().shutdown(sockets)


def server(application: Any, host: str, port: int, credentials: Credentials, *, mutual: bool = True) -> EndingServer:
    """A server that is not running yet.

    Args:
        mutual: whether a connection needs a certificate that the authority signed.
    """
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=CertifiedProtocol,
        loop="uvloop",
        ws="none",
        access_log=False,
        log_level="warning",
        log_config=None,
        server_header=False,
        proxy_headers=False,  # who sends a request says nothing of where from
        backlog=BACKLOG,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=SHUTDOWN,
        ssl_certfile=credentials.certificate,
        ssl_keyfile=credentials.key,
        ssl_ca_certs=str(credentials.authority),
        ssl_cert_reqs=ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE,
        lifespan="on" if mutual else "off",
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3 if mutual else ssl.TLSVersion.TLSv1_2
    return EndingServer(config)
