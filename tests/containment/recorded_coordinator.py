"""The coordinator's process, which writes down every byte that comes and goes as it is once TLS is taken off.

python -m tests.containment.recorded_coordinator HOME FOLDER

FOLDER/NAME.ADDRESS.PORT.in, .out        NAME: of the certificate
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fedsov.runtimes.deployment.hub import coordinator_process, tls_server
from fedsov.runtimes.deployment.hub.access import caller_of


class _Written:
    """A transport that writes down what is written to it."""

    def __init__(self, transport: Any, path: Path) -> None:
        self._transport, self._path = transport, path

    def write(self, content: bytes) -> None:
        _append(self._path, content)
        self._transport.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _append(path: Path, content: bytes) -> None:
    with open(path, "ab") as file:
        file.write(content)


def record(folder: Path) -> None:
    """Has each connection from now on written down."""
    made, received = tls_server.CertifiedProtocol.connection_made, tls_server.CertifiedProtocol.data_received
    incoming: dict[int, Path] = {}

    def connection_made(self: Any, transport: Any) -> None:
        address, port = transport.get_extra_info("peername")[:2]
        certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        name = folder / f"{caller_of(certificate).name}.{address}.{port}"
        incoming[id(self)] = Path(f"{name}.in")
        made(self, _Written(transport, Path(f"{name}.out")))

    def data_received(self: Any, content: bytes) -> None:
        _append(incoming[id(self)], content)
        received(self, content)

    tls_server.CertifiedProtocol.connection_made = connection_made  # type: ignore[method-assign]
    tls_server.CertifiedProtocol.data_received = data_received  # type: ignore[method-assign]


def main() -> None:
    home, folder = map(Path, sys.argv[1:3])
    record(folder)
    coordinator_process.serve(home)


if __name__ == "__main__":
    main()
