"""The pages' server: over the hub's certificate, which may be renewed while it runs, and ended without a signal."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.deployment.authority import AuthorityFolder, given_passphrase, open_authority
from fedsov.api.deployment.hub_home import hub_home
from fedsov.api.deployment.own_certificates import certify, hub_places
from fedsov.api.deployment.trial import Trial
from fedsov.keys.certificates import HUB_OPERATOR
from fedsov.runtimes.deployment.control.pages_server import PagesServer, pages_server
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.storage.party_file import HubAddress
from tests.api.control.processes import until
from tests.runtimes.deployment.control.world import LoopThread
from tests.runtimes.deployment.hub_side import trial_of
from tests.runtimes.deployment.world import free_port


async def answers(scope: Any, receive: Any, send: Any) -> None:
    """An application that says yes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"yes"})


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


def presented(port: int) -> str:
    """The certificate that a new connection sees."""
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=20)


def test_a_renewed_certificate_is_shown_without_a_restart_and_it_ends_when_it_is_told(
    tmp_path: Path, thread: LoopThread
) -> None:
    trial = trial_of(tmp_path, "DE")
    port = free_port()

    async def begin() -> tuple[PagesServer, asyncio.Task[None]]:
        pages = pages_server(answers, HubAddress("127.0.0.1", port), Credentials.of(trial.hub))
        return pages, asyncio.create_task(pages.serve())

    pages, serving = thread.run(begin())
    until(lambda: pages.started, "the pages to be served")
    before = presented(port)
    assert before.strip() == trial.hub.certificate.read_text().strip()
    renew(trial)
    until(lambda: presented(port) != before, "the renewed certificate")
    thread.loop.call_soon_threadsafe(pages.end)
    until(serving.done, "its end")


def renew(trial: Trial) -> None:
    """Signs the hub's certificate anew."""
    place, now = AuthorityFolder(trial.hub.root / "ca"), datetime.now(UTC)
    authority = open_authority(place, given_passphrase(place.passphrase))
    own = hub_places(trial.hub, "hub", HUB_OPERATOR, "127.0.0.1")[0]
    with hub_home(trial.hub.home) as home:
        certify(own, authority, home, now=now, by="a test", why="a test")
