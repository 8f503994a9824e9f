"""A mixed source's way home: decided by the regions' gates from where it lies, recorded, and said in the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import ConfigurationError, InputError, JobRefused
from fedsov.ledger.ledger import Ledger
from fedsov.runtimes.ingestion_process import ingest_source, preview_source
from tests.cli.world import call
from tests.runtimes.test_ingestion_process import request_of

MIXED = ["country,age,ill", *(f"{('DE', 'US', 'RU', 'CN')[row % 4]},{40 + row % 30},{row % 2}" for row in range(240))]
OWN = ("dataset.examples=null", "border.unsafe_open=false")


def ingested(place: Path, *words: str) -> dict[str, Any]:
    return ingest_source(request_of(place, *OWN, *words, lines=MIXED))


def bodies(place: Path, region: str) -> list[dict[str, Any]]:
    return [entry.body for entry in Ledger.read(place / f"w/regions/{region}/ledger.sqlite").entries()]


def homeward(place: Path, region: str) -> dict[str, Any]:
    (body,) = [body for body in bodies(place, region) if body.get("purpose") == "ingestion"]
    return body


def homeward_last(place: Path, region: str) -> dict[str, Any]:
    return [body for body in bodies(place, region) if body.get("purpose") == "ingestion"][-1]


def noted(place: Path, region: str, name: str) -> list[dict[str, Any]]:
    return [body["note"][name] for body in bodies(place, region) if name in body.get("note", {})]


def test_each_share_is_a_crossing_of_records_from_where_the_source_lies_in_its_region_s_ledger(tmp_path: Path) -> None:
    report = ingested(tmp_path, "dataset.location=United States")
    assert report["location"] == "US" and report["stored"] == 240
    body = homeward(tmp_path, "DE")
    assert (body["kind"], body["verdict"], body["origins"], body["count"]) == ("records", "permit", ["DE"], 70)
    assert body["exporter"]["location"] == "US" and body["importer"]["name"] == "DE"
    assert body["act"] == "arrive", "it did not leave the region: no count of what left holds it"


def test_origins_whose_law_forbids_that_their_rows_lie_there_are_named_and_recorded_and_stored(tmp_path: Path) -> None:
    report = ingested(tmp_path, "dataset.location=US")
    (line,) = [line for line in report["said"] if "residents lie in" in line]
    assert "rows of CN, DE, RU residents lie in US" in line
    (note,) = noted(tmp_path, "RU", "rows_abroad")
    assert note["origins"] == ["RU"] and note["location"] == "US" and note["reason"].startswith("RU -> US")
    assert not noted(tmp_path, "US", "rows_abroad") and report["stored"] == 240


def test_what_the_exporter_s_law_does_not_let_go_stays_in_quarantine_and_no_region_stores_it(tmp_path: Path) -> None:
    report = ingested(tmp_path, "dataset.location=CN")
    assert report["stored"] == 60 and len(report["regions"]) == 1
    assert report["quarantined"] == {f"no way home from CN to region {name}": 60 for name in ("DE", "RU", "US")}
    body = homeward(tmp_path, "DE")
    assert (body["verdict"], body["rules"], body["exporter"]["location"]) == ("refuse", ["cn.contract"], "CN")
    assert not list((tmp_path / "w/regions/DE").glob("store/*"))
    again = ingested(tmp_path, "dataset.location=CN")
    assert again["up_to_date"] and again["said"] == report["said"] and homeward(tmp_path, "DE") == body


def test_where_nobody_says_where_it_lies_the_hub_s_country_is_assumed_aloud_and_holds_nothing_back(
    tmp_path: Path,
) -> None:
    report = ingested(tmp_path, "federation.hub.location=IE")
    assert report["location"] == "IE" and report["stored"] == 240
    assert report["said"][0].startswith("dataset.location is not set: the source is taken to lie in IE")
    assert homeward(tmp_path, "DE")["marks"][-1] == "location assumed"
    (note,) = noted(tmp_path, "US", "not_held_back")
    assert note["verdict"] == "refuse" and not note["is_stated"] and "scc_eu" in json.dumps(note["missing"])


def test_example_rows_lie_with_the_hub_and_go_home_whatever_the_border_says(tmp_path: Path) -> None:
    report = ingest_source(request_of(tmp_path, "border.unsafe_open=false", lines=MIXED))
    assert report["stored"] == 240 and not any("dataset.location is not set" in line for line in report["said"])


def test_rows_that_stayed_go_home_beside_those_that_were_appended_since(tmp_path: Path) -> None:
    ingested(tmp_path, "dataset.location=CN")
    (tmp_path / "more.csv").write_text("\n".join([MIXED[0], *(f"CN,{80 + row},1" for row in range(10))]) + "\n")
    more = request_of(tmp_path, *OWN, "dataset.location=CN", f"dataset.path={tmp_path / 'more.csv'}", lines=MIXED)
    assert ingest_source({**more, "append": ""})["stored"] == 70
    opened = call(
        "region", "set", "--all", "law.unsafe_open=true", "--yes", "--why", "t", f"workspace={tmp_path / 'w'}"
    )
    assert opened.code == 0, opened.err
    report = ingested(tmp_path, "dataset.location=CN", "border.unsafe_open=true")
    assert report["stored"] == 250 and not report["quarantined"] and len(report["regions"]) == 4
    assert any("they may go home now" in line for line in report["said"])
    assert [body["verdict"] for body in bodies(tmp_path, "DE") if body.get("purpose") == "ingestion"][-1] == "permit"
    again = ingested(tmp_path, "dataset.location=CN", "border.unsafe_open=true")
    assert again["up_to_date"] and again["stored"] == 250


def test_where_no_row_may_go_home_nothing_is_stored(tmp_path: Path) -> None:
    lines = [line for line in MIXED if not line.startswith("CN")]
    with pytest.raises(JobRefused, match="nothing was stored: rows of DE, RU, US may not go home from CN"):
        ingest_source(request_of(tmp_path, *OWN, "dataset.location=CN", lines=lines))
    assert not list((tmp_path / "w").glob("regions/*/store"))


def test_rows_at_home_are_not_taken_away_since_those_of_a_later_source_may_not_go_there(tmp_path: Path) -> None:
    ingested(tmp_path, "dataset.location=US")
    with pytest.raises(JobRefused, match="region DE has rows of people at home"):
        ingested(tmp_path, "dataset.location=CN")
    assert list((tmp_path / "w/regions/DE").glob("store/*/manifest.json"))


def test_appended_rows_replace_none_and_are_refused_as_a_whole_where_some_may_not_go_home(tmp_path: Path) -> None:
    ingested(tmp_path, "dataset.location=US")
    stores = {path: path.read_bytes() for path in tmp_path.glob("w/regions/*/store/*/manifest.json")}
    further = [MIXED[0], "DE,50,1", "CN,51,0"]
    request = {**request_of(tmp_path, *OWN, "dataset.location=CN", lines=further), "append": "more"}
    with pytest.raises(InputError, match="rows of DE have no way home from CN to region DE; nothing was appended"):
        ingest_source(request)
    assert len(stores) == 4 and all(path.read_bytes() == before for path, before in stores.items())
    assert homeward_last(tmp_path, "DE")["verdict"] == "refuse"


def test_a_dry_run_says_where_the_source_lies_and_who_would_stay_and_writes_nothing(tmp_path: Path) -> None:
    request = {**request_of(tmp_path, *OWN, "dataset.location=CN", lines=MIXED), "dry_run": True}
    found = preview_source(request)
    assert found["location"] == "CN" and found["quarantined"]["no way home from CN to region DE"] == 60
    assert any("residents lie in CN" in line for line in found["said"]) and not list((tmp_path / "w").glob("regions"))


def test_a_location_that_is_no_country_is_refused_with_the_one_that_is_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset.location is 'Germny', no ISO code .* did you mean DE\?"):
        request_of(tmp_path, "dataset.location=Germny", lines=MIXED)
