"""Entries as they are understood; what is not understood is told by its number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.ledger_audit import books
from fedsov.control_plane.compliance.page import as_html
from tests.control_plane.compliance.ledgers import (
    NEWER,
    crossing,
    made_of,
    said,
)


def test_grounds_follow_the_origin_where_entries_tell_it(workspace: Path) -> None:
    told = made_of(crossing(workspace, **NEWER))
    assert {one.origin: one.mechanisms for one in told.matrix} == {
        "DE": ("scc_eu",),
        "GB": ("scc_uk_idta",),
        "US": ("free",),
    }
    assert told.places == {"US": "United States"} and "United States" in as_html(told)


@pytest.mark.parametrize(
    "body",
    [
        "no mapping",
        {"act": 7},
        {"act": "cross", "verdict": "perhaps"},
        {"act": "cross", "verdict": "permit", "origins": "DE"},
        {"act": "cross", "verdict": "permit", "importer": {"name": ["x"]}},
        {"act": "cross", "verdict": "permit", "bundle_dated": "yesterday"},
        {"act": "cross", "verdict": "permit", "name": "\ud800"},
        {"act": "cross", "verdict": "permit", "bytes": "many"},
    ],
)
def test_an_entry_that_is_not_understood_is_told_by_its_number(body: Any) -> None:
    told = made_of(body, fault="changed")
    assert told.ledgers[0].strange == (1,) and told.crossings.total == 0
    assert "not understood: 1" in said(told) and as_html(told).encode()


def test_an_entry_with_only_what_it_must_have_is_understood() -> None:
    told = made_of({"act": "cross", "verdict": "permit", "privacy": {"eps": float("nan")}}, {"act": "erase"})
    assert told.crossings.permitted == 1 and told.ledgers[0].notes == 1
    assert json.loads(json.dumps(told.to_json(), allow_nan=False)) and as_html(told)


def test_what_arrives_is_a_crossing_too_from_a_party_without_a_ledger(workspace: Path) -> None:
    told = made_of({**crossing(workspace, **NEWER), "act": "arrive"})
    assert told.crossings.permitted == 1 and told.ledgers[0].decisions == 1 and told.ledgers[0].notes == 0


def test_books_of_a_workspace_are_cut_at_what_was_verified(workspace: Path) -> None:
    assert {one.owner: (one.size, len(one.lines)) for one in books(workspace)} == {
        "hub": (7, 6),
        "DE": (2, 2),
        "US": (4, 4),
    }
