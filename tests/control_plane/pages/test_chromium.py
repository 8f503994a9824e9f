"""The page in a real Chromium: live, by keyboard, cut off, at every width, for screen readers, with hostile text.

Screenshots lie in the folder that FEDSOV_SCREENSHOTS names, or in pytest's own.
"""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.people.sessions import end_sessions
from fedsov.control_plane.rollouts import tables
from fedsov.control_plane.rollouts.states import RegionStep, Rollout
from fedsov.errors import CrossingRefused
from tests.control_plane.pages import overview_world as world
from tests.control_plane.pages.served_pages import CHROMIUM, ServedPages, findings, sign_in

WAIT = 60_000
expect.set_options(timeout=WAIT)


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def shots(folder):
    chosen = Path(os.environ.get("FEDSOV_SCREENSHOTS", folder))
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def database_in(folder, name):
    (folder / name).mkdir()
    return Database.open(f"sqlite:///{folder}/{name}/control.sqlite")


@pytest.fixture(scope="module")
def filled(folder):
    """The pages of a hub as it is after some weeks."""
    database = database_in(folder, "filled")
    with database.changing() as connection:
        world.put_plan(connection, ["CA", "DE", "GB", "IN", "US"])
    with ServedPages(folder / "filled", world.fill(database)).running() as served:
        yield served
    database.close()


@pytest.fixture
def fresh(tmp_path):
    """The pages of a hub of this test alone."""
    database = Database.open(f"sqlite:///{tmp_path}/control.sqlite")
    yield ServedPages(tmp_path, database)
    database.close()


@pytest.fixture
def page(chromium):
    """A new person's window; whatever the browser complains of fails the test."""
    context = chromium.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT)
    opened = context.new_page()
    opened.complaints = []
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("console", lambda line: line.type == "error" and opened.complaints.append(line.text))
    yield opened
    context.close()


@pytest.fixture(scope="module")
def states(chromium, filled):
    """Who has signed in, once for all tests that only look."""
    context = chromium.new_context(ignore_https_errors=True)
    context.set_default_timeout(WAIT)
    sign_in(context.new_page(), filled)
    state = context.storage_state()
    context.close()
    return state


EVERY_WIDTH = [(width, scheme) for width in (390, 768, 1440, 1920) for scheme in ("light", "dark")]
SHORT = [(390, "dark"), (1440, "light")]


@pytest.mark.parametrize(
    ("width", "scheme"),
    [pytest.param(*each, marks=[] if each in SHORT else [pytest.mark.long]) for each in EVERY_WIDTH],
)
def test_the_page_fits_each_width_in_light_and_dark_and_axe_finds_nothing_serious(
    chromium, filled, states, shots, width, scheme
):
    context = chromium.new_context(
        ignore_https_errors=True, viewport={"width": width, "height": 900}, color_scheme=scheme, storage_state=states
    )
    opened = context.new_page()
    opened.goto(filled.address)
    opened.wait_for_selector("[data-connection=live]", timeout=WAIT)
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    opened.screenshot(path=shots / f"page-{width}-{scheme}.png", full_page=True)
    for details in opened.query_selector_all("details:not([open]) > summary"):
        details.click()
    assert findings(opened) == []
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    context.close()


def test_what_changes_at_the_hub_is_on_the_page_without_a_reload_and_takes_nothing_from_the_reader(page, fresh):
    world.fill(fresh.database)
    with fresh.running():
        sign_in(page, fresh)
        page.evaluate("window.stays = 1")
        page.get_by_text("Freeze…").click()
        reason = page.locator("#why-2-freeze")
        reason.fill("I am still writing th")
        with fresh.database.changing() as connection:
            world.report(connection, "DE", [("stackoverflow-de", 2, "champion")], counter=2)
            world.add_rollout(connection, Rollout(0, "another", 9, "proposed", "DE", {"DE": RegionStep()}))
        germany = page.locator("#regions tr", has=page.locator("th", has_text="DE"))
        expect(germany.locator(".state")).to_have_text("serving")
        expect(germany.locator("td").nth(2)).to_contain_text("stackoverflow-de 2")
        expect(page.locator("#rollouts")).to_contain_text("another 9")
        expect(page.locator("#summary")).to_contain_text("2 rollouts under way")
        assert reason.input_value() == "I am still writing th"
        assert page.evaluate("document.activeElement.id") == "why-2-freeze"
        reason.press_sequentially("is")
        assert reason.input_value() == "I am still writing this"
        assert page.evaluate("window.stays") == 1
    assert page.complaints == [] or all("ERR_" in each for each in page.complaints)


