from dataclasses import replace

import pytest

from fedsov.partition.route import Quarantined, route
from tests.partition.world import ATLAS, two_regions

HELD = replace(ATLAS, regions=two_regions())


@pytest.mark.parametrize(("value", "name"), [("DE", "EU"), (" germany ", "EU"), ("us", "US"), ("US-OH", "US")])
def test_codes_names_and_parts_of_countries_find_their_region(value: str, name: str) -> None:
    assert route(value, HELD) == HELD.regions[name]


@pytest.mark.parametrize("value", [None, "", "  ", float("nan")])
def test_a_missing_jurisdiction_is_quarantined(value: object) -> None:
    assert route(value, HELD) == Quarantined("jurisdiction missing")


def test_a_known_country_without_a_region_is_quarantined_by_name() -> None:
    assert route("India", HELD) == Quarantined("no region holds IN")


def test_an_unknown_value_is_quarantined_and_never_quoted() -> None:
    answer = route("Jane Canary", HELD)
    assert answer == Quarantined("jurisdiction unknown")
