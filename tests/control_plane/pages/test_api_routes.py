"""`/api/v1`: what it answers, to whom, by cookie and by token, and what it refuses by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from fedsov.control_plane.configuration.standing import NUMBERS, PROPOSED
from fedsov.control_plane.pages.rights import SESSION_COOKIE
from fedsov.control_plane.regions.directory import put_report
from tests.control_plane.pages.conftest import ORIGIN, PEOPLE, Hub


@pytest.fixture(scope="module")
def tokens(acting):
    """A program's token of each person."""
    return {name: acting.site.accounts.token(name, days=1, by="O.", now=acting.time) for name in PEOPLE}


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_a_token_calls_as_its_person_without_a_form_s_token(acting, calls, tokens):
    browser = acting.browser()
    me = browser.get("/api/v1/me", headers=bearer(tokens["dora"])).json()
    assert me == {"name": "dora", "roles": ["approver"], "regions": ["DE"], "rights": ["see", "approve"]}
    calls.asked.clear()
    answer = browser.post("/api/v1/rollouts/1/freeze", json={"why": "a look"}, headers=bearer(tokens["olga"]))
    assert answer.status_code == 200 and answer.json()["rollout"] == 1
    assert calls.asked == [("freeze", 1, "", "olga", "a look")]


def test_a_program_s_token_is_no_cookie_and_a_cookie_s_is_no_program_s(acting, tokens):
    assert acting.with_session(tokens["olga"]).get("/").status_code == 303
    cookie = acting.browser("olga").cookies[SESSION_COOKIE]
    assert acting.browser().get("/api/v1/me", headers=bearer(cookie)).status_code == 401


def test_a_token_ends_after_its_days_and_with_any_change_of_the_account(acting):
    token = acting.site.accounts.token("vera", days=2, by="O.", now=acting.time)
    later = [Hub(acting.database, time=acting.time + days * 86_400) for days in (1.9, 2.1)]
    asked = [hub.browser().get("/api/v1/me", headers=bearer(token)).status_code for hub in later]
    assert asked == [200, 401]
    acting.site.accounts.reset("vera", password="a hill of blue slate", by="O.", now=acting.time)
    assert acting.browser().get("/api/v1/me", headers=bearer(token)).status_code == 401


def test_without_a_session_the_answer_is_json_that_says_so(acting):
    answer = acting.browser().get("/api/v1/rollouts")
    assert answer.status_code == 401 and "sign in" in answer.json()["error"]


def test_regions_are_those_of_the_account(acting, tokens):
    with acting.database.changing() as connection:
        for name in ("DE", "FR"):
            report = {
                "counter": 3,
                "versions": [{"model": "m", "version": 2, "mode": "champion", "digest": "", "since": ""}],
            }
            put_report(connection, name, report, at=datetime.fromtimestamp(acting.time, UTC))
    browser = acting.browser()
    (own,) = browser.get("/api/v1/regions", headers=bearer(tokens["dora"])).json()
    assert own["name"] == "DE" and own["is_reachable"] and own["running"][0]["version"] == 2
    assert [each["name"] for each in browser.get("/api/v1/regions", headers=bearer(tokens["ute"])).json()] == [
        "DE",
        "FR",
    ]


def test_what_people_did_is_for_auditors_of_every_region(acting, tokens):
    statuses = {
        name: acting.browser().get("/api/v1/acts", headers=bearer(tokens[name])).status_code
        for name in PEOPLE
        if name != "vera"
    }
    assert statuses == {"olga": 403, "adam": 403, "dora": 403, "ute": 200}


def test_the_audit_is_for_auditors_of_every_region(acting, tokens):
    told = Hub(acting.database)
    object.__setattr__(told.site, "audit", lambda: {"faults": []})
    asked = {
        name: told.browser().get("/api/v1/audit", headers=bearer(tokens[name])) for name in ("olga", "dora", "ute")
    }
    assert {name: answer.status_code for name, answer in asked.items()} == {"olga": 403, "dora": 403, "ute": 200}
    unable = acting.browser().get("/api/v1/audit", headers=bearer(tokens["ute"]))
    assert unable.status_code == 422 and "fedsov audit status" in unable.text


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"why": "x", "by": "somebody else"}, "by: Extra inputs are not permitted"),
        ({"why": ["x"]}, "why: Input should be a valid string"),
        ({"region": "DE"}, "why: Field required"),
        ({"why": "x", "region": "x" * 300}, "region: String should have at most 200"),
    ],
)
def test_json_with_other_names_or_kinds_is_refused_by_name(acting, calls, tokens, body, named):
    calls.asked.clear()
    answer = acting.browser().post("/api/v1/rollouts/1/freeze", json=body, headers=bearer(tokens["olga"]))
    assert answer.status_code == 422 and named in answer.json()["error"] and "somebody else" not in answer.text
    assert not calls.asked


@pytest.mark.parametrize("number", ["0", "-1", "1e3", "1 OR 1=1", "99999999999", "1;DROP TABLE rollouts", "%00"])
def test_a_number_is_a_number(acting, tokens, number):
    answer = acting.browser().get(f"/api/v1/rollouts/{number}", headers=bearer(tokens["olga"]))
    assert answer.status_code in (404, 422) and "DROP" not in answer.text


def test_the_interface_is_described_for_programs_and_to_nobody_else(acting, tokens):
    assert acting.browser().get("/api/v1/openapi.json").status_code == 401
    described = acting.browser().get("/api/v1/openapi.json", headers=bearer(tokens["ute"])).json()
    assert "/api/v1/rollouts/{number}/{act}" in described["paths"]
    assert all(path.startswith("/api/v1/") for path in described["paths"])
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert acting.browser("ute").get(path).status_code == 404


def test_a_form_in_place_of_json_is_no_way_around_the_form_s_token(acting, calls):
    browser = acting.browser("olga")
    calls.asked.clear()
    answer = browser.post("/api/v1/rollouts/1/freeze", json={"why": "x"}, headers={"origin": ORIGIN})
    assert answer.status_code == 403 and not calls.asked


def test_configuration_is_that_of_the_account_s_regions(acting, tokens):
    with acting.database.changing() as connection:
        for name in ("DE", "FR"):
            row = {"region": name, "key": "limits.rounds", "number": 1, "value": "40", "by": "olga", "why": "x"}
            connection.execute(insert(PROPOSED).values(**row, at="2027-01-15T08:00:00Z"))
            connection.execute(insert(NUMBERS).values(region=name, number=1))
    (own,) = acting.browser().get("/api/v1/configuration", headers=bearer(tokens["dora"])).json()
    assert own["region"] == "DE" and own["settings"]["limits.rounds"]["state"] == "not answered yet"
    every = acting.browser().get("/api/v1/configuration", headers=bearer(tokens["ute"])).json()
    assert [each["region"] for each in every] == ["DE", "FR"]
