"""One moment of everything: parts change their digest when they change, and only then."""

from __future__ import annotations

from datetime import timedelta

from fedsov.control_plane.overview.read_overview import NewestOverview
from fedsov.control_plane.overview.seen_by import seen_by
from fedsov.control_plane.people.roles import Person, Role
from tests.control_plane.pages.overview_world import NOW, crossing, entries, report


class Hands:
    """A clock that the test turns."""

    def __init__(self):
        self.time = NOW

    def __call__(self):
        return self.time


def test_a_part_has_another_digest_where_it_changed_and_no_other_part_has(filled):
    clock = Hands()
    newest = NewestOverview(filled, "hub", clock)
    before = newest.read().digests()
    entries(filled, "hub", [crossing("hub", "DE")])
    after = newest.read().digests()
    assert {name for name in before if before[name] != after[name]} == {"crossings"}


def test_a_sign_of_life_changes_nothing_on_the_page(filled):
    clock = Hands()
    newest = NewestOverview(filled, "hub", clock)
    before = newest.read().digests()
    with filled.changing() as connection:
        report(connection, "CA", [("stackoverflow", 2, "champion")], at=NOW + timedelta(seconds=1))
    assert newest.read().digests() == before


def test_readers_share_one_reading_until_something_changes_or_a_second_has_passed(filled):
    clock = Hands()
    newest = NewestOverview(filled, "hub", clock)
    first = newest.read()
    clock.time = NOW + timedelta(seconds=0.9)
    assert newest.read() is first
    clock.time = NOW + timedelta(seconds=1.1)
    second = newest.read()
    assert second is not first
    entries(filled, "hub", [crossing("hub", "DE")])
    assert newest.read().crossings.total.total == second.crossings.total.total + 1


def test_an_account_for_a_region_sees_that_region_alone(filled):
    overview = NewestOverview(filled, "hub", lambda: NOW).read()
    person = Person("dora", frozenset({Role.APPROVER}), frozenset({"DE"}))
    seen = seen_by(overview, person)
    assert [region.name for region in seen.regions] == ["DE"]
    assert [region.name for rollout in seen.rollouts for region in rollout.regions] == ["DE"]
    assert [budget.region for budget in seen.budgets] == ["DE"]
    assert (seen.crossings.routes, seen.refusals) == ({}, ())
    assert {alarm.party for alarm in seen.alarms} == {"DE"}
    assert seen_by(overview, Person("vera", frozenset({Role.VIEWER}))) is overview
