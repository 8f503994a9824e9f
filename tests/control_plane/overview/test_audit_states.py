"""The page shows alarms over ledgers, in words with what to do, and what is due soon."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from fedsov.control_plane.compliance.due_table import due, put_due
from fedsov.control_plane.compliance.witness_tables import put_alarms
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.overview.read_overview import overview_of
from fedsov.ledger.witnessing import SHRUNK, Alarm, announce
from tests.ledger.test_witnessing import ledger_of

DUE = {
    "kind": "document",
    "party": "DE",
    "what": "'scc-1' (scc_eu) expires",
    "day": "2026-12-24",
    "status": "soon",
    "to_do": "renew it",
}


def test_an_alarm_and_what_is_due_are_on_the_overview_until_they_are_taken_away(tmp_path: Path) -> None:
    said = announce(ledger_of(tmp_path / "US", "US", 3), ["hub"])
    with closing(Database.open(f"sqlite:///{tmp_path}/c.sqlite")) as database:
        with database.changing() as connection:
            put_alarms(connection, "DE", [Alarm(SHRUNK, "US", "DE", said, said.head)])
            put_due(connection, [DUE])
        with database.reading() as connection:
            overview = overview_of(connection, "hub", datetime.now(UTC))
            assert due(connection) == [DUE]
        (alarm,), (document,) = overview.alarms, overview.documents
        assert alarm.party == "US" and "accept-gap US" in alarm.text and alarm.grave
        assert (document.owner, document.due, document.state) == ("DE", "2026-12-24", "soon")
        with database.changing() as connection:
            put_alarms(connection, "DE", [])
            put_due(connection, [])
        with database.reading() as connection:
            overview = overview_of(connection, "hub", datetime.now(UTC))
        assert not overview.alarms and not overview.documents
