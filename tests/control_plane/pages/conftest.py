"""A site with people of each role, and browsers that speak to it as real ones do: cookies, forms, their origin."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

import pytest
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.pages.application import application
from fedsov.control_plane.pages.rights import SESSION_COOKIE, CurrentPerson, check_region, needs
from fedsov.control_plane.pages.shield import Rate
from fedsov.control_plane.pages.site import Acts, Site
from fedsov.control_plane.people.accounts import Account, Accounts
from fedsov.control_plane.people.openid import OpenIdProvider
from fedsov.control_plane.people.roles import Right, Role

ORIGIN = "https://hub.example:8443"
PASSWORD = "heather under glass"
PEOPLE = {
    "olga": ({Role.OPERATOR}, set()),
    "adam": ({Role.APPROVER}, set()),
    "dora": ({Role.APPROVER}, {"DE"}),
    "ute": ({Role.AUDITOR}, set()),
    "vera": ({Role.VIEWER}, set()),
}


class Browser(TestClient):
    """A browser: it keeps cookies, sends forms of the page that it opened, and says where from."""

    def csrf(self, path: str = "/login") -> str:
        return re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get(path).text)[1]

    def sign_in(self, name: str, password: str = PASSWORD, **fields):
        form = {"csrf": self.csrf(), "name": name, "password": password, "onward": "/", **fields}
        return self.post("/login", data=form, headers={"origin": ORIGIN})


@dataclass
class Hub:
    """An application, what it noted, and the hands of its clock (None: the real one)."""

    database: Database
    notes: list = field(default_factory=list)
    time: float | None = 1_800_000_000.0
    provider: OpenIdProvider | None = None
    acts: Acts = field(default_factory=Acts)

    def __post_init__(self):
        self.site = Site(
            self.database,
            frozenset({ORIGIN}),
            self.notes.append,
            acts=self.acts,
            provider=self.provider,
            name="IE",
            now=lambda: self.time or time.time(),
        )
        self.app = application(self.site, routers=(probes,), rate=Rate(1e6, 1e6))
        self.app.include_router(undeclared)

    def browser(self, name: str = "", address: str = "198.51.100.7") -> Browser:
        browser = Browser(
            self.app, ORIGIN, client=(address, 50000), follow_redirects=False, raise_server_exceptions=False
        )
        if name:
            assert browser.sign_in(name).status_code == 303
        return browser

    def with_session(self, token: str) -> Browser:
        browser = self.browser()
        browser.cookies.set(SESSION_COOKIE, token, domain="hub.example")
        return browser


probes = APIRouter()


@probes.get("/")
@needs(Right.SEE)
def overview(person: CurrentPerson):
    return JSONResponse({"name": person.name})


@probes.post("/probe/{region}")
@needs(Right.APPROVE)
def probe(person: CurrentPerson, region: str, number: int = 0):
    check_region(person, Right.APPROVE, region)
    return JSONResponse({"by": person.name, "region": region, "number": number})


@probes.get("/breaks")
@needs(Right.SEE)
def breaks(request: Request):
    raise RuntimeError("a secret word")


undeclared = APIRouter()


@undeclared.get("/nobody")
def nobody():
    return JSONResponse({})


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    database = Database.open(f"sqlite:///{tmp_path_factory.mktemp('hub')}/control.sqlite")
    accounts = Accounts(database, note=lambda note: None)
    for name, (roles, regions) in PEOPLE.items():
        account = Account(name, frozenset(roles), frozenset(regions))
        accounts.add(account, password=PASSWORD, by="O. Perator", now=1_800_000_000.0)
    yield Hub(database)
    database.close()
