"""What the page shows of the record across all parties: open alarms over ledgers, and what is due soon."""

from __future__ import annotations

from sqlalchemy import Connection

from fedsov.control_plane.compliance.due_table import due
from fedsov.control_plane.compliance.witnesses import open_alarms
from fedsov.control_plane.overview.values import ExpiringDocument, ShownAlarm


def ledger_alarms(connection: Connection) -> tuple[ShownAlarm, ...]:
    """The alarms that witnesses have open, as they told."""
    several = open_alarms(connection)
    return tuple(
        ShownAlarm(
            each.party, each.sentence(), "`fedsov audit status` has the heads that contradict each other", since=each.at
        )
        for each in several
    )


def due_soon(connection: Connection) -> tuple[ExpiringDocument, ...]:
    """What is overdue or due within 90 days."""
    return tuple(
        ExpiringDocument(
            id=f"{each['kind']} of {each['party']}" if each["party"] else each["kind"],
            what=each["what"],
            owner=each["party"],
            due=each["day"],
            state=each["status"],
            remedy=each["to_do"],
        )
        for each in due(connection)
    )
