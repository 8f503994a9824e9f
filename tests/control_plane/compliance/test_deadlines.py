"""What is due, by the day of the record: documents, filings, reviews, approvals, erasures; the nearest day first."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from fedsov.control_plane.compliance.deadlines import (
    LATER,
    NEAR,
    NO_DATE,
    OVERDUE,
    Deadline,
    deadlines,
    is_pressing,
    standing,
)
from fedsov.control_plane.compliance.entries import ErasureNote
from tests.border.world import demo_register
from tests.control_plane.compliance.ledgers import APPROVE, REVIEW, made_of

ON = date(2026, 11, 30)
CROSSING: dict[str, Any] = {
    "act": "cross",
    "at": "2026-11-01T09:00:00.000+00:00",
    "kind": "model",
    "name": "m",
    "origins": ["DE"],
    "exporter": {"name": "DE", "location": "DE", "entity": "A"},
    "importer": {"name": "US", "location": "US", "entity": "B"},
    "verdict": "permit",
}


def of_kind(several: tuple[Deadline, ...], kind: str) -> list[Deadline]:
    return [each for each in several if each.kind == kind]


def test_a_day_is_past_near_or_far_and_the_day_itself_is_not_past() -> None:
    assert standing(None, ON) == NO_DATE
    assert standing(ON - timedelta(days=1), ON) == OVERDUE
    assert standing(ON, ON) == NEAR == standing(ON + timedelta(days=90), ON)
    assert standing(ON + timedelta(days=91), ON) == LATER


def test_documents_that_expire_within_90_days_or_have_are_due_with_what_to_do() -> None:
    register = demo_register().documents
    ends = max(document.expires for document in register if document.expires is not None)
    record = made_of(CROSSING, on=ends - timedelta(days=10), register=register)
    due = of_kind(deadlines(record), "document")
    assert due and any(each.day == ends and each.status == NEAR for each in due)
    assert all("`fedsov evidence add`" in each.to_do for each in due)


def test_a_review_that_waits_is_told_since_when_and_an_approval_by_the_day_it_ends() -> None:
    (waiting,) = deadlines(made_of({**CROSSING, **REVIEW}, on=ON))
    assert waiting.kind == "review" and waiting.day is None and "waits since 2026-11-01" in waiting.what
    due = deadlines(made_of({**CROSSING, **REVIEW}, dict(APPROVE), on=ON))
    (ends,) = of_kind(due, "approval")
    assert ends.day == date(2026, 12, 31) and ends.status == NEAR and not of_kind(due, "review")


def test_an_erasure_is_due_thirty_days_after_it_was_begun() -> None:
    begun = ErasureNote("5a" * 16, "2026-10-01T09:00:00.000+00:00")
    (due,) = deadlines(made_of(CROSSING, on=ON), [("DE", begun)])
    assert due.day == date(2026, 10, 31) and due.status == OVERDUE and due.party == "DE"
    assert "fedsov erase --region DE" in due.sentence()


def test_the_nearest_day_comes_first_and_what_is_far_does_not_press() -> None:
    notes = [("DE", ErasureNote(word, at)) for word, at in (("b", "2026-11-20"), ("a", "2026-11-01"))]
    record = made_of({**CROSSING, **REVIEW}, on=ON)
    days = [each.day for each in deadlines(record, notes)]
    assert days == [None, date(2026, 12, 1), date(2026, 12, 20)]
    far = made_of({**CROSSING, **REVIEW}, dict(APPROVE), on=ON - timedelta(days=365))
    assert not is_pressing(tuple(each for each in deadlines(far) if each.kind == "approval"))
