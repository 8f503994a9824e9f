"""What decisions rest on: reviews and approvals, documents, releases, bundles of rules."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from fedsov.control_plane.compliance.page import as_html
from tests.border.world import DAY, demo_register
from tests.control_plane.compliance.ledgers import (
    APPROVE,
    REVIEW,
    WITHDRAW,
    crossing,
    made_of,
    record,
    said,
)


def test_a_release_is_told_with_what_bound_it_and_the_evidence(workspace: Path) -> None:
    (released,) = record(workspace).releases
    assert released.origins == ("US",) and released.documents == ("demo-global-consent",)
    assert released.ledger == "US" and released.verdict == "permit" and "personal" in released.categories


@pytest.mark.parametrize(
    ("acts", "on", "status"),
    [
        ([], DAY, "waiting"),
        ([APPROVE], DAY, "in force"),
        ([APPROVE], date(2026, 12, 31), "in force"),
        ([APPROVE], date(2027, 1, 1), "expired"),
        ([APPROVE], date(2026, 10, 31), "not yet"),
        ([APPROVE, WITHDRAW | {"approval": f"{2:064x}"}], DAY, "withdrawn"),
        ([APPROVE, WITHDRAW], DAY, "withdrawn"),
        ([APPROVE, WITHDRAW, APPROVE | {"at": "2026-11-04T09:00:00.000+00:00"}], DAY, "in force"),
        ([WITHDRAW, APPROVE], DAY, "in force"),
    ],
)
def test_an_approval_holds_from_its_first_day_to_its_last_unless_withdrawn(
    workspace: Path, acts: list[dict[str, Any]], on: date, status: str
) -> None:
    (told,) = made_of(crossing(workspace, **REVIEW), *acts, on=on).reviews
    assert told.status == status and told.review == "R7" and told.held == 1
    page = as_html(made_of(crossing(workspace, **REVIEW), *acts, on=on))
    assert all(one["by"] in page and one["why"] in page for one in acts if one["act"] == "approve")


def test_a_crossing_under_an_approval_counts_as_permitted_and_names_its_review(workspace: Path) -> None:
    told = made_of(crossing(workspace, **REVIEW), dict(APPROVE), crossing(workspace, review="R7"))
    assert told.reviews[0].crossed == 1 and told.crossings.permitted == 1 and told.crossings.reviewed == 1


def test_documents_that_expired_or_soon_do_are_named(workspace: Path, tmp_path: Path) -> None:
    register = demo_register().documents
    last = next(one.expires for one in register if one.id == "demo-scc-de-us")
    status = {
        on: {one.id: one.status for one in record(workspace, on, register=register).documents}["demo-scc-de-us"]
        for on in (DAY, last - timedelta(90), last, last + timedelta(1))
    }
    assert list(status.values()) == ["valid", "expires soon", "expires soon", "expired"]
    assert "demo-scc-de-us" in said(record(workspace, last + timedelta(1), register=register))
    assert "not in the register" in said(record(workspace, register=()))
    assert "made-up examples" in said(record(workspace, register=register))


def test_a_bundle_that_was_replaced_is_not_warned_of(workspace: Path) -> None:
    old, new = {"bundle_dated": "2025-01-01", "bundle": "old"}, {"bundle_dated": "2026-11-01", "bundle": "new"}
    assert "days before this report" not in said(made_of(crossing(workspace, **old), crossing(workspace, **new)))
    assert "days before this report" in said(made_of(crossing(workspace, **new), crossing(workspace, **old)))
