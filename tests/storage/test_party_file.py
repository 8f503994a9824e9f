"""A party's own file: what was written is read, and anything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError
from fedsov.storage.party_file import PORT, HubAddress, PartyFile, check_regions_here, read_party, write_party


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


def test_a_run_within_one_workspace_is_refused_where_the_other_parties_are_elsewhere(tmp_path: Path) -> None:
    check_regions_here(tmp_path)
    deployment = tmp_path / "deployment"
    deployment.mkdir()
    for role, told in (
        ("hub", "add runtime=deployment"),
        ("operator", "add runtime=deployment"),
        ("region", "ingest P"),
    ):
        write_party(deployment / "party.yaml", PartyFile("P", role, HubAddress("hub.example")))
        with pytest.raises(ConfigurationError, match=told):
            check_regions_here(tmp_path)
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "ledger.sqlite").write_bytes(b"a ledger")
    check_regions_here(tmp_path)  # a region that had a hub beside it
    write_party(deployment / "party.yaml", PartyFile("hub", "hub", HubAddress("hub.example")))
    (deployment / "regions").mkdir()
    check_regions_here(tmp_path)  # a trial


def test_the_control_planes_ports_follow_the_hubs_own_unless_they_are_named(tmp_path: Path) -> None:
    for hub, ports in ((HubAddress("hub", 9092), (9093, 9094)), (HubAddress("hub", 9092, 443, 444), (443, 444))):
        write_party(tmp_path / "party.yaml", PartyFile("DE", "region", hub))
        read = read_party(tmp_path / "party.yaml").hub
        assert read == hub
        assert (read.control.port, read.pages.port) == ports
        assert ("control_port" in (tmp_path / "party.yaml").read_text()) == (hub.control_port > 0)
