"""A private job costs nothing where it can learn nothing, and what it tells of its cost counts no people's rows."""

from __future__ import annotations

from pathlib import Path

from fedsov.protocol.message_types import PRIVACY
from fedsov.region.worker import ClosedRegion, open_region
from tests.hostile.people_region import PeopleRegion, drawn


def test_a_job_that_can_describe_no_column_under_noise_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(40)), "dataset.drop=[ward]")
    opened = open_region(region.start("dataset.drop=[ward]", "privacy=record"))
    assert isinstance(opened, ClosedRegion), opened
    assert "JobRefused" in opened.failure and "'dataset.bounds={income: [LOW, HIGH]}'" in opened.failure
    assert not list(region.folder.glob("privacy*"))


def test_the_delta_that_is_told_does_not_say_how_many_rows_of_people_there_are(tmp_path: Path) -> None:
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(47)))
    assert region.asked(PRIVACY, "privacy=record", "privacy.lifetime_epsilon=10")["privacy"]["delta"] == 1 / 40**2
