"""Who sees which rollout and may do what about it: every role at every act, by form and by JSON."""

from __future__ import annotations

import pytest

from fedsov.control_plane.pages.acting import checked_why
from fedsov.errors import ConfigurationError
from tests.control_plane.pages.conftest import ORIGIN, PEOPLE

ACTS = ("approve", "start", "freeze", "rollback")
MAY = {
    "olga": {("start", ""), ("freeze", ""), ("rollback", "")},
    "adam": {("approve", ""), ("approve", "DE"), ("approve", "FR")},
    "dora": {("approve", "DE")},
    "ute": set(),
    "vera": set(),
}
"""What each may do about rollout 1; dora is an approver for DE alone."""


def posts(browser, path, body):
    """A form, and the same as JSON."""
    headers = {"origin": ORIGIN, "x-csrf-token": browser.csrf("/password")}
    yield browser.post(path, data=body, headers=headers)
    yield browser.post(f"/api/v1{path}", json=body, headers=headers)


@pytest.mark.parametrize("name", PEOPLE)
def test_each_person_does_what_role_and_regions_give_and_nothing_else(acting, calls, name):
    browser, done = acting.browser(name), set()
    for act in ACTS:
        for region in ("", "DE", "FR"):
            calls.asked.clear()
            acting.notes.clear()
            statuses = [
                answer.status_code for answer in posts(browser, f"/rollouts/1/{act}", {"why": "x", "region": region})
            ]
            if calls.asked:
                assert statuses == [303, 200] and calls.asked == [(act, 1, region, name, "x")] * 2
                noted = {"act": f"rollout {act}", "rollout": 1, "region": region, "by": name, "why": "x"}
                assert acting.notes == [{"person_act": noted}] * 2
                done.add((act, region))
            else:
                assert set(statuses) <= {403, 422} and acting.notes == []
    assert done == MAY[name]


@pytest.mark.parametrize("number", [2, 99])
def test_a_rollout_for_other_regions_is_answered_as_one_that_there_is_not(acting, calls, number):
    browser = acting.browser("dora")
    calls.asked.clear()
    answers = [browser.get(f"/api/v1/rollouts/{number}")]
    answers += posts(browser, f"/rollouts/{number}/approve", {"why": "x", "region": "DE"})
    assert [answer.status_code for answer in answers] == [404] * 3 and not calls.asked
    assert {answer.text.replace(str(number), "N") for answer in answers if "error" in answer.text[:9]} == {
        '{"error":"there is no rollout N, or your account is for none of its regions","status":404}'
    }


def test_an_account_for_a_region_sees_that_region_of_a_rollout_alone(acting):
    (seen,) = acting.browser("dora").get("/api/v1/rollouts").json()
    assert list(seen["regions"]) == ["DE"] and [event["region"] for event in seen["events"]] == ["DE"]
    assert "FR" not in str({name: value for name, value in seen.items() if name != "proposed"})
    whole = acting.browser("vera").get("/api/v1/rollouts").json()
    assert [sorted(each["regions"]) for each in whole] == [["FR"], ["DE", "FR"]]


def test_a_region_that_the_rollout_is_not_for_is_answered_as_none(acting, calls):
    calls.asked.clear()
    for region in ("US", "\x00", "../DE", "DE' OR '1'='1"):
        for answer in posts(acting.browser("adam"), "/rollouts/1/approve", {"why": "x", "region": region}):
            assert answer.status_code == 404 and region not in answer.text
    assert not calls.asked


def test_proposing_is_for_operators_of_every_region(acting, calls):
    body = {"model": "m", "version": 3, "why": "better"}
    for name in PEOPLE:
        calls.asked.clear()
        statuses = [answer.status_code for answer in posts(acting.browser(name), "/rollouts", body)]
        assert statuses == ([303, 201] if name == "olga" else [403, 403])
        assert calls.asked == ([("propose", "m", 3, [], "", "olga", "better")] * 2 if name == "olga" else [])


def test_htmx_is_answered_with_nothing_but_that_something_changed(acting):
    browser = acting.browser("olga")
    headers = {"origin": ORIGIN, "x-csrf-token": browser.csrf("/password"), "hx-request": "true"}
    answer = browser.post("/rollouts/1/freeze", data={"why": "a look"}, headers=headers)
    assert (answer.status_code, answer.headers["hx-trigger"], answer.text) == (204, "changed", "")


def test_nothing_is_tried_where_the_hub_s_ledger_cannot_be_written(acting, calls):
    from fedsov.control_plane.pages.application import application
    from fedsov.errors import LedgerBroken
    from tests.control_plane.pages.conftest import Hub

    def full(note):
        if "rollout" in note["person_act"]["act"]:
            raise LedgerBroken("the disk is full; make room")

    broken = Hub(acting.database, acts=calls.acts)
    object.__setattr__(broken.site, "note", full)
    broken.app = application(broken.site)
    calls.asked.clear()
    for answer in posts(broken.browser("olga"), "/rollouts/1/freeze", {"why": "a look"}):
        assert answer.status_code == 503 and "the disk is full" in answer.text
    assert not calls.asked


@pytest.mark.parametrize("why", ["", "  \n ", "x" * 1001])
def test_a_reason_is_asked_for_and_is_short(acting, calls, why):
    calls.asked.clear()
    for answer in posts(acting.browser("olga"), "/rollouts/1/freeze", {"why": why}):
        assert answer.status_code == 422
    assert not calls.asked


def test_a_reason_is_one_line_that_steers_no_terminal():
    assert checked_why(" a\nb\x1b[2J \u202e x ") == "a b\\x1b[2J \\u202e x"
    with pytest.raises(ConfigurationError, match="write why"):
        checked_why("\n")


def test_a_hub_whose_pages_cannot_do_something_names_the_command(acting):
    from tests.control_plane.pages.conftest import Hub

    answer = next(posts(Hub(acting.database).browser("olga"), "/rollouts/1/start", {"why": "x"}))
    assert answer.status_code == 422 and "fedsov rollout start 1" in answer.text


def test_who_starts_a_rollout_says_how_far_it_was_on_the_page(acting, calls):
    """A click done twice begins one wave: the act is refused where the rollout went on (`rollouts/test_lists.py`)."""
    browser = acting.browser("olga")
    assert acting.browser("vera").get("/api/v1/rollouts/1").json()["progress"] == "proposed-0"
    for answer in posts(browser, "/rollouts/1/start", {"why": "x", "seen": "approved-0"}):
        assert answer.status_code in (200, 303) and calls.seen == "approved-0"
        calls.seen = ""
