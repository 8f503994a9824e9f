"""What stands in the hub's home comes into the database: once, in order, whoever is killed, and by two services."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from fedsov.control_plane.overview import collecting, counted_parts
from fedsov.control_plane.overview.collecting import PLAN_FILE, collect
from fedsov.control_plane.overview.counted_entries import counted_up_to
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import write_own
from fedsov.storage.workspace import ledger_of
from tests.control_plane.pages.overview_world import crossing

PLAN = {
    "run": "r1",
    "at": "2026-11-30T20:00:00+00:00",
    "contributors": [],
    "marks": ["EXAMPLE ROWS"],
    "unsafe": False,
    "regions": [
        {"name": "DE", "rows": 757, "strategy": "federated", "reason": "enough", "donor": "", "blocked": []}
        | {"amendments": []},
        {"name": "IN", "rows": None, "strategy": "local", "reason": "few", "donor": ""}
        | {"blocked": [["hub", "IN", "missing a document"]], "amendments": ["IN left"]},
    ],
}


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    return folder


@pytest.fixture
def ledger(hub):
    opened = Ledger(ledger_of(hub), "hub")
    yield opened
    opened.close()


def total(database):
    with database.reading() as connection:
        return counted_parts.crossings(connection).total.total


def test_a_hub_without_a_ledger_has_nothing_to_take(database, hub):
    assert collect(database, hub) == 0


def test_each_entry_is_counted_once_and_in_blocks(database, hub, ledger, monkeypatch):
    monkeypatch.setattr(collecting, "BLOCK", 4)
    ledger.append_all([crossing("hub", "DE") for _ in range(11)])
    assert (collect(database, hub), total(database)) == (11, 11)
    before = database.changes
    assert (collect(database, hub), total(database), database.changes) == (0, 11, before)
    ledger.append(crossing("hub", "DE"))
    assert (collect(database, hub), total(database)) == (1, 12)


def test_an_entry_that_is_none_is_counted_as_strange_and_does_not_stop_the_count(database, hub, ledger):
    ledger.append_all([{"act": "cross", "verdict": ["permit"]}, crossing("hub", "DE")])
    assert (collect(database, hub), total(database)) == (2, 1)


def test_a_plan_is_taken_where_the_hub_signed_it_and_as_it_is_now(database, hub, ledger):
    write_own(hub / PLAN_FILE, PLAN, ledger)
    collect(database, hub)
    with database.reading() as connection:
        plan = counted_parts.plan(connection)
    assert (plan.run, plan.hub, plan.marks) == ("r1", "hub", ("EXAMPLE ROWS",))
    assert [(region.name, region.rows, region.strategy) for region in plan.regions] == [
        ("DE", 757, "federated"),
        ("IN", None, "local"),
    ]
    assert plan.regions[1].blocked == (("hub", "IN", "missing a document"),)
    write_own(hub / PLAN_FILE, {**PLAN, "run": "r2"}, ledger)
    (hub / PLAN_FILE).write_bytes((hub / PLAN_FILE).read_bytes().replace(b'"r2"', b'"r3"'))
    collect(database, hub)
    with database.reading() as connection:
        assert counted_parts.plan(connection).run == "r1"  # what the hub did not sign is no plan


def test_a_process_that_is_killed_while_it_counts_loses_and_doubles_nothing(database, hub, ledger):
    ledger.append_all([crossing("hub", "DE") for _ in range(300)])
    counting = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from fedsov.control_plane.database.engine import Database
        from fedsov.control_plane.overview import collecting
        collecting.BLOCK = 20
        counts, blocks = collecting.count_entries, []
        def dies_in_the_fourth(connection, owner, entries):
            counts(connection, owner, entries)
            blocks.append(1)
            if len(blocks) == 4:
                os.kill(os.getpid(), signal.SIGKILL)
        collecting.count_entries = dies_in_the_fourth
        collecting.collect(Database.open({str(database.engine.url)!r}), Path({str(hub)!r}))
        """
    )
    died = subprocess.run([sys.executable, "-c", counting], env=os.environ, check=False, timeout=120)
    assert died.returncode == -signal.SIGKILL
    with database.reading() as connection:
        assert counted_up_to(connection, "hub") == 60
    assert (collect(database, hub), total(database)) == (240, 300)
