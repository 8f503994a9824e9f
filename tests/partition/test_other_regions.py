"""Rows of other jurisdictions leave a region's own source, and it is said how many of which country, and whose."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from fedsov.partition.arrival import Conditions
from fedsov.partition.other_regions import without_others
from fedsov.partition.preview import Preview, preview
from tests.partition.world import ATLAS, people, region, spec_of, two_regions, written

US, EU = two_regions().values()


def _previewed(folder: Path, *, exact: bool, others: tuple = (US,), countries: list[str] | None = None) -> Preview:
    table = people(60) if countries is None else people(len(countries), country=countries)
    narrowed = partial(without_others, own=EU, others=others, exact=exact)
    return preview(
        spec_of(written(folder, table)), atlas=ATLAS, regions={"EU": EU}, conditions=Conditions(narrowed=narrowed)
    )


def test_own_rows_alone_are_counted_and_others_are_said_by_country_with_their_region(tmp_path: Path) -> None:
    found = _previewed(tmp_path, exact=True, countries=["DE"] * 30 + ["US"] * 12 + ["IN"] + ["CA"] * 3)
    assert found.rows_in == 30 and not found.quarantined
    assert set(found.said) == {
        "3 rows of CA are refused, and nothing of them is stored: no region that is described holds CA "
        "(federation.regions)",
        "1 row of IN is refused, and nothing of them is stored: no region that is described holds IN "
        "(federation.regions)",
        "12 rows of US are refused, and nothing of them is stored: region US holds them; ingest them there, by "
        "`fedsov region ingest US`",
    }


def test_of_peoples_rows_no_exact_number_is_told(tmp_path: Path) -> None:
    said = " ".join(_previewed(tmp_path, exact=False, countries=["DE"] * 30 + ["US"] * 12 + ["CA"] * 3).said)
    assert "10 rows or more of US are refused" in said and "fewer than 10 rows of CA are refused" in said
    assert "12" not in said


def test_a_row_without_a_known_jurisdiction_still_waits_in_quarantine(tmp_path: Path) -> None:
    found = _previewed(tmp_path, exact=True, countries=["DE"] * 30 + ["Atlantis"] * 11 + ["US"])
    assert found.quarantined == {"jurisdiction unknown": 11} and found.rows_in == 41


def test_a_source_of_own_rows_alone_is_left_as_it_is(tmp_path: Path) -> None:
    found = _previewed(tmp_path, exact=True, countries=["DE"] * 30)
    assert found.rows_in == 30 and not found.said


@pytest.mark.parametrize("holder", [region("AM", "US", "CA"), region("US")])
def test_the_region_that_is_named_is_the_one_that_holds_the_country(tmp_path: Path, holder: object) -> None:
    (said,) = _previewed(tmp_path, exact=True, others=(holder,), countries=["DE"] * 30 + ["US"] * 2).said
    assert f"region {holder.name} holds them" in said  # type: ignore[attr-defined]
