"""Which walls stand between the parties of a trial, and the lines that say so.

    rooms = trial_rooms(workspace, "hub", places)
    rooms_in_lines(rooms)      # ["DE, US: namespaces: no other party's folder can be seen, ...", "hub: ..."]

A region sees its own folders, and reaches the hub's port. One whose keys, ledger or rows are with a service on the
network is left this machine's network, and that is said. The hub does not see the folders of regions, nor the
authority's, which `fedsov up` keeps beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fedsov.errors import FedsovError
from fedsov.keys.keyring_file import protecting
from fedsov.keys.protocol import KEYRING, KeySettings
from fedsov.partition.backends.place import place_of
from fedsov.partition.manifest import MANIFEST, read_manifest
from fedsov.runtimes.deployment.region.region_service import RegionPlace
from fedsov.runtimes.isolation.rooms import Room, prepared
from fedsov.runtimes.isolation.walls import Walls
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import POSTGRESQL, Workspace, ledger_of

ON_THE_NETWORK = ("openbao", "aws_kms")
"""Key services that are asked over a network."""


def trial_rooms(workspace: Workspace, hub: str, places: Sequence[RegionPlace]) -> dict[str, Room]:
    """The rooms of a trial's parties, by name, each tried."""
    for folder in (workspace.hub, workspace.quarantine):  # one that is not there could not be hidden
        make_private_folder(folder)
    elsewhere = {place.name: _elsewhere(place.workspace, place.name) for place in places}
    asked = {place.name: _region_walls(workspace, place, needs_network=bool(elsewhere[place.name])) for place in places}
    host = places[0].hub.host if places else ""
    rooms = prepared({**asked, hub: _hub_walls(workspace)}, host)
    return {name: _with_why(room, elsewhere.get(name, "")) for name, room in rooms.items()}


def rooms_in_lines(rooms: Mapping[str, Room]) -> list[str]:
    """A line for each kind of room, with the parties that have it."""
    names: dict[str, list[str]] = {}
    for name, room in rooms.items():
        names.setdefault(room.sentence(), []).append(name)
    return [f"{', '.join(several)}: {sentence}" for sentence, several in names.items()]


def _region_walls(workspace: Workspace, place: RegionPlace, *, needs_network: bool) -> Walls:
    """A region sees the law and whatever else is one file in the workspace, and no folder but its own.

    Of the quarantine it sees what an ingestion wrote of itself, and no row.
    """
    folders = [each for each in workspace.root.iterdir() if each.is_dir() and each != workspace.law]
    others = [each for each in workspace.regions.iterdir() if each.name != place.name]  # they may lie on other disks
    report = [workspace.quarantine / KEYRING, *workspace.quarantine.glob(f"store/*/{MANIFEST}")]
    return Walls(
        own=[str(workspace.region(place.name)), str(place.folder.home)],
        hidden=[str(each) for each in (*folders, *others)],
        shown=[str(path) for path in report if path.is_file()],
        port=0 if needs_network else place.hub.port,
    )


def _hub_walls(workspace: Workspace) -> Walls:
    own = DeploymentFolder(workspace.root).root
    hidden = [workspace.regions, workspace.quarantine, own / "regions", own / "ca", *workspace.regions.glob("*")]
    return Walls(own=[str(workspace.root)], hidden=[str(folder) for folder in hidden])


def _with_why(room: Room, elsewhere: str) -> Room:
    if not elsewhere or room.walls is None:
        return room
    why = f"a network of its own, for it needs this machine's: {elsewhere}"
    return replace(room, lacking=(*room.lacking, why))


def _elsewhere(workspace: Path, name: str) -> str:
    """What a region has with a service on the network; "" where all of it is in its folder."""
    folder, found = Workspace(workspace).region(name), list[str]()
    try:
        service = protecting(KeySettings(name, folder).path)
        if service.backend in ON_THE_NETWORK:
            found.append(f"its keys are with {service.backend}")
        if ledger_of(folder).with_suffix(POSTGRESQL).is_file():
            found.append("its ledger is in PostgreSQL")
        for manifest in sorted(folder.glob(f"store/*/{MANIFEST}")):
            if bucket := place_of(read_manifest(manifest.parent).place).bucket:
                found.append(f"rows are in {bucket}")
    except (FedsovError, OSError) as problem:
        found.append(f"what it has elsewhere cannot be read ({problem})")
    return "; ".join(found)
