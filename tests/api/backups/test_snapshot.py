"""A party's files of one moment stay as they were, and a folder that a killed backup left is swept."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api.backups import snapshot
from fedsov.api.backups.party_files import PartyHome, party_at
from fedsov.api.backups.snapshot import still_files, sweep
from fedsov.errors import WorkspaceUnusable
from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import ledger_of


@pytest.fixture
def party(tmp_path: Path) -> PartyHome:
    folder = tmp_path / "regions" / "DE"
    with closing(Ledger(ledger_of(folder), "DE")) as ledger:
        ledger.note({"a": 1})
    (folder / "region.yaml").write_text("before")
    return party_at(tmp_path, "DE")


def test_a_file_that_is_replaced_meanwhile_stays_as_it_was(party: PartyHome) -> None:
    place = party.folder / "region.yaml"
    with still_files(party) as files:
        aside = party.folder / "aside"
        aside.write_text("afterwards")
        os.replace(aside, place)
        with closing(Ledger(party.ledger, "DE")) as ledger:
            ledger.note({"later": 1})
        found = {each.name: each for each in files}
        assert found["regions/DE/region.yaml"].path.read_text() == "before"
        with closing(sqlite3.connect(found["regions/DE/ledger.sqlite"].path)) as copy:
            assert copy.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    assert place.read_text() == "afterwards" and not [*party.home.glob(".backup-*")]


def test_the_party_waits_only_while_its_files_are_linked(party: PartyHome) -> None:
    with still_files(party), closing(Ledger(party.ledger, "DE")) as ledger:
        assert ledger.note({"while the archive is written": 1}).seq == 2


def test_a_home_in_which_files_come_and_go_all_the_time_is_not_backed_up(
    party: PartyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "ATTEMPTS", 3)
    monkeypatch.setattr(snapshot, "PAUSE", 0.01)
    stop = threading.Event()

    def store() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (party.folder / f"rows-{number % 50}").write_text(str(number))

    writer = threading.Thread(target=store)
    writer.start()
    try:
        with pytest.raises(WorkspaceUnusable, match="are being stored"), still_files(party):
            pass
    finally:
        stop.set()
        writer.join()
    assert not [*party.home.glob(".backup-*")]
    with still_files(party) as files:
        assert len(files) > 2


def test_what_a_killed_backup_left_is_removed_by_the_next_and_a_living_ones_stays(party: PartyHome) -> None:
    dead, alive = party.home / ".backup-999999999-00ff", party.home / f".backup-{os.getpid()}-00ff"
    for folder in (dead, alive):
        folder.mkdir()
    sweep(party.home, "backup")
    assert not dead.exists() and alive.exists()
