"""A party's own file: what was written is read, and anything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError
from fedsov.storage.party_file import PORT, HubAddress, PartyFile, read_party, write_party


def test_a_party_that_was_written_is_read(tmp_path: Path) -> None:
    party = PartyFile("DE", "region", HubAddress("hub.example.org", 9999))
    write_party(tmp_path / "deployment" / "party.yaml", party)
    assert read_party(tmp_path / "deployment" / "party.yaml") == party


def test_the_port_is_flowers_where_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "party.yaml").write_text("name: DE\nrole: region\nhub: {host: hub}\n")
    assert read_party(tmp_path / "party.yaml").hub == HubAddress("hub", PORT)


@pytest.mark.parametrize(
    "text",
    [
        "name: DE",
        "name: [DE]\nrole: region\nhub: {host: h}",
        "name: DE\nrole: region\nhub: h",
        "name: DE\nrole: region\nhub: {host: h, port: 70000}",
        "name: DE\nrole: region\nhub: {host: h}\nmore: 1",
        "a: [",
    ],
)
def test_a_file_that_says_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "party.yaml").write_text(text)
    with pytest.raises(ConfigurationError):
        read_party(tmp_path / "party.yaml")
    with pytest.raises(ConfigurationError, match="fedsov deploy accept"):
        read_party(tmp_path / "none.yaml")
