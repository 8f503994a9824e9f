"""The record of processing claims nothing and says first what stands in the way of relying on it."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from fedsov.artifact import Kind
from fedsov.border.law.bundle_loader import unsafe_open
from fedsov.control_plane.compliance.entries import LedgerView
from fedsov.control_plane.compliance.page import as_html
from fedsov.control_plane.compliance.record import record_of
from tests.border.world import DAY, artifact, demo_register, party
from tests.control_plane.compliance.ledgers import (
    CLAIMS,
    crossing,
    gate_of,
    made_of,
    record,
    said,
)


@pytest.mark.parametrize(("age", "stale"), [(90, False), (91, True)])
def test_a_bundle_of_rules_older_than_90_days_is_warned_of(workspace: Path, age: int, stale: bool) -> None:
    told = made_of(crossing(workspace, bundle_dated=(DAY - timedelta(age)).isoformat()))
    assert (f"{age} days before this report" in said(told)) is stale
    assert (f"{age} days before this report" in as_html(told)) is stale


def test_unsafe_decisions_are_marked_first_and_where_they_stand(workspace: Path) -> None:
    gate = gate_of(workspace, "US", bundle=unsafe_open())
    gate.cross(artifact(Kind.RECORDS, "US", content=b"rows"), party("CN"))
    told = record(workspace)
    (route,) = [one for one in told.matrix if one.destination == "CN"]
    assert told.unsafe == 1 and route.unsafe == 1
    assert told.warnings[0].grave and told.warnings[0].text.startswith("UNSAFE")
    assert as_html(told).count('class="unsafe"') >= 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"marks": ["example rows"]}, "EXAMPLE ROWS: 1 decision about rows that a document calls published, "),
        ({"marks": ["rehearsed day"]}, "REHEARSED DAY: 1 decision taken as on another day than the real one."),
        ({"added_rules": ["own-1"]}, "ADDITIONAL RULES: 1 decision by rules that were not shipped: own-1."),
    ],
)
def test_what_a_decision_bears_stands_above_the_record(workspace: Path, change: dict, words: str) -> None:
    told = made_of(crossing(workspace, **change))
    assert told.warnings[0].grave and told.warnings[0].text.startswith(words)
    assert words in as_html(told)


def test_a_ledger_that_was_changed_is_told_first_and_still_shown(workspace: Path) -> None:
    with sqlite3.connect(workspace / "regions" / "DE" / "ledger.sqlite") as book:
        book.execute("DROP TRIGGER no_update")
        (body,) = book.execute("SELECT body FROM entries WHERE seq = 2").fetchone()
        book.execute("UPDATE entries SET body = ? WHERE seq = 2", (body.replace(b'"IE"', b'"XX"'),))
    told = record(workspace)
    assert told.warnings[0].grave and "ledger of DE does not verify" in told.warnings[0].text
    assert {one.owner: one.verifies for one in told.ledgers} == {"hub": True, "DE": False, "US": True}
    assert "XX" in told.tallies["destination"]
    page = as_html(told)
    assert page.index("ledger of DE does not verify") < page.index("crossings decided")
    assert "Every ledger verifies" not in page


def test_it_claims_nothing_and_says_so(workspace: Path) -> None:
    told = record(workspace, register=demo_register().documents)
    for text in (as_html(told), json.dumps(told.to_json())):
        assert not CLAIMS.search(text)
        assert "on these documents, at this time; it is not a legal opinion" in text


def test_numbers_of_people_behind_an_artifact_are_left_out(workspace: Path) -> None:
    hub = gate_of(workspace, "IE")
    hub.cross(artifact(Kind.MODEL, "DE", content=b"w", count=987654), party("DE"))
    told = record(workspace)
    assert "987654" not in json.dumps(told.to_json()) and "987,654" not in as_html(told)


def test_a_ledger_without_entries_is_told_as_such(tmp_path: Path) -> None:
    told = record_of([LedgerView("hub", 0, "0", "", ())], on=DAY)
    assert told.crossings.total == 0 and "No ledger holds a decision yet" in as_html(told)


def test_a_guarantee_that_answers_without_privacy_ended_is_told_with_its_day(workspace: Path) -> None:
    ended = {"at": "2026-12-01T10:00:00+00:00", "run": "r2", "act": "note", "note": {"privacy_unbounded": {}}}
    later = {**ended, "at": "2026-12-05T10:00:00+00:00"}
    told = made_of(crossing(workspace), ended, later)
    assert "The privacy guarantee of DE is unbounded since 2026-12-01" in said(told)
    assert "unbounded since 2026-12-01" in as_html(told)
    assert "unbounded" not in said(made_of(crossing(workspace)))
