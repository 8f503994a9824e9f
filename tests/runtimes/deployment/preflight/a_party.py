"""A trial with two regions that have stores, and a hub that answers over mutual TLS, at a port of its own."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from fedsov.api import region_settings
from fedsov.api.deployment.hub_home import hub_home
from fedsov.api.deployment.trial import Trial, set_up_trial
from fedsov.runtimes.deployment.preflight.checks import preflight
from fedsov.runtimes.deployment.preflight.values import ExaminedHome, Finding, Machine
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress
from tests.partition.world import people, run, spec_of, written

REGIONS = ("EU", "US")
AS_IT_SHOULD_BE = {"free": lambda _: 1 << 40, "requirements": ("flwr>=1", "torch>=2"), "environment": {}}
"""Room on the disk, packages as stated, and nothing in the environment."""


@dataclass
class AHub:
    """What a hub answers; a test changes it."""

    server: HTTPServer
    status: int = 200
    date: str = ""
    body: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> HubAddress:
        port = self.server.server_port
        return HubAddress("127.0.0.1", port, control_port=port, pages_port=port)

    def listen(self, folder: DeploymentFolder) -> None:
        """Begins to answer with the papers of a folder."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder.authority))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(folder.certificate, folder.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@contextmanager
def a_hub() -> Iterator[AHub]:
    """A hub that has a port, and does not answer yet."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(hub.body).encode()
            self.send_response_only(hub.status)
            self.send_header("Date", hub.date or self.date_time_string())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Server(HTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A connection that is refused is a test's own doing."""

    hub = AHub(Server(("127.0.0.1", 0), Answers))
    try:
        yield hub
    finally:
        if isinstance(hub.server.socket, ssl.SSLSocket):
            hub.server.shutdown()
        hub.server.server_close()


def a_trial(workspace: Path, hub: HubAddress) -> Trial:
    """A workspace whose two regions have rows, settings that pin the hub's key, and papers."""
    run(spec_of(written(workspace.parent, people(400))), workspace)
    with hub_home(workspace, owner="hub"):
        pass
    for name in REGIONS:
        region_settings.init(workspace, name)
    return set_up_trial(workspace, REGIONS, hub)


def region_of(workspace: Path, name: str = "EU", **machine: object) -> ExaminedHome:
    """A region of the trial, on a machine that is as it should be but for what a test says."""
    folder = DeploymentFolder(workspace / "deployment" / "regions" / name)
    return ExaminedHome(workspace, folder, 0, Machine(**(AS_IT_SHOULD_BE | machine)))  # type: ignore[arg-type]


def hub_of(workspace: Path) -> ExaminedHome:
    """The hub of the trial."""
    return ExaminedHome(workspace, DeploymentFolder(workspace), 0, Machine(**AS_IT_SHOULD_BE))  # type: ignore[arg-type]


def findings(examined: ExaminedHome) -> dict[str, Finding]:
    """Every finding by its check."""
    return {finding.check: finding for finding in preflight(examined)}


def problems(examined: ExaminedHome) -> dict[str, str]:
    """What is amiss, by its check; without what was not made for it."""
    return {name: found.line() for name, found in findings(examined).items() if not found.is_well and found.made}
