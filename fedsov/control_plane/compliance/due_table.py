"""What is due, as the hub's page shows it: computed now and then from ledgers and registers, and read from a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, Table, delete, insert, select

from fedsov.control_plane.database.engine import METADATA

DUE = Table(
    "due",
    METADATA,
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("content", JSON, nullable=False),
)
MOST = 500
"""Deadlines that are shown; `fedsov audit status` has all."""


def put_due(connection: Connection, several: Iterable[Mapping[str, Any]]) -> None:
    """Puts deadlines, in order and as plain values (`Deadline`), in the place of those before."""
    connection.execute(delete(DUE))
    rows = [{"place": place, "content": dict(each)} for place, each in enumerate([*several][:MOST])]
    if rows:
        connection.execute(insert(DUE), rows)


def due(connection: Connection) -> list[dict[str, Any]]:
    """The deadlines that were put last."""
    return [dict(row.content) for row in connection.execute(select(DUE.c.content).order_by(DUE.c.place))]
