"""The directory of regions: when each was heard last, and what it says runs there, since when.

    with database.changing() as connection:
        put_report(connection, "DE", plain, at=now)
    with database.reading() as connection:
        for region in directory(connection): print(region.name, region.seen_at, region.running)

A region tells it itself, over its own certificate; nothing here says what it should run. Times are UTC, ISO 8601.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Float, Integer, String, Table, Text, insert, or_, select, update

from fedsov.control_plane.database.engine import METADATA

SILENT = 5.0
"""Seconds without a word after which a region counts as cut off: it reports every two."""
REGIONS = Table(
    "regions",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("seen_at", Float, nullable=False),
    Column("reachable_since", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("counter", Integer, nullable=False),
    Column("report", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class ReportedVersion:
    """A version that a region's endpoint has loaded, since when (ISO 8601), and its mode."""

    model: str
    version: int
    mode: str
    digest: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class RegionState:
    """A region as it was heard last.

    Attributes:
        seen_at: when it was heard last; `reachable_since` when it was heard first after it had been silent.
        changed_at: when what it says changed.
        counter: of the approved list that it serves; 0 for none.
        report: everything that it said (`fedsov.protocol.control.RunningReport` as plain values).
    """

    name: str
    seen_at: datetime
    reachable_since: datetime
    changed_at: datetime
    counter: int
    report: Mapping[str, Any]

    @property
    def running(self) -> tuple[ReportedVersion, ...]:
        """The versions that run there."""
        return tuple(
            ReportedVersion(
                str(each["model"]), int(each["version"]), str(each["mode"]), str(each["digest"]), str(each["since"])
            )
            for each in self.report.get("versions", ())
        )

    def is_reachable(self, now: datetime) -> bool:
        """Whether it was heard in the last `SILENT` seconds."""
        return abs(now - self.seen_at) <= timedelta(seconds=SILENT)


def put_report(connection: Connection, name: str, report: Mapping[str, Any], *, at: datetime) -> bool:
    """Writes what a region says; whether it did.

    One that is a little older than what is there changes nothing: another service was quicker. What is there from more
    than `SILENT` seconds ahead was written before the clock was set back, and counts no more.
    """
    stamp, text = at.timestamp(), json.dumps(report, sort_keys=True)
    before = connection.execute(select(REGIONS).where(REGIONS.c.name == name)).one_or_none()
    values: dict[str, Any] = {"seen_at": stamp, "report": text, "counter": int(report.get("counter", 0))}
    if before is None:
        values |= {"name": name, "reachable_since": stamp, "changed_at": stamp}
        connection.execute(insert(REGIONS).values(**values))
    elif 0.0 < before.seen_at - stamp <= SILENT:
        return False
    else:
        values |= {"reachable_since": stamp} if abs(stamp - before.seen_at) > SILENT else {}
        values |= {"changed_at": stamp} if text != before.report else {}
        connection.execute(update(REGIONS).where(REGIONS.c.name == name).values(**values))
    return True


def put_seen(connection: Connection, names: Sequence[str], *, at: datetime) -> None:
    """Notes a sign of life of regions that say the same as before."""
    stamp = at.timestamp()
    is_newer = or_(REGIONS.c.seen_at < stamp, REGIONS.c.seen_at > stamp + SILENT)
    connection.execute(update(REGIONS).where(REGIONS.c.name.in_(names), is_newer).values(seen_at=stamp))


def directory(connection: Connection) -> tuple[RegionState, ...]:
    """Every region that was ever heard, by name."""
    return tuple(_state(row) for row in connection.execute(select(REGIONS).order_by(REGIONS.c.name)))


def region_state(connection: Connection, name: str) -> RegionState | None:
    """One region; None where it was never heard."""
    row = connection.execute(select(REGIONS).where(REGIONS.c.name == name)).one_or_none()
    return None if row is None else _state(row)


def _state(row: Any) -> RegionState:
    seen, reachable, changed = (
        datetime.fromtimestamp(at, UTC) for at in (row.seen_at, row.reachable_since, row.changed_at)
    )
    return RegionState(row.name, seen, reachable, changed, row.counter, json.loads(row.report))
