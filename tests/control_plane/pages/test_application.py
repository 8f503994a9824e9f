"""The application as a browser and an attacker meet it: each test is something that must not happen, tried."""

from __future__ import annotations

import pytest

from fedsov.control_plane.pages.application import application
from fedsov.control_plane.pages.rights import GUEST_COOKIE, SESSION_COOKIE
from tests.control_plane.pages.conftest import ORIGIN, PASSWORD, undeclared


def test_nobody_sees_a_page_before_signing_in_and_is_led_back_afterwards(hub):
    browser = hub.browser()
    assert browser.get("/").headers["location"] == "/login?next=/"
    assert browser.sign_in("vera", onward="/?tab=regions").headers["location"] == "/?tab=regions"
    assert browser.get("/").json() == {"name": "vera"}


def test_a_page_that_htmx_asks_for_sends_the_whole_window_to_the_sign_in(hub):
    answer = hub.browser().get("/", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=/")


def test_an_application_with_an_endpoint_that_declares_no_right_is_not_made(hub):
    with pytest.raises(ValueError, match="/nobody"):
        application(hub.site, routers=(undeclared,))


def test_an_endpoint_that_declares_no_right_is_refused_to_everybody(hub):
    answer = hub.browser("olga").get("/nobody")
    assert answer.status_code == 403 and "declares no right" in answer.text


@pytest.mark.parametrize("name", ["olga", "ute", "vera"])
def test_an_act_is_refused_to_who_has_another_role(hub, name):
    browser = hub.browser(name)
    answer = browser.post("/probe/DE", headers={"x-csrf-token": browser.csrf("/password"), "origin": ORIGIN})
    assert answer.status_code == 403 and "needs the role approver" in answer.text


def test_an_act_about_a_region_is_refused_to_who_is_for_another(hub):
    browser = hub.browser("dora")
    headers = {"x-csrf-token": browser.csrf("/password"), "origin": ORIGIN}
    assert browser.post("/probe/DE", headers=headers).json()["region"] == "DE"
    answer = browser.post("/probe/FR", headers=headers)
    assert answer.status_code == 403 and "not for region FR" in answer.text


def test_a_form_without_the_sessions_token_does_nothing(hub):
    browser, other = hub.browser("adam"), hub.browser("dora")
    for token in ("", "0" * 64, other.csrf("/password"), "é"):
        answer = browser.post("/probe/DE", data={"csrf": token}, headers={"origin": ORIGIN})
        assert answer.status_code == 403 and "not of this session" in answer.text


@pytest.mark.parametrize(
    "sent_from",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://hub.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_of_another_site_does_nothing_even_with_the_right_token(hub, sent_from):
    browser = hub.browser("adam")
    answer = browser.post("/probe/DE", headers={"x-csrf-token": browser.csrf("/password"), **sent_from})
    assert answer.status_code == 403 and "another site" in answer.text


def test_nobody_is_signed_in_by_another_sites_form(hub):
    attacker, victim = hub.browser(), hub.browser()
    form = {"csrf": attacker.csrf(), "name": "vera", "password": PASSWORD}
    victim.get("/login")
    answer = victim.post("/login", data=form, headers={"origin": ORIGIN})
    assert answer.status_code == 403 and SESSION_COOKIE not in victim.cookies


def test_a_planted_session_is_never_signed_in(hub):
    browser = hub.with_session("planted")
    assert browser.sign_in("adam").status_code == 303
    assert hub.with_session("planted").get("/").status_code == 303


def test_signing_in_again_ends_the_session_before(hub):
    browser = hub.browser("adam")
    before = browser.cookies[SESSION_COOKIE]
    form = {"csrf": browser.csrf("/password"), "name": "adam", "password": PASSWORD}
    browser.post("/login", data=form, headers={"origin": ORIGIN})
    assert browser.cookies[SESSION_COOKIE] != before
    assert hub.with_session(before).get("/").status_code == 303


def test_a_session_that_was_signed_out_is_over_for_whoever_copied_its_cookie(hub):
    browser = hub.browser("adam")
    copied = browser.cookies[SESSION_COOKIE]
    browser.post("/logout", data={"csrf": browser.csrf("/password")}, headers={"origin": ORIGIN})
    assert hub.with_session(copied).get("/").status_code == 303


def test_cookies_are_for_this_host_over_tls_and_no_script(hub):
    browser = hub.browser()
    cookies = [browser.get("/login").headers["set-cookie"], *browser.sign_in("adam").headers.get_list("set-cookie")]
    for cookie in cookies:
        assert cookie.startswith((f"{SESSION_COOKIE}=", f"{GUEST_COOKIE}="))
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; ")) and "Domain" not in cookie


@pytest.mark.parametrize(
    "onward", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_other_site(hub, onward):
    assert hub.browser().sign_in("vera", onward=onward).headers["location"] == "/"
    assert f'value="{onward}"' not in hub.browser().get("/login", params={"next": onward}).text


def test_a_request_for_another_host_is_refused(hub):
    answer = hub.browser("vera").get("/", headers={"host": "evil.example"})
    assert answer.status_code == 421 and ORIGIN in answer.text


@pytest.mark.parametrize("path", ["/login", "/", "/nowhere", "/breaks", "/static/page.css", "/static/../rights.py"])
def test_every_answer_forbids_inline_scripts_and_frames(hub, path):
    for browser in (hub.browser(), hub.browser("vera")):
        answer = browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == ("no-cache" if path == "/static/page.css" else "no-store")


def test_a_page_that_fails_says_nothing_of_what_it_held(hub, caplog):
    answer = hub.browser("vera").get("/breaks")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert "RuntimeError" in caplog.text and "secret" not in caplog.messages[-1]


def test_a_field_that_is_not_right_is_named_and_its_value_is_not(hub):
    browser = hub.browser("adam")
    headers = {"x-csrf-token": browser.csrf("/password"), "origin": ORIGIN}
    answer = browser.post("/probe/DE?number=<b>anna</b>", headers=headers)
    assert answer.status_code == 422 and "number:" in answer.text and "anna" not in answer.text


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(hub):
    browser = hub.browser()
    assert browser.post("/login", content=b"x" * 70_000).status_code == 413
    answer = browser.post(
        "/login",
        content=iter([b"name=", b"x" * 70_000]),
        headers={"content-type": "application/x-www-form-urlencoded", "origin": ORIGIN},
    )
    assert answer.status_code == 413
