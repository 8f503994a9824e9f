"""Reports of regions are written whatever one of them says, and whichever service heard it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.regions.directory import directory
from fedsov.runtimes.deployment.control.running_reports import RunningReports

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(f"sqlite:///{tmp_path / 'control.sqlite'}")) as database:
        yield database


def counters(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return {each.name: each.counter for each in directory(connection)}


def test_a_report_that_no_database_takes_holds_up_no_other(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    reports = RunningReports(database)
    for region, counter in (("DE", 1), ("FR", 2**70), ("GB", 3)):
        reports.take(region, {"counter": counter})
    asyncio.run(reports.flush())
    assert counters(database) == {"DE": 1, "GB": 3}
    assert "the report of FR cannot be written (OverflowError), and is dropped" in caplog.text
    reports.take("DE", {"counter": 2})
    asyncio.run(reports.flush())
    assert counters(database)["DE"] == 2


def test_a_region_that_comes_back_from_another_service_is_written_though_it_says_the_same(database: Database) -> None:
    ticks = 0.0
    first, second = RunningReports(database, ticks=lambda: ticks), RunningReports(database)
    for reports, counter in ((first, 1), (second, 2)):
        reports.take("DE", {"counter": counter})
        asyncio.run(reports.flush())
    ticks = 10.0
    first.take("DE", {"counter": 1})
    asyncio.run(first.flush())
    assert counters(database) == {"DE": 1}


def test_what_a_quicker_service_overtook_is_written_when_it_is_said_again(database: Database) -> None:
    time = NOW + timedelta(seconds=2)
    reports = RunningReports(database, clock=lambda: time)
    reports.take("DE", {"counter": 1})
    asyncio.run(reports.flush())
    time = NOW
    for moment in (NOW, NOW + timedelta(seconds=3)):
        time = moment
        reports.take("DE", {"counter": 2})
        asyncio.run(reports.flush())
    assert counters(database) == {"DE": 2}
