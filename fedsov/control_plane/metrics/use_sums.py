"""Sums of reports of use, kept as they come, so that whoever looks adds up days and reads no report.

with database.changing() as connection:
    add_report(connection, report)               # once for each report that is taken
with database.reading() as connection:
    sums(connection, since=now - 30 * 86_400)    # of the days since, the same as `totals` of their reports
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from fedsov.control_plane.database.engine import METADATA
from fedsov.control_plane.metrics.totals import Key, Requests, Total, TotalPart, totals
from fedsov.protocol.use_report import Band, Drift, UseReport
from fedsov.serialization import from_plain, to_plain

DAY = 86_400


def _key_columns() -> list[Column[Any]]:
    return [
        Column("region", String(100), primary_key=True),
        Column("day", Integer, primary_key=True, autoincrement=False),
        Column("model", String(200), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("role", String(20), primary_key=True),
    ]


USE_DAYS = Table(
    "use_days",
    METADATA,
    *_key_columns(),
    Column("windows", Integer, nullable=False),
    Column("begins", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("people", BigInteger, nullable=False),
    Column("noise", Boolean, nullable=False),
    Column("drift", Text, nullable=False),
)
USE_PARTS = Table(
    "use_parts",
    METADATA,
    *_key_columns(),
    Column("outcome", String(20), primary_key=True),
    Column("seconds", String(10), primary_key=True),
    Column("score", String(10), primary_key=True),
    Column("least", BigInteger, nullable=False),
    Column("most", BigInteger),
)


def add_report(connection: Connection, report: UseReport) -> None:
    """Adds a report to the sums of the day on which its window ended."""
    day = (report.ends - 1) // DAY
    for total in totals([report]):
        key = dict(zip(("region", "model", "version", "role"), total.key, strict=True)) | {"day": day}
        _add_day(connection, key, total)
        for part, count in total.parts.items():
            _add_part(connection, key, part, count)


def sums(connection: Connection, *, since: float = 0.0, region: str | None = None) -> list[Total]:
    """The totals of whole days, from the day of `since` (seconds since 1970) on."""
    first = int(since) // DAY
    every: dict[Key, Total] = {}
    for row in connection.execute(_wanted(USE_DAYS, first, region).order_by(USE_DAYS.c.day)):
        key = (row.region, row.model, row.version, row.role)
        total = every.setdefault(key, Total(*key, begins=row.begins))
        total.windows, total.noise = total.windows + row.windows, total.noise or row.noise
        total.ends, total.people = max(total.ends, row.ends), max(total.people, row.people)
        total.drift = from_plain(Drift, json.loads(row.drift)) if row.drift else total.drift
    for row in connection.execute(_wanted(USE_PARTS, first, region)):
        part = TotalPart(row.outcome, _band(row.seconds), _band(row.score) if row.score else None)
        every[row.region, row.model, row.version, row.role].add(part, Requests(row.least, row.most))
    return [every[key] for key in sorted(every)]


def _add_day(connection: Connection, key: dict[str, Any], total: Total) -> None:
    own = _is(USE_DAYS, key)
    before = connection.execute(select(USE_DAYS).where(*own)).one_or_none()
    drift = "" if total.drift is None else json.dumps(to_plain(total.drift))
    if before is None:
        values = {"windows": total.windows, "begins": total.begins, "ends": total.ends, "people": total.people}
        connection.execute(insert(USE_DAYS).values(**key, **values, noise=total.noise, drift=drift))
        return
    is_newer = total.ends > before.ends
    values = {"windows": before.windows + total.windows, "people": max(before.people, total.people)}
    values |= {"begins": min(before.begins, total.begins), "ends": max(before.ends, total.ends)}
    newest = drift if is_newer and drift else before.drift or drift
    noise = bool(before.noise or total.noise)
    connection.execute(update(USE_DAYS).where(*own).values(**values, noise=noise, drift=newest))


def _add_part(connection: Connection, key: dict[str, Any], part: TotalPart, count: Requests) -> None:
    score = "" if part.score is None else _text(part.score)
    whole = {**key, "outcome": part.outcome, "seconds": _text(part.seconds), "score": score}
    own = _is(USE_PARTS, whole)
    before = connection.execute(select(USE_PARTS.c.least, USE_PARTS.c.most).where(*own)).one_or_none()
    if before is None:
        connection.execute(insert(USE_PARTS).values(**whole, least=count.least, most=count.most))
        return
    after = Requests(before.least, before.most) + count
    connection.execute(update(USE_PARTS).where(*own).values(least=after.least, most=after.most))


def _is(table: Table, key: dict[str, Any]) -> Sequence[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in key.items()]


def _wanted(table: Table, first: int, region: str | None) -> Any:
    asked = select(table).where(table.c.day >= first)
    return asked if region is None else asked.where(table.c.region == region)


def _text(band: Band) -> str:
    return f"{band[0]}-{band[1]}"


def _band(text: str) -> Band:
    low, high = text.split("-")
    return int(low), int(high)
