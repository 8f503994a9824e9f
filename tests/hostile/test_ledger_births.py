"""A kill or a full disk while a ledger is born: the workspace goes on, and nothing is called tampering that is none.

Half files are those that a killed earlier version left: an empty file, a database without tables, one with tables and
no owner. Whoever emptied a ledger that others had noted is still found, by the heads that they noted.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api import region_settings
from fedsov.api.ledger_audit import verify_all
from fedsov.errors import LedgerBroken
from fedsov.hub.run import open_run
from fedsov.ledger.backends.sqlite import SqliteBackend
from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import Workspace, ledger_of
from tests.full_disk import full_disk
from tests.hub.world import World, hub
from tests.killed import lines_of_a_killed


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _without_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as half:
        half.execute("PRAGMA page_size = 8192")
        half.execute("PRAGMA journal_mode = WAL")


def _without_owner(path: Path) -> None:
    SqliteBackend(path).close()


def _without_owner_in_the_log(path: Path) -> None:
    """Tables that a kill left in the log beside the file."""
    whole = path.with_name("whole.sqlite")
    with closing(SqliteBackend(whole)) as backend:
        with backend.writing() as transaction:
            transaction.run("CREATE TABLE more (x)")
            transaction.run("DROP TABLE more")
        for ending in ("", "-wal", "-shm"):
            shutil.copy(whole.with_name(whole.name + ending), path.with_name(path.name + ending))
    for file in path.parent.glob("whole.sqlite*"):
        file.unlink()


HALVES: list[Callable[[Path], None]] = [_empty, _without_tables, _without_owner, _without_owner_in_the_log]


@pytest.mark.parametrize("half", HALVES)
def test_a_ledger_that_was_never_whole_is_made_whole_by_the_next_that_opens_it(
    tmp_path: Path, half: Callable[[Path], None]
) -> None:
    path = tmp_path / "ledger.sqlite"
    half(path)
    with closing(Ledger(path, "DE")) as ledger:
        ledger.append({"act": "note", "note": {}})
        assert ledger.verify().entries == 1


@pytest.mark.parametrize("half", HALVES)
def test_a_region_s_half_ledger_stops_no_audit_and_no_ingestion_and_is_no_tampering(
    tmp_path: Path, half: Callable[[Path], None]
) -> None:
    workspace = Workspace(tmp_path)
    Ledger(ledger_of(workspace.hub), "hub").close()
    workspace.region("DE").mkdir(parents=True)
    half(ledger_of(workspace.region("DE")))
    assert set(workspace.ledgers()) == {"hub"}  # whose ledgers the ingestion verifies before it reads a row
    assert [(finding.owner, finding.fault) for finding in verify_all(tmp_path)] == [("hub", "")]


@pytest.mark.parametrize("half", HALVES)
def test_a_hub_s_half_ledger_is_made_whole_by_the_next_run(tmp_path: Path, half: Callable[[Path], None]) -> None:
    world = World(tmp_path)
    path = ledger_of(tmp_path / "w" / "hub")
    path.parent.mkdir(parents=True)
    half(path)
    with open_run(hub(tmp_path), lambda _: world, progress=lambda _: None) as run:
        assert run.gate.ledger.verify().entries == 0


@pytest.mark.parametrize("half", HALVES)
def test_a_ledger_that_was_emptied_after_others_noted_its_head_is_still_found(
    tmp_path: Path, half: Callable[[Path], None]
) -> None:
    workspace = Workspace(tmp_path)
    place = ledger_of(workspace.region("DE"))
    with closing(Ledger(place, "DE")) as region, closing(Ledger(ledger_of(workspace.hub), "hub")) as ledger:
        region.append({"act": "note", "note": {}})
        ledger.append({"act": "note", "note": {"heads": {"DE": region.head().to_json()}}})
    for file in place.parent.glob("ledger.sqlite*"):
        file.unlink()
    half(place)
    assert "was cut or rewritten, or is gone" in {each.owner: each.fault for each in verify_all(tmp_path)}["DE"]
    with pytest.raises(LedgerBroken, match=r"ledger.*(is empty|does not name one owner|is gone)"):
        Ledger.read(place)


_BIRTHS = """
import sys
from contextlib import closing
from pathlib import Path
from fedsov.ledger.ledger import Ledger
print("begun", flush=True)
for number in range(10_000):
    with closing(Ledger(Path(sys.argv[1]) / str(number) / "ledger.sqlite", "DE")):
        print(number, flush=True)
"""


def test_a_birth_killed_at_any_instant_leaves_a_whole_ledger_or_none(tmp_path: Path) -> None:
    chance = random.Random(11)
    for attempt in range(5):
        place = tmp_path / str(attempt)
        lines_of_a_killed(_BIRTHS, str(place), chance=chance)
        for folder in place.iterdir():
            path = folder / "ledger.sqlite"
            if path.exists():
                with closing(Ledger.read(path)) as ledger:
                    assert ledger.verify().entries == 0 and ledger.owner == "DE"
            with closing(Ledger(path, "DE")) as again:
                again.append({"act": "note", "note": {}})
                assert again.verify().entries == 1


@pytest.mark.parametrize("size", [0, 200, 5_000, 20_000, 30_000])
@pytest.mark.long
def test_a_full_disk_at_a_birth_is_said_leaves_no_ledger_and_the_next_run_has_one(tmp_path: Path, size: int) -> None:
    path = tmp_path / "ledger.sqlite"
    with full_disk(size), pytest.raises(LedgerBroken, match="nothing crossed"):
        Ledger(path, "DE")
    assert not path.exists()
    with closing(Ledger(path, "DE")) as ledger:
        assert ledger.verify().entries == 0
    assert {file.name for file in tmp_path.iterdir()} <= {"ledger.sqlite", "signing.key"}


def test_a_ledger_that_is_taken_away_while_it_is_open_is_not_begun_anew(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", "DE")
    ledger.append({"act": "note", "note": {}})
    ledger.close()
    (tmp_path / "ledger.sqlite").unlink()
    with pytest.raises(LedgerBroken, match="is gone; restore it from your copy"):
        ledger.append({"act": "note", "note": {}})
    assert not (tmp_path / "ledger.sqlite").exists()


def test_a_region_that_its_owner_made_does_not_make_the_hub_s_ledger_missing_and_one_that_had_a_run_does(
    tmp_path: Path,
) -> None:
    region_settings.init(tmp_path / "w", "DE")
    region_settings.set_settings(tmp_path / "w", ["DE"], ["limits.rounds=9"])
    world, path = World(tmp_path), ledger_of(tmp_path / "w" / "hub")
    with open_run(hub(tmp_path), lambda _: world, progress=lambda _: None) as run:
        assert run.gate.ledger.verify().entries == 0
    for file in path.parent.glob("ledger.sqlite*"):
        file.unlink()
    with closing(Ledger(ledger_of(tmp_path / "w" / "regions" / "DE"), "DE")) as ledger:
        ledger.append({"act": "note", "run": "r1", "note": {}})
    with (
        pytest.raises(LedgerBroken, match="no ledger at .*though regions have theirs"),
        open_run(hub(tmp_path), lambda _: world, progress=lambda _: None),
    ):
        pass
