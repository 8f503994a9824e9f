"""A region takes the root of its hub's repository with the papers of joining, and reads by it."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api import region_settings
from fedsov.api.control.control_hub import control_hub
from fedsov.api.deployment.trial import set_up_trial
from fedsov.control_plane.repository.renewal import new_root
from fedsov.errors import RepositoryRefused
from fedsov.ledger.ledger import Ledger
from fedsov.region.trust.control_root import noted_digest, trusted_root
from fedsov.runtimes.deployment.region_agent.approved_source import ApprovedSource, RegionPins
from fedsov.storage.control_folder import HubControlFolder, RegionControlFolder
from fedsov.storage.party_file import HubAddress
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.deployment.world import Deployment

HUB = HubAddress("127.0.0.1", 9092)


def read(home: Path, region: str, hub_home: Path) -> int:
    """What a region reads of its hub's repository by the root that it took: the number of the timestamp."""
    folder = Workspace(home).region(region)
    with closing(Ledger.read(ledger_of(folder))) as ledger, control_hub(hub_home) as hub:
        root, pins = trusted_root(folder, ledger), RegionPins(region, hub.ledger.key, ledger.key)

        def fetch(path: str) -> list[bytes] | None:
            content = hub.repository.fetch(path, region=region)
            return None if content is None else [content if isinstance(content, bytes) else content.read_bytes()]

        return ApprovedSource(RegionControlFolder(folder), pins, root, fetch).poll().timestamp


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    new = Deployment(tmp_path)
    new.set_up()
    return new


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """A workspace with two regions and a hub."""
    for name in ("DE", "US"):
        region_settings.init(tmp_path, name)
    set_up_trial(tmp_path, ["DE", "US"], HUB)
    return tmp_path


def test_a_region_that_joins_reads_its_hubs_repository(deployment: Deployment) -> None:
    deployment.member("DE")
    home = deployment.home("DE")
    assert read(home, "DE", deployment.hub) > 0
    ledger = Ledger.read(ledger_of(Workspace(home).region("DE")))
    with closing(ledger):
        note = ledger.notes("control_root")[-1].body["note"]["control_root"]
    assert (note["by"], note["why"].endswith("as agreed")) == ("A. Person", True)


def test_the_regions_of_a_trial_read_the_repository_and_take_its_root_once(trial: Path) -> None:
    assert read(trial, "DE", trial) == read(trial, "US", trial)
    with control_hub(trial) as hub:
        new_root(hub.repository)
    set_up_trial(trial, ["DE", "US"], HUB)
    with closing(Ledger.read(ledger_of(Workspace(trial).region("DE")))) as ledger:
        assert len(ledger.notes("control_root")) == 1
    assert read(trial, "DE", trial) > 1


def test_a_trial_whose_control_plane_was_removed_begins_anew(trial: Path) -> None:
    read(trial, "DE", trial)
    shutil.rmtree(HubControlFolder(trial).root)
    set_up_trial(trial, ["DE", "US"], HUB)
    assert read(trial, "DE", trial) > 0


def test_a_root_that_was_edited_or_never_taken_is_refused(trial: Path) -> None:
    folder = Workspace(trial).region("DE")
    path = RegionControlFolder(folder).trusted_root
    path.write_bytes(path.read_bytes().replace(b"2027", b"2099"))
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        with pytest.raises(RepositoryRefused, match="is not the root that the ledger of DE notes"):
            trusted_root(folder, ledger)
        path.unlink()
        with pytest.raises(RepositoryRefused, match="edited, put back or lost"):
            trusted_root(folder, ledger)
    with closing(Ledger(trial / "new" / "ledger.sqlite", "FR")) as ledger:
        assert noted_digest(ledger) == ""
        with pytest.raises(RepositoryRefused, match="FR has taken no root"):
            trusted_root(trial / "new", ledger)
