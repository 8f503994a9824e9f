"""A source of people's rows is as old as when it first came, whatever came between; what is told of it is lazy."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger
from fedsov.partition.manifest import read_manifest
from fedsov.region.lifecycle.retention import first_noted, note_arrival
from fedsov.runtimes import ingestion_process
from fedsov.runtimes.ingestion_process import ingest_source
from fedsov.storage.workspace import ledger_of, store_of
from tests.runtimes.test_ingestion_process import ROWS, request_of


def test_a_source_that_comes_again_after_another_is_as_old_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = [*ROWS, "DE,50,1"]
    days = []
    for lines, day in ((ROWS, date(2025, 1, 1)), (other, date(2026, 1, 2)), (ROWS, date(2026, 1, 3))):
        monkeypatch.setattr(ingestion_process, "real_day", lambda day=day: day)
        ingest_source(request_of(tmp_path, "dataset.examples=null", lines=lines))
        days.append(read_manifest(store_of(tmp_path / "w/regions/DE", "people")).ingested)
    assert days == ["2025-01-01", "2026-01-02", "2025-01-01"]


def test_a_ledger_knows_the_earliest_day_of_a_source_by_arrivals_and_by_tombstones(tmp_path: Path) -> None:
    with closing(Ledger(ledger_of(tmp_path), "DE")) as ledger:
        for day in ("2026-02-01", "2026-01-01", "2026-03-01", ""):
            note_arrival(ledger, "people", "aa", day)
        assert first_noted(ledger, "aa") == date(2026, 1, 1) and first_noted(ledger, "bb") is None
        assert len(ledger.notes("source_arrived")) == 2
        for day in ("2024-05-05", ""):
            tombstone = {"expiry": {"store": "people", "source": "bb", "ingested": day}}
            ledger.append({"at": "2026-03-02T00:00:00Z", "run": "", "act": "note", "owner": "DE", "note": tombstone})
        assert first_noted(ledger, "bb") == date(2024, 5, 5)
