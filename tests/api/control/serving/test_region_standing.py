"""What the hub says of a region's versions."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fedsov.api.control.serving.region_standing import region_standings
from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.regions.directory import put_report, put_seen
from fedsov.control_plane.rollouts.wanted import WantedList, put

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RUNNING = {"model": "m", "version": 1, "mode": "champion", "digest": "", "since": "2026-11-30T11:00:00+00:00"}
REPORT = {"counter": 1, "versions": [RUNNING], "endpoint": "serving", "remarks": ["list 2 is not signed by the hub"]}


def test_a_home_without_a_control_plane_has_no_regions_and_stays_without(tmp_path: Path) -> None:
    assert region_standings(tmp_path) == {}
    assert not list(tmp_path.iterdir())


def test_it_says_what_runs_what_is_wanted_and_since_when_nobody_was_heard(tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as database, database.changing() as connection:
        put_report(connection, "DE", REPORT, at=NOW)
        versions = (("m", 2, "champion"),)
        for name in ("DE", "FR"):
            put(
                connection,
                WantedList(region=name, counter=2, versions=versions, rollout=3, direction="forward", at="today"),
            )
    standings = region_standings(tmp_path, now=NOW + timedelta(seconds=90))
    first, drift, remark = standings["DE"].sentences()
    assert first == "runs m 1 (champion); silent for 90 seconds, and it goes on serving that"
    assert drift == "DE serves list 1, and list 2 is wanted since today"
    assert remark == "list 2 is not signed by the hub"
    assert standings["FR"].sentences() == ["FR has not said which list it serves; list 2 is wanted"]
    assert [each.to_json()["reachable"] for each in standings.values()] == [False, False]


def test_a_sign_of_life_makes_it_reachable_and_changes_nothing_else(tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as database:
        with database.changing() as connection:
            put_report(connection, "DE", REPORT, at=NOW)
        with database.changing(wakes=False) as connection:
            put_seen(connection, ["DE"], at=NOW + timedelta(seconds=4))
    standing = region_standings(tmp_path, now=NOW + timedelta(seconds=8))["DE"]
    assert standing.is_reachable
    assert standing.state is not None
    assert standing.state.changed_at == standing.state.reachable_since == NOW
