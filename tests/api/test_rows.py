"""A region's rows for an engineer: each with its label, for a purpose that is decided and in the ledger first."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

import fedsov
from fedsov.errors import ConfigurationError, JobRefused
from fedsov.ledger.ledger import Ledger
from fedsov.region.trust.access import NOTE
from fedsov.storage.workspace import ledger_of
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion
from tests.world import ROOT


@pytest.fixture
def region(thirty_people: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    """The same in a workspace that a test may change."""
    return thirty_people.copied(tmp_path / "copy")


def _noted(region: PeopleRegion) -> list[dict[str, Any]]:
    return [entry.body["note"][NOTE] for entry in Ledger.read(ledger_of(region.folder)).notes(NOTE)]


def test_rows_come_with_their_labels_once_the_ledger_says_who_opened_them_for_what(region: PeopleRegion) -> None:
    table = fedsov.rows("DE", "people", workspace=region.place / "w", purpose="training", by="A. Engineer")
    assert len(table) == 30 and table.columns == ("income", "ward", "fedsov:target", "fedsov:subject")
    assert table.label.origins == {"DE"} and {label.origins for label in table.row_labels} == {frozenset({"DE"})}
    wards = table.group_by(["ward"], [("income", "mean")]).filter(pc.field("ward") == "A")
    assert len(wards) == 1 and wards.label == table.label
    opened = {"dataset": "people", "purpose": "training", "by": "A. Engineer", "principal": "owner"}
    assert _noted(region)[-1] == {**opened, "verdict": "permit", "why": ""}


def test_a_purpose_that_nobody_stated_or_knows_is_refused_and_in_the_ledger(region: PeopleRegion) -> None:
    with pytest.raises(JobRefused, match='region DE: no purpose is stated; give one of training, .*purpose="training"'):
        fedsov.rows("DE", "people", workspace=region.place / "w")
    with pytest.raises(JobRefused, match="unknown purpose 'trainin'; did you mean training"):
        fedsov.rows("DE", "people", workspace=region.place / "w", purpose="trainin")
    assert [note["verdict"] for note in _noted(region)[-2:]] == ["refuse", "refuse"]
    told = call("ledger", "show", "DE", "--refused", f"workspace={region.place / 'w'}").out.splitlines()
    assert len(told) == 2 and all("store_opened people for" in line and ": refuse " in line for line in told)


def test_for_a_base_model_there_are_the_rows_of_people_who_consented_alone(region: PeopleRegion) -> None:
    assert len(fedsov.rows("DE", "people", workspace=region.place / "w", purpose="base_model")) == 0


def test_the_how_to_page_is_python_that_runs(region: PeopleRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(region.place / "w", region.place / ".fedsov")
    monkeypatch.chdir(region.place)
    page = (ROOT / "docs" / "how-to" / "read-rows.md").read_text()
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), names)
    assert len(names["wards"]) == 2 and names["scaled"].label == names["paid"].label
    assert len(names["known"]) == int((names["paid"].to_pandas().unsafe_value()["ward"] == "A").sum())


def test_a_row_past_its_period_is_not_read(region: PeopleRegion) -> None:
    region.set("retention_days=30")
    region.pass_days(31)
    assert len(fedsov.rows("DE", "people", workspace=region.place / "w", purpose="training")) == 0


def test_a_data_set_or_region_that_there_is_not_is_refused_with_those_that_are(region: PeopleRegion) -> None:
    with pytest.raises(ConfigurationError, match="unknown data set 'peoples'; did you mean people"):
        fedsov.rows("DE", "peoples", workspace=region.place / "w", purpose="training")
    with pytest.raises(ConfigurationError, match="unknown region 'FR'; there is DE"):
        fedsov.rows("FR", "people", workspace=region.place / "w", purpose="training")
