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
from tests.world import answered, called


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DE's 40 people, of whom two lack their target; three rows have no home."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    lines = [",".join(map(str, ("DE", *row))) for row in drawn(range(40))]
    lines[0], lines[1] = (line.rpartition(",")[0] + "," for line in lines[:2])
    lines += [",".join(map(str, ("Atlantis", *row))) for row in drawn(range(50, 53))]
    (region.place / "people.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    answered(called("ingest", *region.words("dataset.missing_target=quarantine"), "--json", "--quiet"))
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
    assert erased["removed"] == {
        "store": [],
        "quarantine": ["1 row of people"],
        "synthetic tables": [],
        "log of requests": [],
    }
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


@pytest.fixture
def abroad(tmp_path: Path) -> PeopleRegion:
    """A table that lies in France: 40 people of DE, and three of nobody knows where, of whom one has no name."""
    region = PeopleRegion(tmp_path)
    lines = [",".join(map(str, ("DE", *row))) for row in drawn(range(40))]
    lines += [",".join(map(str, ("Atlantis", *row))) for row in drawn(range(50, 53))]
    lines[-1] = lines[-1].replace("p52", "")
    (region.place / "people.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    answered(called("ingest", *region.words("dataset.location=FR"), "--json", "--quiet"))
    return region


def _arrived(place: Path) -> list[tuple[str, str, int]]:
    with closing(Ledger.read(ledger_of(place / "regions" / "DE"))) as ledger:
        bodies = [entry.body for entry in ledger.entries() if entry.body["act"] == "arrive"]
    return [(body["exporter"]["location"], body["verdict"], body["count"]) for body in bodies]


def test_rows_are_assigned_over_the_border_that_an_ingestion_would_have_asked(abroad: PeopleRegion) -> None:
    place = abroad.place / "w"
    words = ("--dataset", "people", "--to", "DE", "--why", "checked by hand", "--workspace", place)
    first, second, unnamed = call("quarantine", "show", "--dataset", "people", "--workspace", place, "--json").json
    line = call("quarantine", "assign", "--rows", unnamed["name"], *words).line
    assert "have subject 'person' missing: no erasure would find them" in line
    assert call("quarantine", "assign", "--rows", first["name"], *words).code == 0
    assert _arrived(place) == [("FR", "permit", 50), ("FR", "permit", 10)]

    rules = abroad.place / "rules.yaml"
    forbid = "{id: own-1, effect: forbid, when: [[kind, in, [records]]], reason: none may come, cite: c, remedy: m}"
    rules.write_text(f"rules:\n- {forbid}\n")
    abroad.set(f"law.rules={rules}")
    ended = call("quarantine", "assign", "--rows", second["name"], *words)
    assert "may not go home from FR (dataset.location) to DE" in ended.line and "none may come" in ended.line
    assert _arrived(place)[2:] == [("FR", "refuse", 10)]
    waiting = call("quarantine", "show", "--dataset", "people", "--workspace", place, "--json").json
    assert [row["name"] for row in waiting] == [second["name"], unnamed["name"]]


def test_rows_of_a_place_that_nobody_stated_are_assigned_and_the_entry_says_so(place: Path) -> None:
    words = ("--dataset", "people", "--all", "--to", "DE", "--why", "checked by hand", "--workspace", place)
    assert call("quarantine", "assign", *words).code == 0
    assert _arrived(place)[1:] == [("DE", "permit", 10)]
    with closing(Ledger.read(ledger_of(place / "regions" / "DE"))) as ledger:
        (*_, marks) = [entry.body["marks"] for entry in ledger.entries() if entry.body["act"] == "arrive"]
    assert marks == ["location assumed"]


def test_rows_without_a_home_go_by_the_periods_of_each_region_but_for_a_hold(place: Path) -> None:
    region = PeopleRegion(place.parent)
    region.pass_days(35)
    region.set("retention_days=30")
    where = ("--workspace", place)
    hold = ("--dataset", "people", "--subject", "p51", "--why", "claim 7", *where)
    assert call("retention", "hold", "DE", *hold).code == 0
    assert call("retention", "plan", "DE", *where).out.splitlines()[2] == (
        "quarantine/people: 3 of 3 rows past their period, 1 of them on a legal hold"
    )
    assert call("retention", "apply", "DE", "--why", "yearly", *where).code == 0
    (left,) = call("quarantine", "show", "--dataset", "people", *where, "--json").json
    with closing(Ledger.read(ledger_of(place / "quarantine"))) as ledger:
        (stone,) = [entry.body["note"]["expiry"] for entry in ledger.notes("expiry")]
    assert (stone["store"], stone["periods_of"], stone["why"]) == ("people", "DE", "yearly")
    assert call("retention", "release", "DE", *hold).code == 0
    call("retention", "apply", "DE", "--why", "yearly", *where)
    assert call("quarantine", "list", *where).out == "no row is in quarantine\n" and left["name"]
