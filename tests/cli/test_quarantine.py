"""`fedsov quarantine`: rows that wait are listed, shown masked, sent home and removed, each act in a ledger."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger
from fedsov.partition.manifest import read_manifest
from fedsov.storage.workspace import ledger_of, store_of
from tests.cli.world import call
from tests.hostile.people_region import COLUMNS, PeopleRegion, drawn
from tests.world import answered, fedsov


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DE's 40 people, of whom two lack their target; three rows have no home."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    lines = [",".join(map(str, ("DE", *row))) for row in drawn(range(40))]
    lines[0], lines[1] = (line.rpartition(",")[0] + "," for line in lines[:2])
    lines += [",".join(map(str, ("Atlantis", *row))) for row in drawn(range(50, 53))]
    (region.place / "people.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    answered(fedsov("ingest", *region.words("dataset.missing_target=quarantine"), "--json", "--quiet"))
    return region.place


@pytest.fixture
def place(made_once: Path, tmp_path: Path) -> Path:
    """The same workspace, which a test may change."""
    shutil.copytree(made_once / "w", tmp_path / "w")
    return tmp_path / "w"


def _notes(folder: Path) -> list[dict[str, object]]:
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        return [dict(entry.body["note"]["quarantine"]) for entry in ledger.notes("quarantine")]


def test_quarantines_are_listed_by_place_and_reason_and_rows_are_shown_masked(place: Path) -> None:
    out = call("quarantine", "list", "--workspace", place).out.splitlines()
    assert out == [
        "people: 3 rows without a home: jurisdiction unknown",
        "people: 2 rows in region DE: target 'ill' missing",
    ]
    rows = call("quarantine", "show", "--dataset", "people", "--workspace", place, "--json").json
    assert len(rows) == 3 and rows[0]["masked"]["person"] == "x99"
    text = call("quarantine", "show", "--dataset", "people", "--region", "DE", "--most", 1, "--workspace", place).out
    assert text.count("\n") == 1 and "target 'ill' missing" in text and "ward='X'" in text


def test_rows_go_home_or_away_by_a_person_s_word_and_the_ledger_has_it(place: Path) -> None:
    (first, *_) = call("quarantine", "show", "--dataset", "people", "--workspace", place, "--json").json
    words = ("--dataset", "people", "--why", "checked by hand", "--by", "A. Person", "--workspace", place)
    ended = call("quarantine", "assign", "--rows", first["name"], "--to", "DE", *words)
    assert ended.out == "1 row of people went to DE, and its ledger says why\n", ended.err
    assert read_manifest(store_of(place / "regions" / "DE", "people")).rows == 39
    assert call("quarantine", "delete", "--all", *words, "--json").json == {"deleted": 2}
    assert call("quarantine", "delete", "--reason", "target 'ill' missing", "--region", "DE", *words).code == 0
    assert call("quarantine", "list", "--workspace", place).out == "no row is in quarantine\n"
    assigned, deleted = _notes(place / "regions" / "DE")
    (shared,) = _notes(place / "quarantine")
    assert [note["act"] for note in (assigned, deleted, shared)] == ["assign", "delete", "delete"]
    for note in (assigned, deleted, shared):
        assert (note["by"], note["why"]) == ("A. Person", "checked by hand") and first["name"] not in str(note)


def test_a_person_who_was_erased_does_not_come_home_from_quarantine(place: Path) -> None:
    erased = call(
        "erase", "--subject", "p50", "--region", "DE", "--why", "request", "--workspace", place, "--json"
    ).json
    assert erased["removed"] == {"store": [], "quarantine": ["1 row of people"], "synthetic tables": []}
    assert len(call("quarantine", "show", "--dataset", "people", "--workspace", place, "--json").json) == 2


def test_what_cannot_be_done_is_said_with_the_way(place: Path) -> None:
    words = ("--dataset", "people", "--why", "w", "--workspace", place)
    assert "give --all" in call("quarantine", "delete", *words).line
    assert "give --all" in call("quarantine", "assign", "--to", "DE", "--all", "--reason", "x", *words).line
    assert (
        "holds no rows of FR"
        in call("quarantine", "assign", "--to", "DE", "--jurisdiction", "FR", "--all", *words).line
    )
    for where in ((), ("--region", "DE")):
        line = call("quarantine", "show", "--dataset", "other", *where, "--workspace", place).line
        assert "no rows of 'other' wait" in line and line.endswith("unknown data set 'other'; there is people")


def test_the_quarantine_s_ledger_does_not_vanish_unnoticed(place: Path) -> None:
    words = ("--dataset", "people", "--all", "--why", "checked by hand", "--workspace", place)
    assert call("quarantine", "delete", *words).code == 0
    assert "quarantine" in call("ledger", "verify", "--workspace", place).out
    for path in (place / "quarantine").glob("ledger.sqlite*"):
        path.unlink()
    assert "the ledger of the quarantine is gone" in call("quarantine", "list", "--workspace", place).line
    verified = call("ledger", "verify", "--workspace", place)
    assert verified.code != 0 and "the ledger of the quarantine is gone" in verified.out + verified.err
    assert "the ledger of the quarantine is gone" in call("quarantine", "delete", *words).line
