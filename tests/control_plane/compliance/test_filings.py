"""The last days of filings, computed from documents' dates and from the ledger."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fedsov.border.evidence.register import Document
from fedsov.control_plane.compliance.filings import RULES, filings
from fedsov.control_plane.compliance.page import as_html
from tests.border.world import DAY
from tests.control_plane.compliance.ledgers import made_of, said
from tests.control_plane.compliance.papers import document


def filed(paper: Document, *entries: dict[str, Any], on: date = DAY) -> Any:
    return filings([paper], made_lines(*entries), on)[0]


def made_lines(*entries: dict[str, Any]) -> Any:
    from fedsov.control_plane.compliance.entries import read_book

    return read_book("VN", [(seq, f"{seq:064x}", body) for seq, body in enumerate(entries, 1)], head="0").lines


@pytest.mark.parametrize(
    ("kind", "dates", "due"),
    [
        # Friday 2026-11-06 and ten Mondays to Fridays
        ("cn_standard_contract", {"signed": date(2026, 10, 1), "effective": date(2026, 11, 6)}, date(2026, 11, 20)),
        ("cn_standard_contract", {"signed": date(2026, 11, 6)}, date(2026, 11, 20)),
        # signed on a Wednesday: Thursday, Friday, Monday, Tuesday, Wednesday
        ("scc_tr", {"signed": date(2026, 11, 4)}, date(2026, 11, 11)),
        ("vn_ctia", {"terms": {"first_transfer": date(2026, 11, 1)}}, date(2026, 12, 31)),
    ],
)
def test_the_last_day_follows_from_the_document_s_own_dates(kind: str, dates: dict[str, Any], due: date) -> None:
    told = filed(document(kind, **dates))
    assert told.due == due and told.cite == RULES[kind].cite


@pytest.mark.parametrize(
    ("terms", "on", "status"),
    [
        ({}, date(2026, 11, 11), "due"),
        ({}, date(2026, 11, 12), "overdue"),
        ({"notified": date(2026, 11, 11)}, date(2027, 1, 1), "filed"),
        ({"notified": date(2026, 11, 12)}, date(2027, 1, 1), "filed late"),
        ({"notified": None}, date(2026, 11, 12), "overdue"),
    ],
)
def test_a_filing_is_due_through_its_last_day_and_late_after_it(terms: dict[str, Any], on: date, status: str) -> None:
    assert filed(document("scc_tr", signed=date(2026, 11, 4), terms=terms), on=on).status == status


def test_the_first_crossing_begins_the_sixty_days_where_it_came_before_the_day_that_is_stated() -> None:
    crossed = {"act": "cross", "verdict": "permit", "day": "2026-10-01", "documents": ["d"]}
    refused = crossed | {"verdict": "refuse", "day": "2026-01-01"}
    later = document("vn_ctia", terms={"first_transfer": date(2026, 11, 1)})
    assert filed(later, refused, crossed).due == filed(document("vn_ctia"), crossed).due == date(2026, 11, 30)


def test_a_dossier_without_a_first_transfer_has_no_date_and_says_so() -> None:
    told = filed(document("vn_ctia"))
    assert (told.status, told.due) == ("no date", None)


def test_the_report_lists_filings_and_names_those_that_are_late() -> None:
    papers = [document("scc_tr", id="tr-1", signed=date(2026, 11, 4)), document("tia", id="tia-1")]
    told = made_of(register=papers)
    assert [filing.document for filing in told.filings] == ["tr-1"]
    assert "The filing of 'tr-1' with KVKK (Turkey) is overdue: it was due on 2026-11-11" in said(told)
    assert "2026-11-11" in as_html(told) and told.to_json()["filings"][0]["due"] == "2026-11-11"
