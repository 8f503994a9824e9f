"""What 28 CFR 202 asks to be kept, for ten years, and reported, within fourteen days."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fedsov.control_plane.compliance.page import as_html
from tests.border.world import law
from tests.control_plane.compliance.ledgers import made_of, said
from tests.control_plane.compliance.papers import document

IMPORTER = {"name": "CN", "entity": "Example Ltd", "location": "CN", "owners": ["CN"], "role": "processor"}


def crossed(**changed: Any) -> dict[str, Any]:
    plain = {"act": "cross", "verdict": "refuse", "day": "2026-11-02", "at": "2026-11-02T10:00", "destination": "CN"}
    about = {"origins": ["US"], "categories": ["health"], "kind": "records", "purpose": "training", "flow": "transfer"}
    return plain | about | {"importer": IMPORTER, "rules": ["us.doj.ten_thousand"], "count_12m": 12_345} | changed


def test_volume_parties_ownership_method_and_dates_are_kept() -> None:
    (told,) = made_of(crossed(), crossed(day="2026-11-04", at="2026-11-04T10:00", count_12m=12_400)).bulk
    assert (told.people, told.count, told.owners, told.importer.entity) == (12_400, 2, ("CN",), "Example Ltd")
    assert (told.method, told.end_use, told.first, told.last) == ("transfer", "training", "2026-11-02", "2026-11-04")


@pytest.mark.parametrize(("last", "until"), [("2026-11-02", date(2036, 11, 2)), ("2028-02-29", date(2038, 3, 1))])
def test_records_are_kept_for_ten_years_from_the_last_day(last: str, until: date) -> None:
    assert made_of(crossed(day=last)).bulk[0].keep_until == until


def test_a_refused_transaction_is_reported_within_fourteen_days_of_the_first_refusal() -> None:
    again = crossed(day="2026-11-09")
    assert made_of(crossed(), again).bulk[0].report_by == date(2026, 11, 16)
    assert "happened more than 14 days ago" not in said(made_of(crossed(), on=date(2026, 11, 16)))
    late = made_of(crossed(), on=date(2026, 11, 17))
    assert "1 refused transaction under 28 CFR 202 happened more than 14 days ago" in said(late)
    assert "2026-11-16" in as_html(late)


def test_a_permitted_one_has_no_report_and_says_what_its_documents_say() -> None:
    record = {"volumes": "12,000 patients", "ownership": "60 % Example Holding", "method": "gRPC over TLS"}
    paper = document(
        "us_licence", id="l-1", record=record | {"certified_by": "D. Example", "certified_on": "2026-03-01"}
    )
    entry = crossed(verdict="permit", rules=["us.doj.licensed"], basis=["US us_licence"], documents=["l-1"])
    told = made_of(entry, register=[paper])
    (kept,) = told.bulk
    assert kept.report_by is None and (kept.volumes, kept.ownership) == ("12,000 patients", "60 % Example Holding")
    assert (kept.method, kept.certified_by, kept.certified_on) == ("gRPC over TLS", "D. Example", "2026-03-01")
    assert "12,345" in as_html(told) and "D. Example" in as_html(told)


@pytest.mark.parametrize("name", sorted(rule.id for rule in law().rules if "202.1101" in " ".join(rule.obligations)))
def test_what_is_kept_for_ten_years_by_its_own_duty_is_one_of_these(name: str) -> None:
    (kept,) = made_of(crossed(verdict="permit", rules=[name], count_12m=50)).bulk
    assert kept.rules == (name,) and kept.report_by is None and kept.keep_until == date(2036, 11, 2)
    assert "No decision rests on a rule of 28 CFR 202" not in as_html(made_of(crossed(rules=[name])))


def test_what_no_rule_of_it_answered_is_none_of_these() -> None:
    assert made_of(crossed(rules=["us.free"])).bulk == ()
    assert "12,345" not in as_html(made_of(crossed(rules=["us.free"])))
