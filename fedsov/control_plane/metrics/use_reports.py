"""Reports of use in the control plane's database: taken once a window, from the region whose key signed them.

    with database.changing() as connection:
        take_use_report(connection, Signed("DE", document, signature), verify_key, now=now)
    with database.reading() as connection:
        reports(connection, since=now - 86_400)

A report that is none, another region's, of a window that is still open, or that overlaps one that is there, is refused:
what is kept here can be added up, and no two of its numbers are about the same requests. The same report again is the
same: a region sends it until it hears that it arrived.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Float, Integer, LargeBinary, String, Table, insert, select

from fedsov.control_plane.database.engine import METADATA
from fedsov.control_plane.metrics.use_sums import add_report
from fedsov.keys.signed_text import holds_ed25519
from fedsov.protocol.use_report import UseReport, UseReportRefused, read_use_report

USE_REPORTS = Table(
    "use_reports",
    METADATA,
    Column("region", String(100), primary_key=True),
    Column("begins", BigInteger, primary_key=True, autoincrement=False),
    Column("ends", BigInteger, nullable=False, index=True),
    Column("minutes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("came_at", Float, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)
CLOCKS = 60.0
"""Seconds that a region's clock may be ahead of the hub's."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A document as a region sent it, and its signature by the key of the region's ledger."""

    region: str
    document: bytes
    signature: bytes

    @property
    def sha256(self) -> str:
        """The digest that the region's ledger has, hexadecimal."""
        return hashlib.sha256(self.document).hexdigest()


def take_use_report(connection: Connection, signed: Signed, verify_key: str, *, now: float) -> bool:
    """Keeps a region's report; False where it is there already.

    Args:
        verify_key: of the region's ledger (Ed25519, hexadecimal).
        now: seconds since 1970.

    Raises UseReportRefused.
    """
    if not holds_ed25519(verify_key, signed.document, signed.signature):
        raise UseReportRefused(f"the report of use is not signed by the key that {signed.region} is known by")
    report = read_use_report(signed.document)
    if report.region != signed.region:
        raise UseReportRefused(f"the report of use is another region's than {signed.region}, which sent it")
    if report.ends > now + CLOCKS:
        raise UseReportRefused(f"the window of {signed.region} has not ended by the hub's clock; set the clocks")
    own = (USE_REPORTS.c.region == signed.region, USE_REPORTS.c.begins < report.ends)
    beside = connection.execute(
        select(USE_REPORTS.c.begins, USE_REPORTS.c.sha256).where(*own, USE_REPORTS.c.ends > report.begins)
    ).all()
    if [(report.begins, signed.sha256)] == [tuple(row) for row in beside]:
        return False
    if beside:
        raise UseReportRefused(
            f"{signed.region} told of that window, or of a part of it, before; a window is told of once"
        )
    values: dict[str, Any] = {"document": signed.document, "signature": signed.signature, "sha256": signed.sha256}
    times = {"begins": report.begins, "ends": report.ends, "minutes": report.minutes, "came_at": now}
    connection.execute(insert(USE_REPORTS).values(region=signed.region, **times, **values))
    add_report(connection, report)
    return True


def reports(connection: Connection, *, since: float = 0.0, region: str | None = None) -> list[UseReport]:
    """The reports of windows that ended after `since` (seconds since 1970), the oldest first."""
    asked = select(USE_REPORTS.c.document).where(USE_REPORTS.c.ends > since)
    if region is not None:
        asked = asked.where(USE_REPORTS.c.region == region)
    rows = connection.execute(asked.order_by(USE_REPORTS.c.begins, USE_REPORTS.c.region))
    return [read_use_report(row.document) for row in rows]
