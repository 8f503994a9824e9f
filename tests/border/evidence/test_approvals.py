"""An approval is a person's yes to one review, for some days, until somebody withdraws it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from fedsov.border.evidence import approvals
from fedsov.border.evidence.approvals import Approval, approval_entry, withdrawal_entry

SINCE, UNTIL = date(2026, 11, 1), date(2026, 11, 30)
AT = "2026-11-01T10:00:00.000+00:00"


def entry(review: str = "R1", **other: Any) -> dict[str, Any]:
    parts = {"by": "A. Person", "why": "checked", "since": SINCE, "until": UNTIL, "at": AT}
    return approval_entry({"review": review}, **(parts | other))


def approved(*bodies: dict[str, Any]) -> list[str]:
    """The reviews that these entries leave approved."""
    return [approval.review for approval in approvals.standing(bodies)]


def withdrawal(body: dict[str, Any]) -> dict[str, Any]:
    (approval,) = approvals.standing([body])
    return withdrawal_entry(approval, by="B. Person", why="no longer", at=AT)


def test_an_approval_holds_from_its_first_day_to_its_last_both_included() -> None:
    (approval,) = approvals.standing([entry()])
    day = timedelta(days=1)
    days = (SINCE - day, SINCE, SINCE + day, UNTIL, UNTIL + day)
    assert [approval.holds_on(on) for on in days] == [False, True, True, True, False]


def test_an_entry_is_read_back_as_the_approval_that_was_written() -> None:
    body = entry()
    (approval,) = approvals.standing([body])
    assert approval == Approval(body["approval"], "R1", "A. Person", "checked", SINCE, UNTIL)
    assert approval.to_json() == {name: body[name] for name in approval.to_json()}
    assert (body["act"], body["at"]) == ("approve", AT)


@pytest.mark.parametrize("change", [{"review": "R2"}, {"by": "B. Person"}, {"why": "other"}, {"at": AT + "1"}])
def test_two_approvals_that_differ_in_who_what_why_or_when_have_ids_of_their_own(change: dict[str, Any]) -> None:
    assert entry()["approval"] == entry()["approval"] != entry(**change)["approval"]


@pytest.mark.parametrize(("one", "other"), [(("a\x1fb", "c"), ("a", "b\x1fc")), (("", "ab"), ("a", "b"))])
def test_words_that_run_together_are_no_reason_for_one_id(one: tuple[str, str], other: tuple[str, str]) -> None:
    ids = [entry(by=by, why=why)["approval"] for by, why in (one, other)]
    assert ids[0] != ids[1]


def test_the_route_of_the_review_is_copied_and_nothing_else_of_its_entry() -> None:
    pending = {"review": "R1", "origins": ["DE"], "kind": "update", "purpose": "training", "salt": "5e", "digest": "0f"}
    body = approval_entry(pending, by="A", why="w", since=SINCE, until=UNTIL, at=AT)
    assert body["crossing"] == {"origins": ["DE"], "kind": "update", "purpose": "training"}


def test_an_approval_counts_until_it_is_withdrawn_and_can_be_given_again() -> None:
    first, again = entry(), entry(at=AT + "1")
    assert approved(first) == ["R1"]
    assert approved(first, withdrawal(first)) == []
    assert approved(first, withdrawal(first), again) == ["R1"]
    assert approved(first, again, withdrawal(first)) == ["R1"]


def test_a_withdrawal_takes_back_its_own_approval_alone_and_only_one_that_came_before() -> None:
    first, other = entry("R1"), entry("R2")
    assert approved(first, other, withdrawal(first)) == ["R2"]
    assert approved(withdrawal(first), first) == ["R1"]


@pytest.mark.parametrize("body", [{}, {"act": "cross", "review": "R1"}, {"act": "withdraw"}, {"act": None}])
def test_entries_of_other_acts_approve_nothing_and_withdraw_nothing(body: dict[str, Any]) -> None:
    assert approved(entry(), body) == ["R1"]


@pytest.mark.parametrize("spoilt", [{"until": "soon"}, {"since": None}, {"review": 3, "until": []}, {}])
def test_an_entry_that_is_no_whole_approval_is_none(spoilt: dict) -> None:
    whole = {"act": "approve", "approval": "A1", "review": "R1", "by": "x", "why": "y", "since": "2026-01-01"}
    assert approvals.standing([whole | spoilt]) == ()
