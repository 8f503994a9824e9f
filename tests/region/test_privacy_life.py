"""What a job may ask after a private release, by the region's settings: each cell of the module's table."""

from __future__ import annotations

from typing import Any

import pytest

from fedsov.errors import ConfigurationError
from fedsov.privacy.budget import BudgetHead
from fedsov.region.privacy_life import PrivacyNotes, PrivacyPast, RegionPrivacy, why_refused

NEVER, RELEASED = PrivacyPast(), PrivacyPast(private_since="2026-11-29")


def refusal(require: str | None, past: PrivacyPast, *, is_private: bool = False) -> str | None:
    return why_refused("DE", RegionPrivacy(require), past, is_private=is_private)


@pytest.mark.parametrize("require", [None, "none", "record"])
@pytest.mark.parametrize("past", [NEVER, RELEASED])
def test_a_job_with_privacy_is_answered_whatever_was_before(require: str | None, past: PrivacyPast) -> None:
    assert refusal(require, past, is_private=True) is None


@pytest.mark.parametrize(
    ("require", "past", "refused"),
    [
        (None, NEVER, False),
        (None, RELEASED, True),
        ("record", NEVER, True),
        ("record", RELEASED, True),
        ("none", NEVER, False),
        ("none", RELEASED, False),
    ],
)
def test_a_job_without_privacy_is_refused_with_the_command_that_allows_it(
    require: str | None, past: PrivacyPast, refused: bool
) -> None:
    sentence = refusal(require, past)
    assert (sentence is not None) == refused
    if sentence is not None:
        assert "fedsov region set DE privacy.require=none" in sentence and "privacy=record" in sentence


def test_of_two_lifetimes_the_smaller_holds() -> None:
    assert RegionPrivacy(lifetime_epsilon=4.0).lifetime(10.0) == 4.0
    assert RegionPrivacy(lifetime_epsilon=4.0).lifetime(2.0) == 2.0
    assert RegionPrivacy().lifetime(10.0) == 10.0


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"require": "nothing"}, r"privacy\.require must be one of record, none"),
        ({"lifetime_epsilon": 0}, r"privacy\.lifetime_epsilon must be a number above 0"),
        ({"lifetime_epsilon": 1e6}, r"privacy\.lifetime_epsilon must be a number above 0 and at most 20"),
        ({"requires": "record"}, r"privacy\.requires is not a setting; did you mean privacy\.require\?"),
        ("record", "privacy must be a mapping"),
    ],
)
def test_what_no_owner_can_mean_is_refused_by_its_key(plain: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RegionPrivacy.from_settings(plain)


def test_settings_are_read_as_they_are_written() -> None:
    for settings in (RegionPrivacy(), RegionPrivacy("record", 4.0), RegionPrivacy("none")):
        assert RegionPrivacy.from_settings(settings.to_json()) == settings
    assert RegionPrivacy.from_settings({}) == RegionPrivacy()


def test_people_read_since_when_a_guarantee_is_unbounded_and_what_left_before_it() -> None:
    assert NEVER.lines() == [] and RELEASED.lines() == []
    unbounded, before = PrivacyPast("2026-11-29", "2026-12-01", "2026-10-01").lines()
    assert unbounded.startswith("unbounded since 2026-12-01")
    assert "since 2026-10-01" in before and "ledger" in before


def note(run: str, at: str, **noted: Any) -> dict[str, Any]:
    return {"at": at, "run": run, "act": "note", "note": noted}


def crossing(run: str, at: str, kind: str = "update", **changed: Any) -> dict[str, Any]:
    body = {
        "at": at,
        "run": run,
        "act": "cross",
        "verdict": "permit",
        "origins": ["DE"],
        "kind": kind,
        "name": "arrays",
    }
    return body | changed


RESERVED = note("r2", "2026-11-29T10:00:00", privacy={"head": {"entries": 1, "digest": "ab"}, "report": {}})


def test_a_ledger_says_what_was_private_what_ended_it_and_what_left_before() -> None:
    ended = note("r3", "2026-12-01T10:00:00", privacy_unbounded={"dataset": "people"})
    before, after = crossing("r1", "2026-10-01T10:00:00"), crossing("r3", "2026-12-01T10:00:00")
    assert PrivacyPast.of([before, after, ended]) == PrivacyPast()
    assert PrivacyPast.of([before, RESERVED]) == PrivacyPast("2026-11-29", None, "2026-10-01")
    assert PrivacyPast.of([RESERVED, ended, after]) == PrivacyPast("2026-11-29", "2026-12-01", None)


@pytest.mark.parametrize(
    "body",
    [
        crossing("r1", "2026-10-01", verdict="refuse"),
        crossing("r1", "2026-10-01", origins=[]),
        crossing("r1", "2026-10-01", "metrics", name="profile"),
        crossing("r1", "2026-10-01", "error"),
        crossing("r2", "2026-11-28", "metrics", name="profile"),
        note("r1", "2026-10-01", heads={}),
    ],
)
def test_what_is_refused_public_a_count_or_of_the_private_run_is_nothing_unprotected(body: dict[str, Any]) -> None:
    assert PrivacyPast.of([body, RESERVED]).unprotected_before is None


def test_notes_are_the_newest_of_each_kind_and_of_each_run() -> None:
    notes = PrivacyNotes.of(
        [
            note("r1", "2026-11-01", privacy={"head": {"entries": 1, "digest": "aa"}}, heads={}),
            note("r1", "2026-11-01", privacy_released={"count": 1, "digest": "x"}),
            note("r1", "2026-11-01", privacy_released={"count": 2, "digest": "y"}),
            note("r2", "2026-11-02", privacy_people="old"),
            note("r2", "2026-11-03", privacy_people="new"),
            RESERVED,
        ]
    )
    assert notes.head == BudgetHead(1, "ab") and notes.people == "new" and notes.runs == {"r1", "r2"}
    assert notes.private_since == "2026-11-01" and notes.released == {"r1": {"count": 2, "digest": "y"}}
