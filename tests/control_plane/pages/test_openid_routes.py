"""Signing in by a real OpenID provider (oidc-provider of npm), and what an attacker tries with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from fedsov.control_plane.people.accounts import PersonAccount
from fedsov.control_plane.people.openid import OpenIdProvider
from fedsov.control_plane.people.roles import Role
from tests.control_plane.pages.conftest import ORIGIN, Hub

SECRET = "of a test, 32 letters or more long"
SCRIPT = Path(__file__).parents[1] / "people" / "openid_provider.mjs"
MODULES = Path(sys.prefix) / "npm" / "node_modules"


@pytest.fixture(scope="module")
def issuer():
    assert (MODULES / "oidc-provider").is_dir(), "scripts/npm-packages installs oidc-provider"
    words = ["node", SCRIPT, MODULES, f"{ORIGIN}/openid/return", SECRET]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        yield process.stdout.readline().decode().strip()
        process.stdin.close()
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def openid_hub(hub, issuer):
    hub.site.accounts.add(PersonAccount("fritz", frozenset({Role.VIEWER}), subject="fritz-17"), by="O.", now=hub.time)
    return Hub(hub.database, notes=hub.notes, time=None, provider=OpenIdProvider(issuer, "hub", SECRET, "Example ID"))


def signs_in(address: str, name: str) -> str:
    """Signs in at the provider as a person would, and agrees; where the provider sends the browser back to."""
    with httpx.Client(follow_redirects=False, trust_env=False) as person:
        for _ in range(12):
            answer = person.get(address)
            if answer.status_code == 200:
                form = (
                    {"prompt": "login", "login": name, "password": "any"}
                    if 'name="login"' in answer.text
                    else {"prompt": "consent"}
                )
                answer = person.post(address, data=form)
            address = str(httpx.URL(address).join(answer.headers["location"]))
            if address.startswith(ORIGIN):
                return address.removeprefix(ORIGIN)
    raise AssertionError("the provider did not send the browser back")


def test_somebody_with_an_account_of_that_subject_is_signed_in(openid_hub):
    browser = openid_hub.browser()
    assert "Sign in by Example ID" in browser.get("/login").text
    begun = browser.get("/openid", params={"onward": "/?tab=budgets"})
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["scope"] == ["openid"] and asked["nonce"]
    back = browser.get(signs_in(begun.headers["location"], "fritz-17"))
    assert (back.status_code, back.headers["location"]) == (303, "/?tab=budgets")
    assert browser.get("/").json() == {"name": "fritz"}
    assert openid_hub.notes[-1] == {"person_act": {"act": "signed in", "by": "fritz", "signed_in_by": "openid"}}


def test_somebody_without_an_account_is_told_by_which_subject_to_ask_for_one(openid_hub):
    browser = openid_hub.browser()
    back = browser.get(signs_in(browser.get("/openid").headers["location"], "<b>otto</b>"))
    assert back.status_code == 403 and "fedsov account add NAME --subject ID" in back.text
    assert "&lt;b&gt;otto" in back.text and "<b>otto" not in back.text
    assert browser.get("/").status_code == 303


def test_a_code_is_taken_from_the_browser_that_began_alone_and_once(openid_hub):
    attacker, victim = openid_hub.browser(), openid_hub.browser()
    victim.get("/login")
    path = signs_in(attacker.get("/openid").headers["location"], "fritz-17")
    refused = victim.get(path)
    assert refused.status_code == 403 and "not begun in this browser" in refused.text
    assert attacker.get(path).status_code == 403, "whoever tried, the state is used up"


def test_a_state_is_good_for_ten_minutes(openid_hub):
    browser = openid_hub.browser()
    path = signs_in(browser.get("/openid").headers["location"], "fritz-17")
    late = Hub(openid_hub.database, provider=openid_hub.provider, time=openid_hub.site.now() + 601)
    other = late.browser()
    other.cookies.update(browser.cookies)
    assert other.get(path).status_code == 403


@pytest.mark.parametrize(
    "change", [("code=", "code=x"), ("iss=http", "iss=https"), ("code=", "error=access_denied&old=")]
)
def test_a_changed_answer_signs_nobody_in(openid_hub, change):
    browser = openid_hub.browser()
    path = signs_in(browser.get("/openid").headers["location"], "fritz-17")
    assert change[0] in path
    assert browser.get(path.replace(*change)).status_code in (403, 502)
    assert browser.get("/").status_code == 303


def test_signing_in_by_a_provider_leads_to_no_other_site(openid_hub):
    browser = openid_hub.browser()
    begun = browser.get("/openid", params={"onward": "//evil.example"})
    assert browser.get(signs_in(begun.headers["location"], "fritz-17")).headers["location"] == "/"


def test_a_hub_without_a_provider_says_so(hub):
    assert "by a password" in hub.browser().get("/openid").text
    assert "Sign in by" not in hub.browser().get("/login").text


def test_a_provider_that_does_not_answer_is_named_and_the_page_goes_on(hub):
    gone = Hub(hub.database, provider=OpenIdProvider("http://127.0.0.1:9", "hub", SECRET))
    answer = gone.browser().get("/openid")
    assert answer.status_code == 502 and "does not answer" in answer.text and SECRET not in answer.text
    assert gone.browser("vera").get("/").status_code == 200
