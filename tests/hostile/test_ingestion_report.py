"""What an ingestion reports of people's rows passes each region's gate, is written down, and is told in tens.

The ingestion process told the hub's how many rows each source held, to the row, past every gate.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import ledger_of
from tests.hostile.people_region import COLUMNS, PeopleRegion, drawn
from tests.own_settings import EXAMPLES
from tests.world import answered, called

NAME = "rows that were ingested"


def _region(place: Path) -> PeopleRegion:
    """47 rows of Germany, 8 of France, which are too few for any number of them to leave, and three without a home."""
    place.mkdir(exist_ok=True)
    counts = {"DE": range(47), "FR": range(100, 108), "ZZ": range(200, 203)}
    lines = [",".join(map(str, (country, *row))) for country, people in counts.items() for row in drawn(people)]
    (place / "people.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    return PeopleRegion(place)


def _crossed(region: PeopleRegion, name: str) -> list[dict[str, Any]]:
    with closing(Ledger.read(ledger_of(region.place / "w" / "regions" / name))) as ledger:
        return [entry.body for entry in ledger.entries() if entry.body.get("name") == NAME]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[PeopleRegion, dict[str, Any]]:
    region = _region(tmp_path_factory.mktemp("report") / "people")
    return region, answered(called("ingest", *region.words(), "--json", "--quiet"))


def test_counts_of_people_s_rows_are_told_in_tens_and_those_of_few_not_at_all(
    told: tuple[PeopleRegion, dict[str, Any]],
) -> None:
    _, report = told
    assert report["rounded"] and report["stored"] == 40 and set(report["quarantined"].values()) == {0}
    assert report["rows_in"] == report["stored"] + sum(report["quarantined"].values())
    exact = {"47", "8", "55", "58", "3"}
    assert not exact.intersection(json.dumps(report).replace(",", " ").replace("}", " ").split())


def test_each_region_s_gate_decides_and_writes_down_what_is_told_before_it_is(
    told: tuple[PeopleRegion, dict[str, Any]],
) -> None:
    region, report = told
    (german,), (french,) = _crossed(region, "DE"), _crossed(region, "FR")
    assert (german["kind"], german["verdict"], german["count"], german["origins"]) == ("metrics", "permit", 47, ["DE"])
    assert french["verdict"] != "permit" and french["origins"] == ["FR"]
    assert any("region FR does not tell its rows" in remark for remark in report["remarks"])


def test_what_is_up_to_date_passes_the_gates_once_more(told: tuple[PeopleRegion, dict[str, Any]]) -> None:
    region, _ = told
    done = called("ingest", *region.words())
    assert "settings: wrote region.yaml" not in done.stdout  # they were written by the first
    assert "about 40 rows in = 40 stored in 2 regions + 0 quarantined (fewer than 10 " in done.stdout, done.stdout
    assert "the stores are up to date" in done.stdout and len(_crossed(region, "DE")) == 2


def test_example_rows_are_counted_as_they_are(tmp_path: Path) -> None:
    region = _region(tmp_path / "people")
    report = answered(called("ingest", *region.words(f"dataset.examples={EXAMPLES}"), "--json", "--quiet"))
    assert (report["rows_in"], report["stored"], report["rounded"]) == (58, 55, False)
    assert _crossed(region, "DE") == []


def test_the_first_ingestion_says_that_it_wrote_region_yaml_and_what_protects_less_from_then_on(tmp_path: Path) -> None:
    region = _region(tmp_path / "people")
    done = called("ingest", *region.words(), "today=2026-11-01", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "settings: wrote region.yaml of DE, FR from this run's settings; what protects less stays so" in done.stdout
    assert "until their owner changes it: rehearsal; " in done.stdout


def test_a_dry_run_counts_people_s_rows_in_tens_and_example_rows_as_they_are(tmp_path: Path) -> None:
    region = _region(tmp_path / "people")
    done = called("ingest", "--dry-run", *region.words(), "--quiet")
    assert done.returncode == 0, done.stderr
    assert "about 40 rows in 4 columns" in done.stdout and "DE: 40 rows" in done.stdout
    assert "FR: fewer than 10 rows" in done.stdout and "fewer than 10 rows would be quarantined" in done.stdout
    examples = called("ingest", "--dry-run", *region.words(f"dataset.examples={EXAMPLES}"), "--quiet").stdout
    assert "58 rows in 4 columns" in examples and "about" not in examples and "FR: 8 rows" in examples


def test_a_region_that_refuses_its_profile_says_that_the_rows_are_stored(tmp_path: Path) -> None:
    region = _region(tmp_path / "people")
    made = called("region", "init", "DE", "privacy.require=record", f"workspace={region.place / 'w'}")
    assert made.returncode == 0, made.stderr
    done = called("ingest", *region.words(), "--quiet")
    assert done.returncode == 9, done.stderr
    assert "privacy.require: record" in done.stderr and "the rows are stored, and this was refused" in done.stderr
    assert (region.folder / "store" / "people").is_dir()
