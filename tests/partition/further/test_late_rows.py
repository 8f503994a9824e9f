"""Rows that the border kept away go home beside those that were appended since, once and whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from fedsov.partition.arrival import Conditions
from fedsov.partition.further import late_rows
from fedsov.partition.further.late_rows import bring_home
from fedsov.partition.ingest import ingest
from fedsov.partition.sorting import IngestReport
from fedsov.partition.sources.location import NO_WAY_HOME, SentHome, Share
from tests.partition.further.world import appended, stored
from tests.partition.world import ATLAS, people, read, run, spec_of, two_regions, written

TABLE = people(60)
DAY = date(2026, 1, 2)


class Border:
    """Lets rows of EU go home from CN once it is open."""

    is_open = False

    def send(self, shares: Sequence[Share]) -> SentHome:
        stays = [share.region.name for share in shares if share.region.name == "EU" and not self.is_open]
        said = ("rows of EU may not go home from CN",) if stays else ()
        return SentHome({name: f"{NO_WAY_HOME} CN to region {name}" for name in stays}, said, is_stated=True)

    def conditions(self) -> Conditions:
        return Conditions(location="CN", send_home=self.send, may_go_home=lambda _: self.is_open)


@pytest.fixture
def border(tmp_path: Path) -> Border:
    """A workspace where EU's rows of the first 40 wait, and US got further ones."""
    border = Border()
    written(tmp_path, TABLE.slice(0, 40))
    ingested(tmp_path, border)
    countries = ["US" if row % 2 else "United States" for row in range(20)]
    appended(tmp_path / "w", TABLE.slice(40).set_column(2, "country", [countries]))
    return border


def ingested(place: Path, border: Border) -> IngestReport:
    return ingest(
        spec_of(place / "people.parquet"), atlas=ATLAS, regions=two_regions(),
        workspace=place / "w", release=None, today=lambda: DAY, conditions=border.conditions(),
    )  # fmt: skip


def brought(place: Path, border: Border) -> int | None:
    spec = spec_of(place / "people.parquet")
    outcome = bring_home(spec, atlas=ATLAS, workspace=place / "w", today=DAY, conditions=border.conditions())
    return None if outcome is None else outcome.fresh


def whole(place: Path) -> Path:
    place.mkdir()
    run(spec_of(written(place, TABLE.slice(0, 40))), place / "w")
    return place / "w"


def test_rows_that_stayed_are_appended_once_they_may_go_and_what_was_appended_stays(
    tmp_path: Path, border: Border
) -> None:
    american = len(read(tmp_path / "w", "US"))
    assert brought(tmp_path, border) is None and not stored(tmp_path / "w", "EU")
    border.is_open = True
    beside = whole(tmp_path / "whole")
    assert brought(tmp_path, border) == len(read(beside, "EU"))
    assert sorted(age for _, age in stored(tmp_path / "w", "EU").elements()) == sorted(
        age for _, age in stored(beside, "EU").elements()
    )
    assert len(read(tmp_path / "w", "US")) == american and not len(read(tmp_path / "w", "quarantine"))
    report = ingested(tmp_path, border)
    assert report.up_to_date and not report.quarantined and not report.said and not report.stayed
    assert report.stored == {"US": american, "EU": len(read(beside, "EU"))}
    assert brought(tmp_path, border) is None


def test_one_that_was_killed_before_the_quarantine_was_written_ends_the_same(
    tmp_path: Path, border: Border, monkeypatch: pytest.MonkeyPatch
) -> None:
    border.is_open = True
    with monkeypatch.context() as patch:
        patch.setattr(late_rows, "remove_rows", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            brought(tmp_path, border)
    before = stored(tmp_path / "w", "EU")
    assert before and brought(tmp_path, border) == 0
    assert stored(tmp_path / "w", "EU") == before and not len(read(tmp_path / "w", "quarantine"))
    assert ingested(tmp_path, border).up_to_date


def test_another_source_than_the_one_that_stayed_brings_nothing_home(tmp_path: Path, border: Border) -> None:
    border.is_open = True
    written(tmp_path, TABLE.slice(0, 41))
    assert brought(tmp_path, border) is None and not stored(tmp_path / "w", "EU")
