"""Each sentence about what keeps a record from being relied on is there where its cause is, and only there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fedsov.control_plane.compliance import cautions
from fedsov.control_plane.compliance.controller import no_controller, read_controller
from fedsov.control_plane.compliance.entries import LedgerView, read_book
from fedsov.control_plane.compliance.filings import filings
from tests.border.world import DAY
from tests.control_plane.compliance.papers import document


def texts(warned: Any) -> list[str]:
    return [each.text for each in warned]


def test_a_ledger_that_holds_is_not_warned_of_and_one_that_does_not_is_gravely() -> None:
    sound, broken = LedgerView("DE", 2, "0", "", ()), LedgerView("US", 2, "0", "entry 2 was changed", ())
    (warned,) = cautions.broken_ledgers([sound, broken])
    assert warned.grave and "ledger of US does not verify: entry 2 was changed" in warned.text


def test_no_open_border_no_warning() -> None:
    assert texts(cautions.open_border(0)) == [] and "1 decision, marked" in texts(cautions.open_border(1))[0]


@pytest.mark.parametrize(("days", "count"), [(0, 0), (1, 1)])
def test_a_filing_is_named_from_the_day_after_its_last(days: int, count: int) -> None:
    paper = document("scc_tr", signed=DAY)
    due = filings([paper], (), DAY)[0].due
    assert due is not None
    on = due + timedelta(days)
    assert len(texts(cautions.deadlines(filings([paper], (), on), (), (), on))) == count


def test_an_example_controller_is_named_as_one_and_an_empty_one_as_missing(tmp_path: Path) -> None:
    example = read_controller(b"example: true", "c.yaml")
    named = texts(cautions.unanswered([example, no_controller()]))
    assert "c.yaml is a made-up example" in named[0] and "No controller.yaml was given" in named[1]


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ("rows_abroad", "Rows of people lay in US when they were ingested, where the law of RU does not let them be"),
        ("not_held_back", "Rows of people went home from US to RU, which the border does not permit (RU)"),
    ],
)
def test_where_a_source_lay_is_named_with_the_reason_and_what_mends_it_once_for_each(about: str, words: str) -> None:
    source = {"dataset": "people", "location": "US", "origins": ["RU"], "reason": "No rule.", "remedy": "Ask a lawyer."}
    body = {"act": "note", "at": "2026-11-23T10:00:00+00:00", "note": {about: source}}
    book = read_book("RU", [(1, "d1", body), (2, "d2", body)], head="d2")
    (line,) = texts(cautions.rows_abroad([book]))
    assert line == f"{words}{line[len(words) :]}" and line.endswith("(RU, 2026-11-23): No rule. Ask a lawyer.")
