"""`deploy files`: what is written for a party, and what is said of the hub's addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fedsov.infrastructure.workload.render import PATHS
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, write_party
from tests.cli.world import call


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return _home(tmp_path / "de", "hub.invalid")


def _home(folder: Path, host: str) -> Path:
    DeploymentFolder(folder).root.mkdir(parents=True)
    write_party(DeploymentFolder(folder).party, PartyFile("DE", "region", HubAddress(host)))
    return folder


def test_every_file_is_written_and_named(home: Path, tmp_path: Path) -> None:
    place = tmp_path / "services"
    words = ("--hub-networks", "203.0.113.7/32,2001:db8::7/128", "--memory", "8192", "--image", "registry.example/f:1")
    ended = call("deploy", "files", place, "--workspace", home, *words, "--json")
    assert ended.json["name"] == "fedsov-region-de" and len(ended.json["files"]) == len(PATHS) and ended.err == ""
    party = yaml.safe_load((place / "compose" / "compose.yaml").read_text())["services"]["party"]
    assert party["image"] == "registry.example/f:1" and party["mem_limit"] == "8192m"
    policy = (place / "kubernetes" / "2-network.yaml").read_text()
    assert "203.0.113.7/32" in policy and "2001:db8::7/128" in policy
    plain = call("deploy", "files", place, "--workspace", home, *words).out.splitlines()
    assert plain[-1] == f"{len(PATHS)} files for fedsov-region-de; begin with {place / 'CHECKLIST.md'}"


def test_what_is_not_known_of_the_hub_or_was_looked_up_is_said(home: Path, tmp_path: Path) -> None:
    ended = call("deploy", "files", tmp_path / "a", "--workspace", home)
    assert ended.code == 0 and "hub.invalid has no address from here" in ended.err and "--hub-networks" in ended.err
    ended = call("deploy", "files", tmp_path / "b", "--workspace", _home(tmp_path / "us", "localhost"))
    assert "localhost has " in ended.err and "127.0.0.1/32" in ended.err


def test_what_cannot_be_is_refused_and_nothing_is_written(home: Path, tmp_path: Path) -> None:
    words = ("deploy", "files", tmp_path / "a", "--workspace", home)
    assert "write networks such as" in call(*words, "--hub-networks", "hub.example").line
    assert "/home is hidden from services" in call(*words, "--home", "/home/jane").line
    assert not (tmp_path / "a").exists()
