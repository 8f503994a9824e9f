"""`fedsov keys`: versions of a region's keys are shown, made and destroyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.world import call


@pytest.fixture
def place(tmp_path: Path) -> str:
    word = f"workspace={tmp_path / 'w'}"
    assert call("region", "init", "DE", word).code == 0
    return word


def test_a_rotation_is_shown_noted_and_retired(place: str) -> None:
    assert "protected by backend=local" in call("keys", "status", "DE", place).out
    assert call("keys", "rotate", "DE", place, "--why", "yearly").out.splitlines()[1:] == [
        "  version 1: opens until `fedsov keys retire DE`; the keys of 0 files",
        "  version 2: wraps; the keys of 0 files",
    ]
    assert call("region", "check", "DE", place).code == 0
    done = call("keys", "retire", "DE", place, "--yes", "--why", "yearly", "--json").json["done"]
    assert done[0] == "version 1 of the region's key is destroyed"
    assert done[1] == "copies of the former keyring.json still open old backups: destroy those copies too"
    assert call("keys", "status", "DE", place, "--json").json["versions"] == {"2": 0}
    assert call("region", "check", "DE", place).code == 0, "the secret that splits rows was wrapped anew"
    assert call("ledger", "show", "DE", place).out.count("note keys") == 2


def test_what_cannot_be_done_is_refused_with_the_way(place: str) -> None:
    assert "add --yes" in call("keys", "retire", "DE", place).line
    assert "fedsov keys rotate DE" in call("keys", "retire", "DE", place, "--yes").line
    assert "unknown region 'FR'" in call("keys", "status", "FR", place).line
    assert "quarantine has no keys yet" in call("keys", "status", "quarantine", place).line


def test_no_key_is_printed(place: str, tmp_path: Path) -> None:
    ring = (tmp_path / "w" / "regions" / "DE" / "keyring.json").read_text()
    secrets = [line.split('"')[3] for line in ring.splitlines() if "_key" in line]
    said = call("keys", "status", "DE", place).out + call("keys", "rotate", "DE", place, "--json").out
    assert len(secrets) == 3 and not [secret for secret in secrets if secret in said]
