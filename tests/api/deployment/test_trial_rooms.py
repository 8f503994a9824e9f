"""Which walls are asked for each party of a trial, and what is said of a region that needs the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.deployment import trial_rooms
from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings
from fedsov.runtimes.deployment.region.region_service import RegionPlace
from fedsov.runtimes.isolation.rooms import Room
from fedsov.runtimes.isolation.walls import Walls
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress
from fedsov.storage.workspace import POSTGRESQL, Workspace, ledger_of


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for name in ("law", "backups", "deployment/ca", "deployment/regions/DE", "regions/FR"):
        (tmp_path / name).mkdir(parents=True)
    create_keys(KeySettings("DE", tmp_path / "regions" / "DE"))
    return Workspace(tmp_path)


def rooms(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> dict[str, Room]:
    """Rooms as they are asked for; the system is not asked."""

    def as_asked(asked: dict[str, Walls], host: str) -> dict[str, Room]:
        return {name: Room(name, walls) for name, walls in asked.items()}

    monkeypatch.setattr(trial_rooms, "prepared", as_asked)
    home = DeploymentFolder(workspace.root / "deployment" / "regions" / "DE")
    place = RegionPlace("DE", workspace.root, home, HubAddress("127.0.0.1", 9092))
    return trial_rooms.trial_rooms(workspace, "hub", [place])


def test_a_region_is_hidden_everything_but_the_law_and_the_hub_every_region(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = rooms(workspace, monkeypatch)
    root = workspace.root
    region, hub = asked["DE"].walls, asked["hub"].walls
    assert region is not None
    assert hub is not None
    assert set(region.hidden) == {
        str(root / name) for name in ("hub", "quarantine", "backups", "deployment", "regions", "regions/FR")
    }
    assert region.own == [str(root / "regions" / "DE"), str(root / "deployment" / "regions" / "DE")]
    assert region.port == 9092
    assert {str(root / name) for name in ("regions", "deployment/ca", "deployment/regions")} <= set(hub.hidden)


def test_a_region_with_something_at_a_service_keeps_the_network_and_that_is_said(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger_of(workspace.region("DE")).with_suffix(POSTGRESQL).write_text("postgresql://ledger.example/de\n")
    asked = rooms(workspace, monkeypatch)["DE"]
    assert asked.walls is not None
    assert asked.walls.port == 0
    assert "a network of its own, for it needs this machine's: its ledger is in PostgreSQL" in asked.sentence()


def test_one_line_is_for_all_parties_with_the_same_walls() -> None:
    walls = Walls(own=["/a"], hidden=["/b"], port=9092)
    lines = trial_rooms.rooms_in_lines({"DE": Room("DE", walls), "FR": Room("FR", walls), "hub": Room("hub")})
    assert len(lines) == 2
    assert lines[0].startswith("DE, FR: namespaces: ")
    assert lines[1].startswith("hub: a process of its own and nothing more")
