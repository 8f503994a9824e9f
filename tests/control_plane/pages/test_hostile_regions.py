"""A region that writes HTML and templates into every field that it can fill: the page shows text, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.overview.read_overview import NewestOverview
from fedsov.control_plane.pages.application import application
from fedsov.control_plane.pages.shield import AddressRate
from fedsov.control_plane.pages.site import Acts
from fedsov.control_plane.pages.views import overview_routes
from fedsov.control_plane.people.accounts import PersonAccount
from fedsov.control_plane.people.roles import Role
from fedsov.control_plane.regions.directory import put_report
from fedsov.control_plane.rollouts import tables
from fedsov.control_plane.rollouts.states import RegionStep, Rollout
from fedsov.control_plane.rollouts.tables import RolloutEvent
from tests.control_plane.pages import overview_world as world
from tests.control_plane.pages.conftest import PASSWORD, Calls, Hub

HOSTILE = (
    "\"'><script src=//evil.example></script><img src=x onerror=alert(1)><a href=javascript:alert(1)>"
    "y{{7*7}}y{%raw%}y${7*7}y"
)
REPORT = {
    "counter": 1,
    "versions": [{"model": "m", "version": 2, "mode": "champion", "digest": "ab", "since": "2026-11-30T20:00:00Z"}],
    "verdicts": [{"model": "m", "version": 2, "verdict": "ok", "bands": {"errors": "0-1 %"}}],
    "endpoint": "serving",
    "cut_off_since": "2026-11-30T20:00:00Z",
    "stale_since": "2026-11-30T20:00:00Z",
    "configuration": "ab",
    "software": "0.1.0",
    "remarks": ["the list was not taken"],
}
"""Every field of what an agent says."""


class Elements(HTMLParser):
    """What a browser would make elements and attributes of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def places(plain) -> Iterator[tuple]:
    """The way to each text in a value, and to each key that is free."""
    for key, value in plain.items() if isinstance(plain, dict) else enumerate(plain):
        if isinstance(value, dict | list):
            yield from ((key, *way) for way in places(value))
        elif isinstance(value, str):
            yield (key,)


def with_hostile(plain, way):
    """The value with the text at one place in it replaced."""
    copied = dict(plain) if isinstance(plain, dict) else list(plain)
    copied[way[0]] = with_hostile(plain[way[0]], way[1:]) if way[1:] else HOSTILE
    return copied


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    database = Database.open(f"sqlite:///{tmp_path_factory.mktemp('hostile')}/control.sqlite")
    hub = Hub(database, acts=Calls().acts, time=None)
    account = PersonAccount("olga", frozenset({Role.OPERATOR, Role.APPROVER, Role.AUDITOR}))
    hub.site.accounts.add(account, password=PASSWORD, by="O.", now=hub.site.now())
    hub.app = application(
        hub.site, routers=[overview_routes(NewestOverview(database, hub="hub"))], rate=AddressRate(1e6, 1e6)
    )
    yield hub
    database.close()


def check(page) -> str:
    """Opens the page, which has every part, as somebody who may do everything; returns what was shown."""
    browser = page.browser("olga")
    answers = [browser.get(path) for path in ("/", "/crossings")]
    answers.append(browser.get("/api/v1/regions"))
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    for answer in answers[:-1]:
        for tag, attributes in Elements(answer.text).tags:
            sources = [value or "" for name, value in attributes.items() if name in ("src", "href", "action")]
            assert not [name for name in attributes if name.startswith(("on", "style"))], (tag, attributes)
            assert all(source.startswith(("/", "#")) for source in sources), (tag, attributes)
        assert "y49y" not in answer.text
    assert all(answer.headers["content-type"].startswith(("text/html", "application/json")) for answer in answers)
    return "".join(answer.text for answer in answers)


@pytest.mark.parametrize("way", list(places(REPORT)), ids=lambda way: ".".join(map(str, way)))
def test_each_field_of_a_report_is_text_on_the_page(page, way):
    with page.database.changing() as connection:
        put_report(connection, "DE", with_hostile(REPORT, way), at=datetime.now(UTC))
    assert check(page)


def test_names_of_measures_and_of_regions_are_text_on_the_page(page):
    hostile = {**REPORT, "verdicts": [{**REPORT["verdicts"][0], "bands": {HOSTILE: HOSTILE}}]}
    with page.database.changing() as connection:
        put_report(connection, HOSTILE[:60], hostile, at=datetime.now(UTC))
    assert "&lt;script" in check(page)


def test_what_a_region_writes_about_a_rollout_is_text_on_the_page(page):
    steps = {"DE": RegionStep("published", why=HOSTILE, word=HOSTILE[:20]), "FR": RegionStep("unsigned", why=HOSTILE)}
    with page.database.changing() as connection:
        rollout = Rollout(0, HOSTILE[:199], 2, "running", canary="DE", steps=steps, why=HOSTILE)
        number = tables.add(connection, rollout, world.proposal(rollout.model, 2, registry=HOSTILE, dataset=HOSTILE))
        event = RolloutEvent(
            rollout=number, region="DE", at=HOSTILE[:40], act="showed its lists", by=HOSTILE, why=HOSTILE
        )
        tables.note(connection, event)
    assert "&lt;script" in check(page)


@pytest.mark.parametrize("verdict", ["permit", "refuse", "review"])
def test_what_a_region_s_shared_entries_say_is_text_on_the_page(page, verdict):
    body = {
        **world.refusal("DE", "US", verdict=verdict, review="rv-1"),
        **dict.fromkeys(("kind", "name", "reason", "remedy", "destination", "destination_name"), HOSTILE),
        **{key: [HOSTILE] for key in ("origins", "categories", "missing", "citations", "basis", "at_fault")},
        **{
            side: {"name": HOSTILE, "entity": HOSTILE, "location": HOSTILE, "owners": []}
            for side in ("exporter", "importer")
        },
    }
    world.entries(page.database, "DE", [body])
    assert check(page)


def test_acts_that_a_page_cannot_do_are_not_on_it(page):
    assert Acts().approve is None
    bare = Hub(page.database, time=None)
    bare.app = application(bare.site, routers=[overview_routes(NewestOverview(page.database, hub="hub"))])
    assert "<form" not in bare.browser("olga").get("/parts/rollouts").text
