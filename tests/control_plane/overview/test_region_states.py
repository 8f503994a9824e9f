"""What the page says of a region, from what it says, what is wanted of it, and how long ago it was heard."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fedsov.control_plane.overview.region_states import alarms, regions
from fedsov.control_plane.rollouts.states import RegionStep, Rollout
from tests.control_plane.pages.overview_world import NOW, add_rollout, enroll, report, want

ONE, TWO = ("m", 1, "champion"), ("m", 2, "champion")


def shown(database, *, now=NOW):
    with database.reading() as connection:
        return regions(connection, now)


@pytest.fixture
def connection(database):
    with database.changing() as opened:
        enroll(opened, "DE")
        yield opened


def state(connection, *, now=NOW):
    (region,) = regions(connection, now)
    return region


def test_a_region_that_was_enrolled_and_never_called_is_there(connection):
    region = state(connection)
    assert (region.state, region.wanted, region.running) == ("never seen", (), ())
    assert "fedsov region serve DE" in region.remedy


def test_a_region_that_runs_what_is_wanted_serves_and_its_last_word_changes_nothing(connection):
    want(connection, "DE", [ONE])
    report(connection, "DE", [ONE])
    first = state(connection)
    assert (first.state, first.wanted, first.running, first.verdict) == ("serving", first.running, first.wanted, "ok")
    report(connection, "DE", [ONE], at=NOW + timedelta(seconds=2))
    assert state(connection, now=NOW + timedelta(seconds=3)) == first
    assert alarms([first], NOW) == ()


def test_a_region_that_is_behind_is_shown_at_once_and_an_alarm_after_a_while(connection):
    want(connection, "DE", [TWO], counter=2)
    since = NOW.replace(hour=20, minute=10)
    report(connection, "DE", [ONE], counter=1, at=since)
    region = state(connection, now=since + timedelta(seconds=3))
    assert (region.state, region.since) == ("behind", "2026-11-30T20:10:00+00:00")
    assert [each.version for each in region.running] == [1]
    assert alarms([region], since + timedelta(seconds=3)) == ()
    (alarm,) = alarms([region], since + timedelta(seconds=11))
    assert (alarm.party, alarm.grave, "list 2 is wanted" in alarm.remedy) == ("DE", False, True)


def test_a_region_that_is_ahead_of_a_hub_that_was_put_back_says_what_to_do(connection):
    want(connection, "DE", [ONE], counter=1)
    report(connection, "DE", [TWO], counter=3)
    assert "the hub is an older copy of itself" in state(connection).remedy


def test_a_region_that_is_cut_off_says_since_when_and_what_it_had(connection):
    want(connection, "DE", [ONE])
    report(connection, "DE", [ONE])
    region = state(connection, now=NOW + timedelta(seconds=6))
    assert (region.state, region.since) == ("cut off", "2026-11-30T20:30:00+00:00")
    assert [each.version for each in region.running] == [1]
    (alarm,) = alarms([region], NOW)
    assert not alarm.grave


def test_a_region_whose_approver_has_not_signed_stays_where_it_is_and_is_shown_so(connection):
    want(connection, "DE", [ONE])
    report(connection, "DE", [ONE])
    number = add_rollout(connection, Rollout(0, "m", 2, "approved", "DE", {"DE": RegionStep("unsigned")}))
    region = state(connection)
    assert region.state == "unsigned"
    assert f"fedsov rollout approve {number} --region DE" in region.remedy


@pytest.mark.parametrize(("word", "is_alarm"), [("errors", True), ("slow", True), ("drift", True), ("watching", False)])
def test_a_fault_that_a_region_reports_is_an_alarm(connection, word, is_alarm):
    want(connection, "DE", [ONE])
    report(connection, "DE", [ONE], word=word)
    region = state(connection)
    assert region.verdict == word
    assert [alarm.grave for alarm in alarms([region], NOW)] == [True] * is_alarm


def test_what_a_region_refused_to_take_and_a_closed_endpoint_are_shown(connection):
    want(connection, "DE", [ONE])
    more = {"remarks": ["list 3 is older than list 4"], "stale_since": "2026-11-29T10:00:00+00:00"}
    report(connection, "DE", [ONE], endpoint="closed", **more)
    region = state(connection)
    assert region.state == "closed"
    assert "list 3 is older than list 4" in region.remedy
    assert "it takes nothing new" in region.remedy
    assert alarms([region], NOW)[0].grave
