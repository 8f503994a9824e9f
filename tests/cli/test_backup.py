"""`fedsov backup`: an archive of a party, told in lines and as JSON, its passphrase nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.backups.archive import VARIABLE
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, drawn

WORDS = "a passphrase of the tests"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a region of 40 people and a hub."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(40)))
    return region.place / "w"


def test_an_archive_is_told_in_lines_with_what_an_erasure_means_for_it(home: Path, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text(WORDS)
    words.chmod(0o600)
    ended = call("backup", "DE", "--out", tmp_path / "de", "--passphrase", words, "--workspace", home)
    assert ended.code == 0, ended.err
    assert f"{tmp_path / 'de'}: DE of " in ended.out and "its ledger at " in ended.out
    assert "erased people: this archive holds the people of its day" in ended.out and "keys retire" in ended.out
    assert "not in it: " in ended.out and "quarantine" in ended.out
    assert WORDS not in ended.out + ended.err and "p7" not in ended.out
    assert (tmp_path / "de").stat().st_mode & 0o777 == 0o600


def test_json_has_the_ledgers_head_and_what_is_left_out(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, WORDS)
    told = call("backup", "hub", "--out", tmp_path / "hub", "--workspace", home, "--json", "--quiet").json
    assert told["party"] == told["role"] == "hub" and told["head"]["owner"] == "hub" and told["left_out"] == []
    assert told["files"] >= 3 and told["archive_bytes"] == (tmp_path / "hub").stat().st_size
    assert told["erasure"] == "" and len(told["digest"]) == 64


def test_a_word_that_is_missing_or_wrong_is_named(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert "backup needs --out" in call("backup", "DE", "--workspace", home).line
    assert "--passphrase FILE" in call("backup", "DE", "--out", tmp_path / "de", "--workspace", home).line
    assert "unknown party 'FR'" in call("backup", "FR", "--out", tmp_path / "fr", "--workspace", home).line
    assert "keeps no party" in call("backup", "--out", tmp_path / "x", "--workspace", tmp_path / "empty").line
    assert not [*tmp_path.iterdir()]
