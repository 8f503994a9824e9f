"""An ASGI application at a socket, by uvicorn's protocol: what of uvicorn's own server a worker needs.

uvicorn's `Server` takes signals, writes a date ten times a second and serves one set of TLS settings; a worker has two
ports, its own signals, and costs nothing while nobody asks.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""
KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than gateways keep theirs, so that they close first."""
BACKLOG = 2048


def bound_socket(host: str, port: int, *, listens: bool) -> socket.socket:
    """A socket at an address of this machine; without `listens` it refuses until a server has it. Raises OSError."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        if listens:
            bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def server_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and later, with a server's certificate. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


class AsgiServer:
    """One socket's server."""

    def __init__(
        self, app: Application, protocol: Callable[..., HttpToolsProtocol], scope_state: Mapping[str, Any]
    ) -> None:
        """
        Args:
            scope_state: what the application finds in each scope's ``state``.
        """
        self._config = uvicorn.Config(
            app, http="httptools", loop="none", ws="none", lifespan="off", log_config=None, access_log=False,
            proxy_headers=False, server_header=False, date_header=False, timeout_keep_alive=KEEP_ALIVE,
            interface="asgi3",
        )  # fmt: skip
        self._config.load()
        self._protocol, self._scope_state, self._state = protocol, dict(scope_state), ServerState()

    async def listen(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Accepts connections until `close`."""
        loop = asyncio.get_running_loop()

        def connection() -> asyncio.Protocol:
            return self._protocol(self._config, self._state, self._scope_state, loop)

        self._server = await loop.create_server(connection, sock=listener, ssl=tls, backlog=BACKLOG)

    async def close(self, seconds: float) -> None:
        """Accepts no more, lets requests under way end, and closes what is left after these seconds."""
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(seconds):
                while self._state.connections or self._state.tasks:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            for connection in list(self._state.connections):
                connection.transport.abort()
