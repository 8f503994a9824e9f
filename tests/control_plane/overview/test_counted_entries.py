"""Entries counted into tables: the same sums as the record of processing, whatever the blocks, each entry once."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from fedsov.control_plane.compliance import counts
from fedsov.control_plane.compliance.entries import read_book
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.overview import counted_parts
from fedsov.control_plane.overview.counted_entries import DOCUMENT_USES, LEDGERS, counted_up_to
from tests.control_plane.pages.overview_world import crossing, entries, refusal, review

TODAY = date(2026, 11, 30)
KINDS = [
    crossing("hub", "DE", origins=("DE", "GB"), documents=["scc-1"]),
    crossing("DE", "hub", origins=("DE",), kind="update"),
    crossing("US", "hub", origins=()),
    refusal("hub", "IN"),
    refusal("hub", "IN", at="2026-11-30T20:40:00+00:00"),
    refusal("hub", "US", reason="another reason", remedy="another remedy"),
    review("DE", "US"),
    {"act": "note", "at": "2026-11-30T20:40:00+00:00", "note": {"heads": {}}},
    {"act": "cross", "verdict": "perhaps"},
]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.sampled_from(KINDS), min_size=1, max_size=12), min_size=1, max_size=5))
def test_the_sums_are_those_of_the_record_of_processing_whatever_the_blocks(tmp_path_factory, blocks):
    database = Database.open(f"sqlite:///{tmp_path_factory.mktemp('counted')}/control.sqlite")
    for block in blocks:
        entries(database, "hub", block)
    bodies = [body for block in blocks for body in block]
    book = read_book("hub", [(number, "", body) for number, body in enumerate(bodies, 1)], head="")
    crossings = [line for line in book.lines if line.is_crossing]
    with database.reading() as connection:
        matrix = counted_parts.crossings(connection)
        cases = counted_parts.refusals(connection)
        assert counted_up_to(connection, "hub") == len(bodies)
        assert connection.scalar(select(LEDGERS.c.strange)) == len(book.strange)
    assert matrix.total == counts.counted(crossings)
    expected = {(route.origin, route.destination): route.count for route in counts.routes(crossings)}
    assert {key: route.count for key, route in matrix.routes.items()} == expected
    recorded = counts.refusals([line for line in book.lines if line.act in ("cross", "release", "arrive")])
    assert sorted((case.reason, case.count) for case in cases) == sorted((each.reason, each.count) for each in recorded)
    database.close()


def test_a_refusal_has_what_would_mend_it_and_how_often_it_was(database):
    entries(database, "hub", [refusal("hub", "IN"), refusal("hub", "IN", at="2026-11-30T21:00:00+00:00")])
    with database.reading() as connection:
        (case,) = counted_parts.refusals(connection)
    assert (case.count, case.last) == (2, "2026-11-30T21:00:00+00:00")
    assert case.remedy.startswith("Obtain an International Data Transfer Agreement")
    assert (case.origins, case.citations) == (("DE", "GB"), ("UK GDPR Art. 46(2)(d) and 46(1A)",))


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([], "waiting"),
        ([{"act": "approve", "by": "R.", "why": "seen", "until": "2027-01-01"}], "approved"),
        ([{"act": "approve", "by": "R.", "why": "seen", "until": "2026-11-01"}], "expired"),
        ([{"act": "approve", "by": "R.", "until": "2027-01-01"}, {"act": "withdraw"}], "withdrawn"),
        (
            [
                {"act": "approve", "by": "R."},
                {"act": "withdraw"},
                {"act": "approve", "by": "S.", "until": "2027-01-01"},
            ],
            "approved",
        ),
    ],
)
def test_a_review_is_shown_until_an_approval_holds(database, answers, state):
    asked = [review("DE", "US"), review("DE", "US", at="2026-11-30T21:00:00+00:00")]
    entries(
        database, "DE", [*asked, *({"at": "2026-11-30T22:00:00", "review": "rv-5f2c1a", **each} for each in answers)]
    )
    with database.reading() as connection:
        shown = counted_parts.reviews(connection, TODAY)
    assert [each.state for each in shown] == ([] if state == "approved" else [state])
    assert all((each.held, each.first[:16]) == (2, "2026-11-30T20:01") for each in shown)


def test_documents_and_budgets_are_as_the_ledgers_told_them_last(database):
    told = {"report": {"delta": 1e-5, "lifetime_epsilon": 8.0, "spent_with": 1.0}}
    later = {"report": {**told["report"], "spent_with": 2.5}}
    at = {"at": "2026-11-30T20:00:00+00:00"}
    notes = [{"act": "note", **at, "note": {"privacy": each}} for each in (told, later)]
    unbounded = {"act": "note", **at, "note": {"privacy_unbounded": {"dataset": "d"}}}
    entries(database, "DE", [*notes, crossing("DE", "hub", documents=["scc-1", "scc-1"]), unbounded])
    with database.reading() as connection:
        (budget,) = counted_parts.budgets(connection)
        uses = connection.execute(select(DOCUMENT_USES.c.document, DOCUMENT_USES.c.crossings)).all()
    assert (budget.region, budget.spent, budget.lifetime) == ("DE", 2.5, 8.0)
    assert budget.unbounded_since == "2026-11-30"
    assert [tuple(use) for use in uses] == [("scc-1", 1)]