def test_a_person_acts_by_the_keyboard_alone_and_hears_what_came_of_it(page, fresh):
    world.fill(fresh.database)
    with fresh.running():
        sign_in(page, fresh)
        page.reload()
        page.wait_for_selector("[data-connection=live]")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent").startswith("Roll back"):
                break
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("complaints of customers")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Roll back, rollout 2: done.")
        assert page.evaluate("document.activeElement.textContent").startswith("Roll back")
    assert fresh.done == [("rollback", 2, "", "anna", "complaints of customers")]


@pytest.mark.long
def test_a_region_that_the_hub_holds_is_approved_for_on_the_page_and_a_reason_is_needed(page, fresh):
    world.fill(fresh.database)
    with fresh.running():
        sign_in(page, fresh)
        page.get_by_text("Approve for IN…").click()
        page.get_by_role("button", name="Approve for IN").click()
        assert fresh.done == []  # the browser asks for the reason
        page.locator("#why-2-approve-IN").fill("measured")
        page.get_by_role("button", name="Approve for IN").click()
        expect(page.get_by_role("status")).to_contain_text("done")
    assert fresh.done == [("approve", 2, "IN", "anna", "measured")]


@pytest.mark.parametrize("refusal", ["", "no document permits it"])
def test_the_answer_of_a_slow_act_is_shown_though_its_form_was_replaced_meanwhile(page, fresh, refusal):
    is_seen = threading.Event()

    def acts_slowly(number):
        with fresh.database.changing() as connection:
            approved = Rollout(number, "m", 2, "approved", "IN", {"IN": RegionStep()})
            tables.put(connection, approved)
        assert is_seen.wait(60)
        if refusal:
            raise CrossingRefused(refusal)

    with fresh.database.changing() as connection:
        world.add_rollout(connection, Rollout(0, "m", 2, "proposed", "IN", {"IN": RegionStep()}))
    fresh.while_it_acts = acts_slowly
    with fresh.running():
        sign_in(page, fresh)
        page.get_by_text("Approve as the hub…").click()
        page.locator("details.act[open] textarea").fill("better")
        page.get_by_role("button", name="Approve as the hub").click()
        expect(page.get_by_role("status")).to_contain_text("under way")
        expect(page.locator("#rollouts h3 .state")).to_have_text("approved")
        is_seen.set()
        expect(page.get_by_role("status")).to_contain_text(refusal or "Approve as the hub, rollout 1: done.")


@pytest.mark.long
def test_an_act_that_the_hub_refuses_says_why_beside_the_form(page, fresh):
    world.fill(fresh.database)
    with fresh.running():
        sign_in(page, fresh)
        page.get_by_text("Start…").click()
        page.locator("#why-2-start").fill("x" * 900)
        page.evaluate("document.querySelector('#act-2-start input[name=csrf]').value = 'another'")
        page.evaluate("document.body.setAttribute('hx-headers', '{}')")
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("status")).to_contain_text("nothing was done")
        assert page.locator("#why-2-start").input_value() == "x" * 900  # nothing that was written is lost
    assert fresh.done == []


@pytest.mark.long
def test_who_may_only_look_has_no_button_and_who_is_for_a_region_sees_that_one(chromium, filled):
    for name, regions in (("vera", 5), ("dora", 1)):
        context = chromium.new_context(ignore_https_errors=True)
        opened = sign_in(context.new_page(), filled, name)
        expect(opened.locator("#regions tbody tr")).to_have_count(regions)
        assert opened.locator("#rollouts form").count() == 0
        context.close()


def test_without_a_connection_the_page_says_since_when_and_comes_back_by_itself(page, fresh, shots):
    world.fill(fresh.database)
    with fresh.running():
        sign_in(page, fresh)
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#offline")).to_contain_text("What you see is from")
    expect(page.locator("#connection")).to_have_text("not connected")
    assert findings(page) == []
    page.screenshot(path=shots / "offline.png")
    world.entries(fresh.database, "hub", [world.crossing("hub", "DE")] * 912)
    with fresh.running():
        expect(page.locator("#offline")).to_be_hidden()
        expect(page.locator("#summary")).to_contain_text("1,000 crossings decided")


@pytest.mark.long
def test_a_session_that_has_ended_says_so_and_leads_to_signing_in(page, fresh):
    world.fill(fresh.database)
    with fresh.running():
        sign_in(page, fresh)
        with fresh.database.changing() as connection:
            end_sessions(connection, "anna")
            world.add_rollout(connection, Rollout(0, "another", 9, "proposed", "DE", {"DE": RegionStep()}))
        expect(page.locator("#offline")).to_contain_text("Your session has ended")
        page.reload()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.locator("#rollouts").count() == 0


