"""A site with people of each role, and browsers that speak to it as real ones do: cookies, forms, their origin."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import partial

import pytest
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.pages.application import application
from fedsov.control_plane.pages.rights import SESSION_COOKIE, CurrentPerson, check_region, needs
from fedsov.control_plane.pages.shield import AddressRate
from fedsov.control_plane.pages.site import Acts, Site
from fedsov.control_plane.people.accounts import Accounts, PersonAccount
from fedsov.control_plane.people.openid import OpenIdProvider
from fedsov.control_plane.people.roles import Right, Role
from fedsov.control_plane.rollouts.proposal import Act, ProposedVersion
from fedsov.control_plane.rollouts.states import RegionStep, Rollout
from fedsov.control_plane.rollouts.tables import RolloutEvent, add, note
from fedsov.label import Label

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
        self.app = application(self.site, routers=(probes,), rate=AddressRate(1e6, 1e6))
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
        account = PersonAccount(name, frozenset(roles), frozenset(regions))
        accounts.add(account, password=PASSWORD, by="O. Perator", now=1_800_000_000.0)
    yield Hub(database)
    database.close()


@dataclass
class Calls:
    """Acts that only remember what they were asked: whether anybody was, is what a test of rights asks."""

    asked: list = field(default_factory=list)
    seen: str = ""

    @property
    def acts(self) -> Acts:
        return Acts(self.propose, *(partial(self._act, name) for name in ("approve", "start", "rollback", "freeze")))

    def propose(self, model, version, *, regions, canary, by, why):
        self.asked.append(("propose", model, version, regions, canary, by, why))
        return 1

    def _act(self, name, number, *, region, by, why, seen=""):
        self.seen = seen
        self.asked.append((name, number, region, by, why))
        return "running"


def put_rollout(database: Database, *names: str, model: str = "m", why: str = "") -> int:
    """A rollout in the database; its number."""
    steps = {name: RegionStep("unsigned", why=why) for name in names}
    proposal = ProposedVersion(
        model=model, version=2, digest="ab" * 32, label=Label(), verdict="undecided", report="", registry="hub",
        dataset="d", run="r", files={}, proposed=Act(by="olga", why=why or "better", at="2027-01-15T08:00:00Z"),
    )  # fmt: skip
    with database.changing() as connection:
        number = add(connection, Rollout(0, model, 2, canary=names[0], steps=steps, why=why), proposal)
        for name in names:
            note(
                connection, RolloutEvent(rollout=number, at="2027-01-15T08:00:00Z", act="signed", by=name, region=name)
            )
    return number


@pytest.fixture(scope="module")
def calls():
    return Calls()


@pytest.fixture(scope="module")
def acting(hub, calls):
    """The hub with rollouts 1 (DE and FR) and 2 (FR alone), and acts that remember."""
    put_rollout(hub.database, "DE", "FR", why="FR reports errors")
    put_rollout(hub.database, "FR")
    return Hub(hub.database, notes=[], acts=calls.acts)
