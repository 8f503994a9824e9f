"""`fedsov restore` and `fedsov ledger accept-gap`: a party put back, and the acts by which it goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fedsov.api.backups.archive import VARIABLE
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, drawn


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "a passphrase of the tests")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A region of 40 people and a hub."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(40)))
    return region.place


@pytest.fixture
def home(place: Path, tmp_path: Path) -> Path:
    shutil.copytree(place, tmp_path / "place")
    return tmp_path / "place" / "w"


def _backup(home: Path, out: Path) -> Path:
    ended = call("backup", "DE", "--out", out, "--workspace", home)
    assert ended.code == 0, ended.err
    return out


def test_what_is_next_is_told_and_the_owners_act_is_asked_for_by_name(home: Path, tmp_path: Path) -> None:
    archive, new = _backup(home, tmp_path / "de"), tmp_path / "new"
    ended = call("restore", archive, "--workspace", new)
    assert ended.code == 0, ended.err
    assert "next: `fedsov ledger accept-gap DE --why TEXT" in ended.out and "its privacy budget as spent" in ended.out
    assert (
        "fedsov erase --region DE --subject ID" in ended.out
        and "compare it with the key that others noted" in ended.out
    )
    refused = call("ledger", "accept-gap", "DE", "--workspace", new)
    assert refused.code == 2 and "--why TEXT is needed" in refused.line
    words = ("--by", "A. Person", "--why", "disk of 3 March", "--workspace", new)
    accepted = call("ledger", "accept-gap", "DE", *words)
    assert accepted.code == 0, accepted.err
    assert (
        "DE goes on at" in accepted.out and "privacy budget taken as spent: all of the lifetime budget" in accepted.out
    )
    assert (new / "gap-DE.json").stat().st_mode & 0o777 == 0o600
    shown = call("ledger", "show", "DE", "--workspace", new, "--json").json
    (gap,) = [entry["body"]["note"]["gap"] for entry in shown if "gap" in entry["body"].get("note", {})]
    assert (gap["by"], gap["why"]) == ("A. Person", "disk of 3 March")
    assert "nothing shows" in call("ledger", "accept-gap", "DE", *words).line
    spent = call("budget", "--region", "DE", "--workspace", new, "--json").json["DE"]
    assert spent["left"] == 0.0


def test_a_home_that_has_more_is_refused_until_its_party_is_named(home: Path, tmp_path: Path) -> None:
    archive = _backup(home, tmp_path / "de")
    (home / "regions" / "DE" / "more").write_text("x")
    refused = call("restore", archive, "--workspace", home)
    assert refused.code == 2 and "regions/DE/more" in refused.line and "--replace DE" in refused.line
    told = call("restore", archive, "--workspace", home, "--replace", "DE", "--json").json
    assert Path(told["aside"]).is_relative_to(home) and not (home / "regions" / "DE" / "more").exists()
    assert told["party"] == "DE" and told["next"]


def test_a_statement_is_another_partys_word_alone(home: Path, tmp_path: Path) -> None:
    statement = tmp_path / "gap.json"
    statement.write_text("{}")
    words = ("ledger", "accept-gap", "hub", "--statement", statement, "--why", "w", "--workspace", home)
    assert "is no statement" in call(*words).line
    assert "--statement takes another party's word" in call(*words, "--out", tmp_path / "x").line
    assert "unknown ledger owner" in call("ledger", "accept-gap", "FR", "--why", "w", "--workspace", home).line


def test_an_archive_that_is_none_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no archive")
    assert "is no archive" in call("restore", tmp_path / "x", "--workspace", tmp_path / "new").line
    assert "does not exist" in call("restore", tmp_path / "y", "--workspace", tmp_path / "new").line
    assert not [*(tmp_path / "new").glob("*")]
