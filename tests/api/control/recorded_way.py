"""The way from a region to its hub, with every byte on it written down as it is before TLS hides it.

    with RecordedWay(parties.trial.hub, parties.trial.regions["DE"], hub_port=...) as way:
        way.port                       # where the region's party file is told the hub is
        way.sent, way.came             # plain HTTP/2: every byte that left the region, and that came

It stands between them with the keys of both, which a test has.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from types import TracebackType

from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.storage.deployment_folder import DeploymentFolder

_PIECE = 1 << 16


class RecordedWay:
    """Listens for a region, and passes on what it says to the hub, and back."""

    def __init__(self, hub: DeploymentFolder, region: DeploymentFolder, *, hub_port: int) -> None:
        self._hub_port = hub_port
        self._to_hub = Credentials.of(region).context()
        self._to_hub.check_hostname = False
        self._as_hub = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._as_hub.load_cert_chain(hub.certificate, hub.key)
        self._as_hub.load_verify_locations(hub.authority)
        self._as_hub.verify_mode = ssl.CERT_REQUIRED
        for context in (self._to_hub, self._as_hub):
            context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sent, self._came = bytearray(), bytearray()

    @property
    def sent(self) -> bytes:
        """Everything that left the region."""
        return bytes(self._sent)

    @property
    def came(self) -> bytes:
        """Everything that the hub said."""
        return bytes(self._came)

    def __enter__(self) -> RecordedWay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._pass_on, args=(self._listener.accept()[0],), daemon=True).start()

    def _pass_on(self, plain: socket.socket) -> None:
        with suppress(OSError):
            region = self._as_hub.wrap_socket(plain, server_side=True)
            hub = self._to_hub.wrap_socket(socket.create_connection(("127.0.0.1", self._hub_port)))
            back = threading.Thread(target=_pump, args=(hub, region, self._came), daemon=True)
            back.start()
            _pump(region, hub, self._sent)


def _pump(source: ssl.SSLSocket, target: ssl.SSLSocket, record: bytearray) -> None:
    with suppress(OSError, ValueError):
        while piece := source.recv(_PIECE):
            record += piece
            target.sendall(piece)
    for side in (source, target):
        with suppress(OSError):
            side.close()
