"""What regions share is counted once and without a gap."""

from __future__ import annotations

import json

from sqlalchemy import insert

from fedsov.control_plane.compliance.witness_tables import PARTS
from fedsov.control_plane.overview import counted_parts
from fedsov.control_plane.overview.counted_entries import counted_up_to
from fedsov.control_plane.overview.shared_parts import collect_shared
from tests.control_plane.pages.overview_world import crossing


def share(database, *parts):
    """Parts of DE's ledger: (first, last) with an entry, or without one."""
    with database.changing() as connection:
        for first, last, body in parts:
            text = None if body is None else json.dumps(body)
            connection.execute(insert(PARTS).values(party="DE", first=first, last=last, digest="00" * 32, entry=text))


def test_shared_entries_are_counted_once_in_their_order_and_those_kept_are_passed_over(database):
    entry = crossing("DE", "hub", kind="update")
    share(database, (1, 1, entry), (2, 5, None), (6, 6, entry), (8, 8, entry))
    assert (collect_shared(database), collect_shared(database)) == (2, 0)
    with database.reading() as connection:
        assert counted_up_to(connection, "DE") == 6  # what is behind a gap waits for it
        assert counted_parts.crossings(connection).total.total == 2
    share(database, (7, 7, {"act": ["no entry"]}))
    assert collect_shared(database) == 2
    with database.reading() as connection:
        matrix = counted_parts.crossings(connection)
        assert (matrix.total.total, matrix.owners, matrix.silent) == (3, ("DE",), ())


def test_who_shares_no_crossing_is_said_so(database):
    share(database, (1, 8, None))
    assert collect_shared(database) == 0
    with database.reading() as connection:
        matrix = counted_parts.crossings(connection)
    assert (matrix.owners, matrix.silent) == ((), ("DE",))
