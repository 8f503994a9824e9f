"""Who may loosen a region's settings: nobody's job; the first ingestion writes them, and each refusal is an entry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsov.errors import JobRefused, SettingsBroken
from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.job import Asked
from fedsov.region.admission import Place, admit, settle

OPEN = Asked(unsafe_open=True, examples="made up")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Place, RegionKeys]]:
    ledger = Ledger(tmp_path / "ledger.sqlite", "DE")
    yield Place(tmp_path, ledger), create_keys(KeySettings("DE", tmp_path))
    ledger.close()


def _notes(place: Place) -> list[dict]:
    return [dict(entry.body["note"]) for entry in place.ledger.entries()]


def test_the_first_ingestion_writes_the_settings_and_later_ones_are_held_to_them(
    place: tuple[Place, RegionKeys],
) -> None:
    here, keys = place
    with pytest.raises(SettingsBroken, match="fedsov region init DE"):
        admit(here, "people", OPEN, run="r0")
    written, wrote = settle(here, keys, "people", OPEN, run="r1", retention_days=30)
    assert wrote and written.law.unsafe_open and written.of_dataset("people").examples and written.retention_days == 30
    assert settle(here, keys, "people", OPEN, run="r2") == (written, False)
    assert admit(here, "people", Asked(), run="r3") == written
    assert len(_notes(here)) == 1


def test_a_further_data_set_is_people_s_rows_whatever_a_job_says_of_it(place: tuple[Place, RegionKeys]) -> None:
    here, keys = place
    first, _ = settle(here, keys, "people", Asked(examples="made up"), run="r1")
    with pytest.raises(JobRefused, match="datasets.others.examples=true"):
        settle(here, keys, "others", Asked(examples="the same rows again"), run="r2")
    more, wrote = settle(here, keys, "others", Asked(), run="r2")
    assert wrote and not more.of_dataset("others").examples and more.of_dataset("people").examples
    assert more.law == first.law and more.split == first.split
    with pytest.raises(JobRefused, match="keeps its border closed"):
        settle(here, keys, "thirds", Asked(unsafe_open=True), run="r3")
    assert "thirds" not in admit(here, "people", Asked(), run="r4").datasets


def test_each_refusal_is_an_entry_of_the_region_s_ledger(place: tuple[Place, RegionKeys]) -> None:
    here, keys = place
    settle(here, keys, "people", Asked(), run="r1")
    with pytest.raises(JobRefused) as refused:
        admit(here, "people", OPEN, run="r2")
    said = _notes(here)[-1]["refused_job"]
    assert str(refused.value) == "; ".join(said["why"]) and len(said["why"]) == 2
    assert said["asked"]["unsafe_open"] is True
    assert here.ledger.entries()[-1].body["run"] == "r2"
