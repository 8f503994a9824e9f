"""Reports of use at the hub: each window once, from the region whose key signed it, and from nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.metrics.totals import Requests, totals
from fedsov.control_plane.metrics.use_reports import Signed, reports, take_use_report
from fedsov.control_plane.metrics.use_sums import sums
from fedsov.protocol.use_report import Drift, UseCell, UseNoise, UseReport, UseReportRefused

KEY = Ed25519PrivateKey.generate()
VERIFY = KEY.public_key().public_bytes_raw().hex()
HOUR = 3600
NOW = 10.0 * HOUR
CELL = UseCell("m", 1, "champion", "answered", people=20, requests=130)
REPORT = UseReport("DE", HOUR, 60, 10, (CELL,))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(f"sqlite:///{tmp_path}/control.sqlite")) as database:
        yield database


def take(database: Database, report: UseReport | bytes, *, sender: str = "DE", key: Ed25519PrivateKey = KEY) -> bool:
    document = report if isinstance(report, bytes) else report.to_bytes()
    with database.changing() as connection:
        return take_use_report(connection, Signed(sender, document, key.sign(document)), VERIFY, now=NOW)


def known(database: Database, **asked: object) -> list[UseReport]:
    with database.reading() as connection:
        return reports(connection, **asked)


def test_a_report_is_kept_and_the_same_again_is_the_same(database: Database) -> None:
    assert take(database, REPORT) and not take(database, REPORT)
    assert known(database) == [REPORT]


@pytest.mark.parametrize(
    ("begins", "minutes"),
    [(HOUR, 60), (HOUR, 30), (HOUR + 1800, 30), (0, 120)],
    ids=["same", "first", "last", "around"],
)
def test_a_window_is_told_of_once_whole_or_in_part(database: Database, begins: int, minutes: int) -> None:
    take(database, REPORT)
    other = UseReport("DE", begins, minutes, 10, (replace(CELL, people=30),))
    with pytest.raises(UseReportRefused, match="told of once"):
        take(database, other)
    assert known(database) == [REPORT]


def test_windows_beside_it_and_other_regions_are_taken(database: Database) -> None:
    take(database, REPORT)
    assert take(database, replace(REPORT, begins=0)) and take(database, replace(REPORT, begins=2 * HOUR))
    assert take(database, replace(REPORT, region="FR"), sender="FR")
    assert [each.begins for each in known(database, region="DE")] == [0, HOUR, 2 * HOUR]
    assert len(known(database, since=2.5 * HOUR)) == 1


def test_another_key_another_region_and_an_open_window_are_refused_by_name(database: Database) -> None:
    with pytest.raises(UseReportRefused, match="not signed by the key that DE"):
        take(database, REPORT, key=Ed25519PrivateKey.generate())
    with pytest.raises(UseReportRefused, match="another region's than FR"):
        take(database, REPORT, sender="FR")
    with pytest.raises(UseReportRefused, match="set the clocks"):
        take(database, replace(REPORT, begins=10 * HOUR))
    with pytest.raises(UseReportRefused, match="no report of use"):
        take(database, b'{"format":"fedsov use 1","people":9}')
    assert known(database) == []


def test_what_is_taken_is_in_the_sums_of_its_day_as_if_all_were_read(database: Database) -> None:
    drift = (Drift("m", 1, (3, 1, 1), "large"),)
    slow = replace(CELL, requests=None, seconds=(3, 5), outcome="failed")
    taken = [
        replace(REPORT, begins=2 * HOUR, cells=(CELL, slow), drift=drift),
        REPORT,
        replace(REPORT, begins=3 * HOUR, noise=UseNoise(1.0, 1e-6, 2)),
        replace(REPORT, cells=(replace(CELL, score=(0, 4)), replace(CELL, model="n"))),
    ]
    for report, sender in zip(taken, ("DE", "DE", "DE", "FR"), strict=True):
        take(database, replace(report, region=sender), sender=sender)
    with database.reading() as connection:
        assert sums(connection) == totals(reports(connection))
        assert [each.region for each in sums(connection, region="FR")] == ["FR", "FR"]
        assert sums(connection, since=86_400.0) == []


def test_what_is_refused_or_came_before_is_added_to_no_sum(database: Database) -> None:
    take(database, REPORT)
    take(database, REPORT)
    with pytest.raises(UseReportRefused):
        take(database, replace(REPORT, minutes=30))
    with database.reading() as connection:
        (total,) = sums(connection)
    assert total.requests == Requests(130, 139) and total.windows == 1
