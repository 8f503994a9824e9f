"""What a job may ask after a private release, by the region's settings: each cell of the module's table."""

from __future__ import annotations

from typing import Any

import pytest

from fedsov.errors import ConfigurationError
from fedsov.region.privacy_life import PrivacyPast, RegionPrivacy, why_refused

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
