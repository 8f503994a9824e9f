"""The pages as a hub's control plane serves them: over its own database and ledger, and for real over TLS."""

from __future__ import annotations

import re
import ssl
import time
from contextlib import closing

import httpx
import pytest

from fedsov.api.control.control_hub import control_hub
from fedsov.api.control.hub.accounts import hub_accounts
from fedsov.api.control.hub.control_pages import control_pages, origins_of
from fedsov.api.control.hub.page_acts import KINDS, PageActs, run_command
from fedsov.control_plane.people.accounts import PersonAccount
from fedsov.control_plane.people.roles import Role
from fedsov.errors import ApprovalRefused, ConfigurationError, LimitExceeded
from fedsov.ledger.ledger import Ledger
from fedsov.storage.party_file import HubAddress
from tests.api.control.processes import ControlProcesses, until
from tests.control_plane.pages.conftest import PASSWORD, Browser

ADDRESS = HubAddress("127.0.0.1", 9094)
ORIGIN = "https://127.0.0.1:9094"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    Ledger(home / "hub" / "ledger.sqlite", "IE").close()
    (home / "regions" / "DE").mkdir(parents=True)
    with hub_accounts(home) as accounts:
        for role in (Role.OPERATOR, Role.AUDITOR):
            accounts.add(PersonAccount(f"the-{role}", frozenset({role})), password=PASSWORD, by="O.", now=0.0)
    with control_hub(home) as opened:
        yield opened


@pytest.fixture
def browser(hub):
    return lambda: Browser(control_pages(hub, ADDRESS), ORIGIN, follow_redirects=False)


def signed_in(browser, name):
    form = {"csrf": browser.csrf(), "name": name, "password": PASSWORD}
    assert browser.post("/login", data=form, headers={"origin": ORIGIN}).status_code == 303
    return browser


def test_a_hub_s_page_is_served_and_what_people_do_is_in_its_ledger(hub, browser):
    page = signed_in(browser(), "the-operator").get("/")
    assert page.status_code == 200 and "IE" in page.text and "No rollout yet" in page.text
    acts = signed_in(browser(), "the-auditor").get("/api/v1/acts").json()
    assert [(each["about"], each["act"]) for each in acts[:3]] == [
        ("account", "added"),
        ("account", "added"),
        ("person_act", "signed in"),
    ]
    assert [each["by"] for each in acts[2:]] == ["the-operator", "the-auditor"]
    assert hub.ledger.verify().entries >= 4 and PASSWORD not in str(acts)


def test_an_act_of_a_rollout_that_is_not_there_is_refused_before_it_is_noted(hub, browser):
    operator = signed_in(browser(), "the-operator")
    headers = {"origin": ORIGIN, "x-csrf-token": operator.csrf("/password")}
    assert operator.post("/api/v1/rollouts/7/start", json={"why": "x"}, headers=headers).status_code == 404
    assert "rollout start" not in str([entry.body for entry in hub.ledger.entries()])


@pytest.mark.long
def test_what_a_command_refuses_is_refused_on_the_page_in_its_sentence(hub):
    acts = PageActs(hub.home, hub.rollouts)
    with pytest.raises(ConfigurationError, match="no registered model 'nothing'"):
        acts.propose("nothing", 2, regions=[], canary="", by="the-operator", why="better")


def test_no_name_becomes_an_option_of_a_command(hub):
    acts = PageActs(hub.home, hub.rollouts)
    for model, regions, canary in (("--json", [], ""), ("m", ["--x"], ""), ("m", [], "-h"), ("m\0", [], "")):
        with pytest.raises(ConfigurationError, match="is no name"):
            acts.propose(model, 2, regions=regions, canary=canary, by="the-operator", why="better")


def test_approving_for_a_region_elsewhere_names_the_command_that_does(hub):
    acts = PageActs(hub.home, hub.rollouts)
    with pytest.raises(ConfigurationError, match="fedsov rollout approve 1 --region FR"):
        acts.approve(1, region="FR", by="adam", why="x")
    assert acts.acts.regions_here == {"DE"}


def test_a_command_s_exit_code_is_the_error_that_it_ended_with(hub):
    with pytest.raises(ConfigurationError, match="unknown command 'rolout'; did you mean rollout"):
        run_command(hub.home, ["rolout", "status"])
    assert KINDS[6] is ApprovalRefused


def test_a_page_is_named_as_browsers_name_it():
    assert origins_of(HubAddress("hub.example", 443)) == {"https://hub.example"}
    assert origins_of(HubAddress("2001:db8::1", 9094)) == {"https://[2001:db8::1]:9094"}
    assert origins_of(ADDRESS) == {ORIGIN, "https://localhost:9094"}


@pytest.mark.long
def test_an_auditor_is_told_what_the_command_says_and_one_at_a_time(hub, browser):
    told = signed_in(browser(), "the-auditor").get("/api/v1/audit")
    assert told.status_code == 200 and told.json() == run_command(hub.home, ["audit", "status"], answers_with=(0, 5))
    acts = PageActs(hub.home, hub.rollouts)
    with acts._auditing, pytest.raises(LimitExceeded, match="ask again"):
        acts.audit()


@pytest.mark.long
def test_a_person_signs_in_over_tls_chooses_a_password_and_is_signed_out_when_the_account_is_removed(tmp_path):
    with ControlProcesses(tmp_path, []) as parties:
        parties.begin_hub()
        with hub_accounts(tmp_path) as accounts:
            temporary = accounts.add(PersonAccount("vera", frozenset({Role.VIEWER})), by="O.", now=time.time())
        trusted = ssl.create_default_context(cafile=parties.trial.hub.authority)
        origin = f"https://127.0.0.1:{parties.pages}"
        with httpx.Client(base_url=origin, verify=trusted, headers={"origin": origin}) as person:
            until(lambda: answers(person), f"the pages; {parties.log('hub').read_text()[-800:]}")
            led = sign_in(person, "vera", temporary)
            assert led.headers["location"] == "/password"
            assert person.get("/").headers["location"] == "/password", "nothing else is open before"
            chosen = {"csrf": csrf(person, "/password"), "old": temporary, "new": PASSWORD, "again": PASSWORD}
            assert person.post("/password", data=chosen).headers["location"] == "/"
            assert person.get("/").status_code == 200
            with hub_accounts(tmp_path) as accounts:
                accounts.remove("vera", by="O.")
            assert person.get("/").headers["location"].startswith("/login")
            assert "Name or password is wrong" in sign_in(person, "vera", PASSWORD).text
            guesses = [sign_in(person, "vera", PASSWORD, f"198.51.100.{number}").status_code for number in range(6)]
            assert guesses[-1] == 429, "an address that a request claims is not where it comes from"
        with closing(Ledger.read(tmp_path / "hub" / "ledger.sqlite")) as ledger:
            assert [entry.body["note"]["account"]["act"] for entry in ledger.notes("account")] == [
                "added",
                "password chosen",
                "removed",
            ]


def answers(person) -> bool:
    try:
        return person.get("/login").status_code == 200
    except httpx.ConnectError:
        return False


def sign_in(person, name, password, claimed=""):
    form = {"csrf": csrf(person, "/login"), "name": name, "password": password}
    return person.post("/login", data=form, headers={"x-forwarded-for": claimed} if claimed else {})


def csrf(person, path):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', person.get(path).text)[1]
