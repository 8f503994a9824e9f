"""The directory of regions: what is new in a report, and which report counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.regions.directory import put_report, put_seen, region_state

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(f"sqlite:///{tmp_path / 'control.sqlite'}")) as database:
        yield database


def put(database: Database, counter: int, seconds: float) -> None:
    with database.changing() as connection:
        put_report(connection, "DE", {"counter": counter}, at=NOW + timedelta(seconds=seconds))


def times(database: Database) -> tuple[int, float, float, float]:
    with database.reading() as connection:
        state = region_state(connection, "DE")
    assert state is not None
    stamps = state.seen_at, state.reachable_since, state.changed_at
    seen, reachable, changed = ((each - NOW).total_seconds() for each in stamps)
    return state.counter, seen, reachable, changed


def test_the_same_report_is_seen_and_another_one_is_a_change(database: Database) -> None:
    put(database, 1, 0)
    put(database, 1, 2)
    assert times(database) == (1, 2, 0, 0)
    put(database, 2, 4)
    assert times(database) == (2, 4, 0, 4)


def test_after_a_silence_it_is_reachable_anew(database: Database) -> None:
    put(database, 1, 0)
    put(database, 1, 60)
    assert times(database) == (1, 60, 60, 0)


def test_an_older_report_that_another_service_brings_later_changes_nothing(database: Database) -> None:
    put(database, 2, 4)
    put(database, 1, 2)
    assert times(database) == (2, 4, 4, 4)


def test_after_the_hub_s_clock_was_set_back_what_a_region_says_counts_at_once(database: Database) -> None:
    put(database, 1, 3600)
    put(database, 2, 0)
    assert times(database) == (2, 0, 0, 0)
    with database.changing() as connection:
        put_seen(connection, ["DE"], at=NOW - timedelta(hours=1))
    assert times(database)[1] == -3600
    with database.reading() as connection:
        state = region_state(connection, "DE")
    assert state is not None and not state.is_reachable(NOW - timedelta(hours=2)), "heard in what is to come"


def test_nobody_is_known_who_was_never_heard(database: Database) -> None:
    with database.reading() as connection:
        assert region_state(connection, "FR") is None
