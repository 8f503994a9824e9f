"""One moment of everything: parts change their digest when they change, and only then."""

from __future__ import annotations

from datetime import timedelta

from fedsov.control_plane.overview.read_overview import NewestOverview
from fedsov.control_plane.overview.seen_by import seen_by
from fedsov.control_plane.people.roles import Person, Role
from tests.control_plane.pages.overview_world import NOW, crossing, entries, report


def test_a_part_has_another_digest_where_it_changed_and_no_other_part_has(filled):
    newest = NewestOverview(filled, "hub")
    before = newest.at(NOW).digests()
    entries(filled, "hub", [crossing("hub", "DE")])
    after = newest.at(NOW).digests()
    assert {name for name in before if before[name] != after[name]} == {"crossings"}


def test_a_sign_of_life_changes_nothing_on_the_page(filled):
    newest = NewestOverview(filled, "hub")
    before = newest.at(NOW).digests()
    with filled.changing() as connection:
        report(connection, "CA", [("stackoverflow", 2, "champion")], at=NOW + timedelta(seconds=1))
    assert newest.at(NOW).digests() == before


def test_readers_share_one_reading_until_something_changes_or_a_second_has_passed(filled):
    newest = NewestOverview(filled, "hub")
    first = newest.at(NOW)
    assert newest.at(NOW + timedelta(seconds=0.9)) is first
    assert newest.at(NOW + timedelta(seconds=1.1)) is not first
    second = newest.at(NOW + timedelta(seconds=1.1))
    entries(filled, "hub", [crossing("hub", "DE")])
    assert newest.at(NOW + timedelta(seconds=1.2)).crossings.total.total == second.crossings.total.total + 1


def test_an_account_for_a_region_sees_that_region_alone(filled):
    overview = NewestOverview(filled, "hub").at(NOW)
    person = Person("dora", frozenset({Role.APPROVER}), frozenset({"DE"}))
    seen = seen_by(overview, person)
    assert [region.name for region in seen.regions] == ["DE"]
    assert [region.name for rollout in seen.rollouts for region in rollout.regions] == ["DE"]
    assert [budget.region for budget in seen.budgets] == ["DE"]
    assert (seen.crossings.routes, seen.refusals) == ({}, ())
    assert {alarm.party for alarm in seen.alarms} == {"DE"}
    assert seen_by(overview, Person("vera", frozenset({Role.VIEWER}))) is overview
