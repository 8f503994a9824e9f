"""A region ingests in a home that has itself alone: own rows are stored, others refused by name, no hub is needed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger
from fedsov.partition.manifest import read_manifest
from fedsov.storage.workspace import ledger_of, store_of
from tests.cli.world import Ended, call

DE, FR, GB = 200, 30, 5


@pytest.fixture(scope="module", autouse=True)
def warm(fork_servers: None) -> None:
    """Before the first test of this module that a process runs."""


def _rows(country: str, number: int, first: int = 0) -> list[str]:
    return [f"{country},{country.lower()}{n},{n % 7}.5,{'AB'[n % 2]},{n % 2}" for n in range(first, first + number)]


def _table(place: Path, *rows: list[str]) -> Path:
    path = place / "people.csv"
    path.write_text("\n".join(["country,person,income,ward,ill", *(line for each in rows for line in each)]) + "\n")
    return path


def _ingest(home: Path, table: Path, *options: str, region: str = "DE") -> Ended:
    return call(
        *("region", "ingest", region, f"workspace={home}", "dataset=table", "dataset.name=people"),
        *(f"dataset.path={table}", "dataset.jurisdiction=country", "dataset.subject=person", "dataset.target=ill"),
        *("border=none", "federation.regions=[DE,GB]", "--json", *options),
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return _table(tmp_path, _rows("DE", DE), _rows("FR", FR), _rows("GB", GB))


def _stored(home: Path, region: str = "DE") -> int:
    return read_manifest(store_of(home / "regions" / region, "people")).rows


def _quarantined(home: Path) -> int:
    return read_manifest(store_of(home / "quarantine", "people")).rows


def test_own_rows_are_stored_and_others_refused_by_count_country_and_region(tmp_path: Path, table: Path) -> None:
    home = tmp_path / "home"
    told = _ingest(home, table).json
    assert told["stored"] == DE and told["regions"] == ["DE"] and not told["quarantined"] and told["location"] == "DE"
    said = " ".join(told["said"])
    assert "30 rows or more of FR are refused" in said and "no region that is described holds FR" in said
    assert "fewer than 10 rows of GB are refused" in said and "region GB holds them" in said
    assert (_stored(home), _quarantined(home)) == (DE, 0), "nothing of others is anywhere"
    assert [path.name for path in (home / "hub").iterdir()] == ["lock"] and [*(home / "regions").iterdir()] == [
        home / "regions" / "DE"
    ]
    with closing(Ledger.read(ledger_of(home / "regions" / "DE"))) as ledger:
        bodies = [entry.body for entry in ledger.entries()]
    (arrival,) = [body for body in bodies if body["act"] == "arrive"]
    assert arrival["verdict"] == "permit" and arrival["importer"]["location"] == "DE"
    assert not [body for body in bodies if body["act"] == "cross"], "and nothing is told to a hub"
    again = _ingest(home, table).json
    assert again["up_to_date"] and again["said"] == told["said"]


def test_a_preview_says_the_same_and_writes_nothing(tmp_path: Path, table: Path) -> None:
    told = _ingest(tmp_path / "home", table, "--dry-run").json
    assert told["rows_in"] == DE and any("of FR are refused" in line for line in told["said"])
    assert not (tmp_path / "home").exists()


def test_further_rows_are_appended_once_and_others_are_refused_there_too(tmp_path: Path, table: Path) -> None:
    home = tmp_path / "home"
    assert _ingest(home, table).code == 0
    (tmp_path / "more").mkdir()
    more = _table(tmp_path / "more", _rows("DE", 12, DE), _rows("FR", 15, FR))
    for _ in range(2):
        told = _ingest(home, more, "--append", "--key", "december").json
        assert any("15 rows" in line or "10 rows or more of FR are refused" in line for line in told["said"])
        assert (_stored(home), _quarantined(home)) == (DE + 12, 0)
    assert any("already stored" in line for line in told["said"])


def test_others_wait_in_the_homes_quarantine_where_its_owner_says_so(tmp_path: Path, table: Path) -> None:
    home = tmp_path / "home"
    assert _ingest(home, table).code == 0
    told = _ingest(home, table, "--quarantine-others").json
    assert told["quarantined"] == {"no region holds FR": FR, "no region holds GB": 0} and not told["up_to_date"]
    assert (_stored(home), _quarantined(home)) == (DE, FR + GB)
    _ingest(home, table)
    assert _quarantined(home) == 0, "and leave it when they are refused again"


def test_a_source_without_an_own_row_stores_nothing(tmp_path: Path, table: Path) -> None:
    ended = _ingest(tmp_path / "home", table, region="JP")
    assert ended.code == 3 and "no row of people has a region" in ended.line
    assert not store_of(tmp_path / "home" / "regions" / "JP", "people").exists()


def test_options_that_exclude_each_other_and_unknown_regions_are_refused(tmp_path: Path, table: Path) -> None:
    assert "--append adds rows and --rebuild does not" in _ingest(tmp_path, table, "--append", "--rebuild").line
    assert "add --append" in _ingest(tmp_path, table, "--key", "k").line
    assert "unknown region 'Nowhere'" in _ingest(tmp_path / "home", table, region="Nowhere").line
