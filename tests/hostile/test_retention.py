"""Rows older than a region uses them are not trained on: not written anew, not under another name, not for a job."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.partition.manifest import MANIFEST, read_manifest
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from fedsov.storage.workspace import ledger_of, store_of
from tests.hostile.people_region import PeopleRegion, drawn
from tests.world import called

CATALOGUE = "federation.catalogue={{DE: {{name: DE, location: DE, entity: operator in DE, retention_days: {days}}}}}"


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """Its rows came today; its ledger knows of a day in five weeks."""
    made = PeopleRegion(tmp_path_factory.mktemp("retention"))
    made.ingest(drawn(range(40)))
    made.set("retention_days=30")
    opened = open_region(made.start())
    assert isinstance(opened, OpenRegion), opened
    opened.close()
    with closing(Ledger(ledger_of(made.folder), "DE")) as ledger:
        later = entry_time(datetime.now(UTC) + timedelta(days=35))
        ledger.append({"at": later, "run": "", "act": "note", "owner": "DE", "note": {"opened": "later"}})
    return made


def _refused(region: PeopleRegion) -> str:
    opened = open_region(region.start())
    assert isinstance(opened, ClosedRegion), opened
    return opened.failure


def test_rows_past_their_days_are_not_used_and_the_command_that_removes_them_is_said(region: PeopleRegion) -> None:
    said = _refused(region)
    assert "region DE uses rows for 30 days" in said and "`fedsov retention apply DE`" in said


def test_neither_a_store_written_anew_nor_another_name_makes_rows_younger(region: PeopleRegion) -> None:
    store = store_of(region.folder, "people")
    before = read_manifest(store).ingested
    region.set("datasets.copy.same_people=[people]")
    copied = called("ingest", *region.words(name="copy"), "--quiet")
    assert copied.returncode == 9 and "those of copy are of" in copied.stderr, copied.stderr
    assert before in copied.stderr and not store_of(region.folder, "copy").exists()
    written = (store / MANIFEST).stat().st_mtime_ns
    again = called("ingest", *region.words(), "--rebuild", "--quiet")
    assert again.returncode == 9 and "they are used no more" in again.stderr, again.stderr
    assert "nothing was stored" in again.stderr and (store / MANIFEST).stat().st_mtime_ns == written
    assert read_manifest(store).ingested == before
    assert "30 days" in _refused(region)


def test_a_job_that_would_have_rows_used_longer_is_refused_and_one_for_fewer_days_is_answered_with_the_command(
    tmp_path: Path,
) -> None:
    region = PeopleRegion(tmp_path)
    region.ingest(drawn(range(40)))
    region.set("retention_days=30")
    words = [word for word in region.words() if not word.startswith("federation.regions")]
    longer = called("ingest", *words, "federation.regions=[DE]", CATALOGUE.format(days=31), "--quiet")
    assert longer.returncode == 9 and "fedsov region set DE retention_days=31" in longer.stderr, longer.stderr
    shorter = called("ingest", *words, "federation.regions=[DE]", CATALOGUE.format(days=7), "--quiet")
    assert shorter.returncode == 0 and "fedsov region set DE retention_days=7" in shorter.stdout, shorter.stderr