@pytest.mark.long
def test_an_empty_hub_says_of_each_part_what_fills_it(page, fresh, shots):
    with fresh.running():
        sign_in(page, fresh)
        for text in (
            "No region has called this hub yet.",
            "No rollout yet.",
            "No run has been planned here yet.",
            "Nothing has crossed a border yet.",
            "Nothing was refused.",
            "No crossing waits for a person.",
            "No region has told of a budget.",
        ):
            expect(page.get_by_text(text)).to_be_visible()
        assert findings(page) == []
        page.screenshot(path=shots / "empty.png", full_page=True)
        page.goto(fresh.address + "/crossings")
        expect(page.get_by_text("Nothing has crossed a border yet.")).to_be_visible()
    assert [each for each in page.complaints if "ERR_" not in each] == []


@pytest.mark.long
def test_pages_of_errors_and_of_signing_in_are_drawn_like_the_others(page, fresh, shots):
    with fresh.running():
        page.goto(fresh.address + "/")
        assert findings(page) == []
        page.screenshot(path=shots / "login.png")
        sign_in(page, fresh, "dora")
        for path, status in (("/nowhere", "404"), ("/crossings", "403")):
            assert page.goto(fresh.address + path).status == int(status)
            assert findings(page) == []
            page.screenshot(path=shots / f"error-{status}.png")


HOSTILE = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>{{7*7}}\'"`</textarea>'


def test_nothing_that_a_region_or_a_person_can_write_runs_in_the_page(page, fresh):
    text = HOSTILE
    with fresh.database.changing() as connection:
        world.enroll(connection, text[:60])
        world.want(connection, "DE", [(text, 1, "champion")])
        more = {"remarks": [text], "endpoint": text, "stale_since": text}
        world.report(connection, "DE", [(text, 1, text)], word=text, **more)
        steps = {text: RegionStep("refused", text, text), "DE": RegionStep("signed")}
        world.add_rollout(connection, Rollout(0, text, 1, "running", text, steps, text), mode=text, registry=text)
        world.put_plan(connection, [text])
    every = dict.fromkeys(("name", "kind", "reason", "remedy", "destination", "destination_name"), text)
    lists = {"origins": (text,), "missing": [text], "citations": [text], "at_fault": [text], "documents": [text]}
    world.entries(fresh.database, text, [world.refusal(text, text, **every, **lists)])
    world.entries(fresh.database, "DE", [world.review(text, text, **every, origins=(text,), review=text)])
    with fresh.running():
        sign_in(page, fresh)
        for details in page.query_selector_all("details:not([open]) > summary"):
            details.click()
        expect(page.locator("#regions")).to_contain_text("window.broken=1")
        expect(page.locator("#refusals")).to_contain_text("{{7*7}}")
        assert page.locator("main img, main script").count() == 0
        world.entries(fresh.database, "hub", [world.refusal("hub", text, **every)])
        expect(page.locator("#refusals article")).to_have_count(2)
        page.goto(fresh.address + "/crossings")
        expect(page.locator("tbody")).to_contain_text("window.broken=1")
        assert page.evaluate("window.broken === undefined")
    assert [each for each in page.complaints if "ERR_" not in each] == []


@pytest.mark.long
def test_a_hub_that_is_put_back_or_slow_shows_the_states_of_its_regions_as_time_passes(page, fresh):
    with fresh.database.changing() as connection:
        world.enroll(connection, "DE")
        world.want(connection, "DE", [("m", 1, "champion")])
        world.report(connection, "DE", [("m", 1, "champion")])
    with fresh.running():
        sign_in(page, fresh)
        state = page.locator("#regions tbody .state")
        expect(state).to_have_text("serving")
        fresh.clock += timedelta(seconds=6)  # nothing is written: only time has passed
        expect(state).to_have_text("cut off")
        expect(page.locator("#alarms")).to_contain_text("goes on serving what it has")
        assert state.count() == 1


@pytest.mark.long
def test_a_hub_of_a_hundred_regions_fits_each_width_and_axe_finds_nothing_serious(page, fresh, shots):
    world.many(fresh.database, regions=100, crossings=3_000)
    with fresh.running():
        sign_in(page, fresh)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert findings(page) == []
            page.screenshot(path=shots / f"many-{width}.png", full_page=True)
