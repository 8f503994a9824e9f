"""Legal orders: what a value means, which regime governs it, which region holds its records, and what is unknown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fedsov.jurisdiction import Atlas, Region

US = Region("us", frozenset({"US"}), "US", "Example Inc.", "key-us")
OHIO = Region("ohio", frozenset({"US-OH"}), "US", "Example Ohio LLC", "key-ohio")
ATLAS = Atlas(
    regimes={"DE": "EU-GDPR", "US": "US-FEDERAL", "US-CA": "US-CCPA"},
    spellings={"DE": "DE", "DEU": "DE", "GERMANY": "DE", "US": "US", "USA": "US"},
    regions={"us": US, "ohio": OHIO},
)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("DE", "DE"),
        (" deu ", "DE"),
        ("Germany", "DE"),
        ("us-oh", "US-OH"),
        ("US-12", "US-12"),
        ("US-NYC", "US-NYC"),
    ],
)
def test_every_spelling_of_a_jurisdiction_is_its_code(value: str, code: str) -> None:
    assert ATLAS.code(value) == code


@pytest.mark.parametrize(
    "value",
    ["", " ", "XX", "Atlantis", None, 7, float("nan"), "US-", "-OH", "US-OHIO", "US-O H", "US-OH-1", "XX-OH", "USA-OH"],
)
def test_what_the_atlas_does_not_know_it_does_not_guess(value: object) -> None:
    assert ATLAS.code(value) is None


def test_a_part_of_a_country_falls_under_its_own_law_where_it_has_one_and_else_under_the_country_s() -> None:
    assert (ATLAS.regime("US-CA"), ATLAS.regime("US-OH"), ATLAS.regime("DE")) == ("US-CCPA", "US-FEDERAL", "EU-GDPR")
    assert ATLAS.regime("FR") is None and ATLAS.regime("FR-75") is None


@pytest.mark.parametrize("order", [("us", "ohio"), ("ohio", "us")])
def test_the_most_exact_claim_holds_the_records_whatever_the_order_of_the_regions(order: tuple[str, ...]) -> None:
    atlas = replace(ATLAS, regions={name: ATLAS.regions[name] for name in order})
    assert (atlas.region("US-OH"), atlas.region("US-CA"), atlas.region("US")) == (OHIO, US, US)
    assert atlas.region("DE") is None


def test_a_region_of_a_part_does_not_hold_the_rest_of_the_country() -> None:
    assert replace(ATLAS, regions={"ohio": OHIO}).region("US") is None


def test_a_region_comes_back_from_json_with_all_that_it_says() -> None:
    region = Region("eu", frozenset({"FR", "DE"}), "IE", "Example Ltd", "k", 30, frozenset({"US", "JP"}), "processor")
    written = json.loads(json.dumps(region.to_json()))
    assert Region.from_json(written) == region
    assert (written["jurisdictions"], written["owners"]) == (["DE", "FR"], ["JP", "US"])


def test_a_region_written_without_owners_and_retention_has_none() -> None:
    written = {key: value for key, value in US.to_json().items() if key not in ("owners", "retention_days", "role")}
    assert Region.from_json(written) == US
    assert (US.owners, US.retention_days, US.role) == (frozenset(), None, "controller")


def test_an_unknown_key_of_a_region_is_refused() -> None:
    with pytest.raises(TypeError, match="retention"):
        Region.from_json({**US.to_json(), "retention": 3})
