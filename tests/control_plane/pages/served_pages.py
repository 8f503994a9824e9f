"""Pages over TLS on a port of this machine, and a real Chromium that opens them as a person does."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from fedsov.api.inference.endpoints.trial_certificate import make_certificate
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.overview.read_overview import NewestOverview
from fedsov.control_plane.pages.application import application
from fedsov.control_plane.pages.shield import AddressRate
from fedsov.control_plane.pages.site import Acts, Site
from fedsov.control_plane.pages.views import overview_routes
from fedsov.control_plane.people.accounts import Accounts, PersonAccount
from fedsov.control_plane.people.roles import Role
from fedsov.storage.serving_folder import ServingFolder
from tests.control_plane.pages.overview_world import NOW

CHROMIUM = "/usr/bin/chromium"
AXE = Path(sys.prefix) / "npm" / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD = "heather under glass"
PEOPLE = {
    "anna": (frozenset({Role.OPERATOR, Role.APPROVER}), frozenset()),
    "dora": (frozenset({Role.APPROVER}), frozenset({"DE"})),
    "vera": (frozenset({Role.VIEWER}), frozenset()),
}


@dataclass
class ServedPages:
    """A hub's pages; `done` has what people did, `clock` is the hub's."""

    folder: Path
    database: Database
    port: int = 0
    done: list = field(default_factory=list)
    clock: datetime = NOW
    while_it_acts: Callable[[int], None] = lambda number: None

    def __post_init__(self):
        make_certificate(ServingFolder(self.folder), "pages", now=datetime.now(UTC))
        accounts = Accounts(self.database, note=lambda note: None)
        for name, (roles, regions) in PEOPLE.items():
            accounts.add(PersonAccount(name, roles, regions), password=PASSWORD, by="O. Perator", now=0.0)
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def act(self, name):
        def act(number, *, region, by, why, seen=""):
            self.while_it_acts(number)
            self.done.append((name, number, region, by, why))
            return name

        return act

    @contextmanager
    def running(self):
        """Served while the block runs."""
        acts = {name: self.act(name) for name in ("approve", "start", "rollback", "freeze")}
        site = Site(
            self.database,
            frozenset({self.address}),
            note=lambda note: None,
            acts=Acts(**acts, regions_here=frozenset({"IN"})),
            name="hub",
        )
        newest = NewestOverview(self.database, "hub", lambda: self.clock)
        app = application(site, routers=[overview_routes(newest)], rate=AddressRate(1e6, 1e6))
        serving = ServingFolder(self.folder)
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=self.port,
            ssl_certfile=str(serving.certificate),
            ssl_keyfile=str(serving.key),
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        waited = threading.Event()
        while not server.started and thread.is_alive():
            waited.wait(0.02)
        try:
            yield self
        finally:
            app.state.is_ending = True
            server.should_exit = True
            thread.join()


def sign_in(page, served, name="anna"):
    """Opens the page as somebody, and waits until it is live."""
    page.goto(served.address + "/")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_selector("[data-connection=live]", timeout=60_000)
    return page


def findings(page) -> list[str]:
    """What axe finds serious or critical on the page as it is, each with the elements."""
    page.evaluate(AXE.read_text())
    answer = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    grave = [each for each in answer["violations"] if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {[node['html'][:120] for node in each['nodes']][:4]}" for each in grave]
