"""The way to a coordinator: whoever answers is checked, also later, and an answer that is too large is not read."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from fedsov.api.deployment.hub_home import hub_home
from fedsov.keys.certificates import identity_of
from fedsov.keys.members import read_members
from fedsov.runtimes.deployment import hub_connection
from fedsov.runtimes.deployment.hub.tls_server import server
from fedsov.runtimes.deployment.hub_connection import Credentials, HubConnection, HubUnreachable
from fedsov.storage.party_file import HubAddress
from tests.runtimes.deployment.hub_side import trial_of
from tests.runtimes.deployment.world import free_port, until


class Hub:
    """A hub that answers every request with the port from which it came."""

    def __init__(self, home):
        self.trial, self.address = trial_of(home, "DE"), HubAddress("127.0.0.1", free_port())
        self._server = server(self, self.address.host, self.address.port, Credentials.of(self.trial.hub))
        self._server.config.lifespan, self._server.config.loaded = "off", False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), daemon=True)
        self._thread.start()
        until(lambda: self._server.started, "the hub listens")

    async def __call__(self, scope, receive, send):
        body = str(scope["client"][1]).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def connection(self):
        key = read_members(self.trial.hub.members)["hub"].verify_key
        own, revoked = Credentials.of(self.trial.regions["DE"]), self.trial.hub.revoked
        return HubConnection(self.address, Credentials(own.authority, own.certificate, own.key, revoked, key))

    def end(self):
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)


@pytest.fixture
def hub(tmp_path):
    hub = Hub(tmp_path)
    yield hub
    hub.end()


def test_a_connection_serves_several_requests_and_is_made_anew_after_a_while(hub, monkeypatch):
    with hub.connection() as connection:
        first = connection.post("/x")
        assert connection.post("/x") == first
        monkeypatch.setattr(hub_connection, "FRESH", 0.0)
        assert connection.post("/x") != first


def test_a_hub_whose_certificate_was_taken_back_meanwhile_is_believed_no_more(hub, monkeypatch):
    monkeypatch.setattr(hub_connection, "FRESH", 0.0)
    with hub.connection() as connection:
        connection.post("/x")
        with hub_home(hub.trial.hub.home) as home:
            serial = identity_of(hub.trial.hub.certificate.read_bytes()).serial
            home.revoke(serial, "hub", at=datetime.now(UTC), by="a test", why="its key was stolen")
        with pytest.raises(HubUnreachable, match="is not believed: .* was revoked"):
            connection.post("/x")


def test_an_answer_that_is_too_large_is_not_read(hub, monkeypatch):
    monkeypatch.setattr(hub_connection, "LARGEST_ANSWER", 3)
    with hub.connection() as connection, pytest.raises(HubUnreachable, match="it answers with"):
        connection.post("/x")
